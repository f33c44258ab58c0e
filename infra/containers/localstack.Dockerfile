# LocalStack with our plugin: functions are processes of this container, so no Docker socket and no licence key.
FROM docker.io/library/python:3.11.14-slim-bookworm AS build
ENV UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv==0.13.9
WORKDIR /opt/inventory
COPY localstack/requirements.lock localstack/
RUN /opt/uv/bin/uv venv --python python3 localstack/.venv \
    && /opt/uv/bin/uv pip sync --compile-bytecode --python localstack/.venv/bin/python --require-hashes localstack/requirements.lock
COPY localstack localstack
RUN /opt/uv/bin/uv pip install --compile-bytecode --python localstack/.venv/bin/python --no-deps --no-build-isolation localstack/

FROM docker.io/library/python:3.11.14-slim-bookworm
RUN useradd --no-log-init --uid 10001 --user-group --create-home --home-dir /var/lib/localstack inventory \
    && install --directory --owner inventory --group inventory --mode 700 /var/lib/localstack/state /var/lib/localstack/tmp
COPY --from=build /opt/inventory/localstack/.venv /opt/inventory/localstack/.venv
# As infra/stack/localstack.py has it; a test compares them. In a container LocalStack would take the layout of its own image for granted.
ENV OVERRIDE_IN_DOCKER=0 \
    HOME=/var/lib/localstack \
    TMPDIR=/var/lib/localstack/tmp \
    XDG_CACHE_HOME=/var/lib/localstack/.cache \
    LOCALSTACK_VOLUME_DIR=/var/lib/localstack/volume \
    FILESYSTEM_ROOT=/var/lib/localstack/filesystem \
    PYTHONUNBUFFERED=1 \
    GATEWAY_LISTEN=0.0.0.0:4566 \
    LOCALSTACK_HOST=127.0.0.1:4566 \
    EDGE_LISTEN=0.0.0.0:8000 \
    LAMBDA_RUNTIME_EXECUTOR=process \
    PROCESS_RUNTIME_DIR=/var/lib/localstack/runtime \
    PROCESS_RUNTIME_STATE_DIR=/var/lib/localstack/state \
    PROCESS_RUNTIME_MAX_PER_FUNCTION=6 \
    PROCESS_RUNTIME_MAX_TOTAL=90 \
    PROCESS_RUNTIME_IDLE_SECONDS=60 \
    PROCESS_RUNTIME_BASE_IDLE_SECONDS=300 \
    OTEL_SERVICE_NAME=edge \
    BOTO_WAITER_DELAY=0 \
    BOTO_WAITER_MAX_ATTEMPTS=5000 \
    DISABLE_EVENTS=1 \
    SKIP_SSL_CERT_DOWNLOAD=1 \
    DNS_ADDRESS=0 \
    ALLOW_NONSTANDARD_REGIONS=0 \
    NO_PROXY=*
COPY --chmod=755 infra/containers/localstack.sh /usr/local/bin/localstack
WORKDIR /var/lib/localstack
USER 10001:10001
VOLUME /var/lib/localstack/state
EXPOSE 4566 8000
ENTRYPOINT ["localstack"]
