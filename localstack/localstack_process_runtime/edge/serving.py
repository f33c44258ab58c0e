"""Opens the edge on EDGE_LISTEN, tells it of changes, and closes it before the functions' environments end."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from localstack.aws import handlers as aws_handlers

from localstack_process_runtime.edge.http import HttpServer
from localstack_process_runtime.edge.passing_on import PassingOn
from localstack_process_runtime.edge.plane import DataPlane
from localstack_process_runtime.runtime import get_runtime
from localstack_process_runtime.settings import SettingsError, get_settings

if TYPE_CHECKING:
    from localstack_process_runtime.edge.counted import Counting
    from localstack_process_runtime.gateway.authorizer_cache import GrantCache
    from localstack_process_runtime.gateway.throttling import TokenBuckets

LOG = logging.getLogger(__name__)
THREADS = 32

_serving: list[tuple[HttpServer, DataPlane]] = []


def start(grants: GrantCache, buckets: TokenBuckets) -> None:
    """Listen, when EDGE_LISTEN is set; grants and buckets are shared with LocalStack's own gateway."""
    settings = get_settings()
    address = settings.edge_listen
    if address is None:
        return
    if not settings.process_executor:
        raise SettingsError("EDGE_LISTEN needs LAMBDA_RUNTIME_EXECUTOR=process")
    runtime = get_runtime()

    async def serve() -> DataPlane:
        threads = ThreadPoolExecutor(THREADS, thread_name_prefix="edge-passing-on")
        plane = DataPlane(settings, runtime.pool.pool, grants, buckets, PassingOn(address.port), threads)
        server = HttpServer(plane.handle)
        await server.listen(address.host, address.port)
        _serving.append((server, plane))
        return plane

    plane = asyncio.run_coroutine_threadsafe(serve(), runtime.pool.loop).result(10)

    def tell(_chain: Any, context: Any, _response: Any) -> None:
        """After each call of API Gateway's API, and before its caller hears of it."""
        operation = context.operation.name if context.operation else ""
        if context.service and context.service.service_name == "apigateway" and not operation.startswith("Get"):
            plane.changed()

    aws_handlers.run_custom_response_handlers.append(tell)
    LOG.info("edge on http://%s:%d", address.host, address.port)


def counting() -> Counting | None:
    """What the edge has counted; None where there is no edge."""
    return _serving[-1][1].counting if _serving else None


def stop() -> None:
    """Take no more requests; those in hand are answered first."""
    seconds = get_settings().limits.drain_seconds

    async def close(server: HttpServer, plane: DataPlane) -> None:
        plane.close()
        await server.close(seconds)

    while _serving:
        asyncio.run_coroutine_threadsafe(close(*_serving.pop()), get_runtime().pool.loop).result(seconds + 5)
