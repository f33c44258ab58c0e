#!/bin/sh
# With the key by which it believes the page whose requests it passes on (infra/stack/forwarding.py).
set -eu
EDGE_FORWARDER_KEY=$(cat /run/forwarding/forwarder-key)
export EDGE_FORWARDER_KEY
exec /opt/inventory/localstack/.venv/bin/python -m localstack.runtime.main
