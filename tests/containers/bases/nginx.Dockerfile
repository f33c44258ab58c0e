# Stands in for nginx:…-alpine-slim: its user with its number, and the wget that the health check uses.
FROM localhost/inventory-test-debian:bookworm
# hadolint ignore=DL3008
RUN groupadd --gid 101 nginx && useradd --uid 101 --gid 101 --no-create-home nginx \
    && printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d && apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends nginx-light wget >/dev/null && rm -rf /var/lib/apt/lists/*
