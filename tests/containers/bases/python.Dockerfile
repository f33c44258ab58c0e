# Stands in for python:…-slim-bookworm: Debian's Python where that image has its own.
FROM localhost/inventory-test-debian:bookworm
# hadolint ignore=DL3008
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 python3-venv >/dev/null && rm -rf /var/lib/apt/lists/* \
    && ln -s /usr/bin/python3 /usr/local/bin/python3
