#!/bin/sh
# nginx asks for the names of the containers behind it again and again, as they come back with other addresses.
set -eu
nameserver=$(awk '$1 == "nameserver" { print ($2 ~ /:/) ? "[" $2 "]" : $2; exit }' /etc/resolv.conf)
echo "resolver $nameserver valid=2s ipv6=off;" >/tmp/resolver.conf
# And says to the gateway whose requests it passes on, which believes it by this key (infra/stack/forwarding.py).
umask 077
echo "proxy_set_header X-Forwarder-Key $(cat /run/forwarding/forwarder-key);" >/tmp/forwarding.conf
exec nginx -e stderr -g 'daemon off;'
