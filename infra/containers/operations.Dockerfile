# Migrations, deployment and warm-up, the bridge, and the `inventory` command: infra/, run from its own environment.
FROM docker.io/library/python:3.11.14-slim-bookworm AS build
ENV UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv==0.13.9
WORKDIR /opt/inventory
COPY infra/requirements.lock infra/
RUN /opt/uv/bin/uv venv --python python3 .venv \
    && /opt/uv/bin/uv pip sync --compile-bytecode --python .venv/bin/python --require-hashes infra/requirements.lock
# As the Makefile has it: compiled by content, as archives do not keep times.
COPY layers/dependencies/requirements.lock layers/dependencies/
COPY layers/tracing/requirements.lock layers/tracing/
RUN for layer in dependencies tracing; do \
    PYC_INVALIDATION_MODE=UNCHECKED_HASH /opt/uv/bin/uv pip install --python .venv/bin/python --no-deps --require-hashes \
    --compile-bytecode --target .build/layers/$layer/python -r layers/$layer/requirements.lock || exit 1; done

FROM docker.io/library/python:3.11.14-slim-bookworm
RUN useradd --no-log-init --uid 10001 --user-group --create-home inventory \
    && install --directory --owner inventory --group inventory --mode 700 /var/lib/inventory /run/forwarding \
        /opt/inventory/.build/archives
WORKDIR /opt/inventory
COPY --from=build /opt/inventory/.venv .venv
COPY --from=build /opt/inventory/.build/layers .build/layers
COPY template.yaml ./
COPY layers layers
COPY functions functions
COPY infra infra
COPY --chmod=755 infra/containers/inventory.sh /usr/local/bin/inventory
ENV PATH=/opt/inventory/.venv/bin:$PATH \
    PYTHONPATH=/opt/inventory:/opt/inventory/layers/common/python \
    PYTHONDONTWRITEBYTECODE=1 \
    RUN_DIR=/var/lib/inventory \
    FORWARDING_DIR=/run/forwarding \
    INVENTORY_KEPT_BY=containers \
    INVENTORY_MYSQL_HOST=mariadb \
    INVENTORY_REDIS_HOST=redis \
    INVENTORY_LOCALSTACK_HOST=localstack \
    INVENTORY_BRIDGE_HOST=bridge \
    INVENTORY_LISTEN_HOST=0.0.0.0
USER 10001:10001
VOLUME /var/lib/inventory /run/forwarding
EXPOSE 8090
ENTRYPOINT ["python3", "-m", "infra.containers"]
