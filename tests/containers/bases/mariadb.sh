#!/bin/sh
# MARIADB_ROOT_PASSWORD and MARIADB_DATABASE on the first start; arguments that begin with - are mariadbd's.
set -eu
case ${1:-} in -*) set -- mariadbd "$@" ;; esac
if [ ! -d /var/lib/mysql/mysql ]; then
    cat >/tmp/first-start.sql <<SQL
USE mysql;
DELETE FROM global_priv WHERE User = 'root';
FLUSH PRIVILEGES;
CREATE OR REPLACE USER 'root'@'localhost' IDENTIFIED BY '$MARIADB_ROOT_PASSWORD';
GRANT ALL ON *.* TO 'root'@'localhost' WITH GRANT OPTION;
CREATE OR REPLACE USER 'root'@'%' IDENTIFIED BY '$MARIADB_ROOT_PASSWORD';
GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;
CREATE DATABASE $MARIADB_DATABASE;
SQL
    mariadb-install-db --no-defaults --datadir=/var/lib/mysql --auth-root-authentication-method=normal --skip-name-resolve --skip-test-db \
        --extra-file=/tmp/first-start.sql >/dev/null
fi
exec "$@"
