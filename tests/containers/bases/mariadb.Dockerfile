# Stands in for mariadb:…: what of that image's first start docker-compose.yml asks for.
FROM localhost/inventory-test-debian:bookworm
# hadolint ignore=DL3008
RUN printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d && apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends mariadb-server >/dev/null && rm -rf /var/lib/apt/lists/* /var/lib/mysql/* \
    && install --directory --owner mysql --group mysql /run/mysqld
COPY --chmod=755 mariadb.sh /usr/local/bin/docker-entrypoint.sh
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["mariadbd"]
VOLUME /var/lib/mysql
