# The page behind nginx, with the API and the live events of the same origin. What builds it stays in the first stage.
FROM docker.io/library/python:3.11.14-slim-bookworm AS build
ENV UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv==0.13.9
WORKDIR /opt/inventory
# Node is that of the lock file, as on machines that have none.
COPY infra/page/requirements.lock infra/page/
RUN /opt/uv/bin/uv venv --python python3 .venv \
    && /opt/uv/bin/uv pip sync --python .venv/bin/python --require-hashes infra/page/requirements.lock
ENV PATH=/opt/inventory/.venv/bin:$PATH
WORKDIR /opt/inventory/frontend
COPY frontend/package.json frontend/package-lock.json ./
RUN npm ci --no-audit --no-fund --silent
COPY frontend ./
RUN npm run --silent build

# With hot reload: docker compose --profile dev.
FROM build AS sources
RUN useradd --no-log-init --uid 10001 --user-group --create-home inventory \
    && chown -R inventory:inventory /opt/inventory/frontend
USER 10001:10001
EXPOSE 5173
CMD ["npm", "run", "--silent", "dev", "--", "--host", "0.0.0.0"]

FROM docker.io/library/nginx:1.28.0-alpine-slim
COPY --from=build /opt/inventory/frontend/dist /usr/share/nginx/html
COPY infra/containers/nginx.conf infra/containers/passed-on.conf infra/containers/security-headers.conf /etc/nginx/
COPY --chmod=755 infra/containers/page.sh /usr/local/bin/page
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGQUIT
ENTRYPOINT ["page"]
