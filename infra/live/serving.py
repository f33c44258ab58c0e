"""The process that serves the live events, a child of the bridge. SIGTERM ends it."""

import asyncio

import uvicorn

from common.observability import logger
from common.topology import TOPOLOGY
from infra.bridge.heartbeat import HeartbeatSender
from infra.bridge.settings import get_bridge_settings
from infra.bridge.wakeups import Wakeups
from infra.live.feed import Feed
from infra.live.server import LiveEvents
from infra.live.settings import get_live_settings


async def serve(heartbeats: HeartbeatSender) -> int:
    """Serve until SIGTERM or until the supervisor is gone. Returns the process's exit code: 1 when the tables could not be read on."""
    settings = get_live_settings()
    feed = Feed(settings)
    loop = asyncio.get_running_loop()

    def wake() -> None:
        loop.call_soon_threadsafe(feed.wake)

    Wakeups(list(TOPOLOGY), wake).start()
    config = uvicorn.Config(
        LiveEvents(settings, feed, get_bridge_settings().state_file).app(),
        host=settings.host,
        port=settings.port,
        timeout_graceful_shutdown=settings.stop_seconds,
        log_level="warning",
        access_log=False,
        server_header=False,
    )
    server = uvicorn.Server(config)
    serving, reading = asyncio.create_task(server.serve()), asyncio.create_task(feed.run())
    beating = asyncio.create_task(_beat(server, heartbeats))
    logger.info("live_events_started", port=settings.port)
    await asyncio.wait({serving, reading}, return_when=asyncio.FIRST_COMPLETED)
    broken = reading.done()
    if broken:
        # Not an outage, which it survives: whoever listens had better know, and the supervisor start anew.
        logger.error("live_events_broken", exc_info=reading.exception())
        server.should_exit = True
    await serving
    reading.cancel()
    beating.cancel()
    logger.info("live_events_stopped")
    return int(broken)


async def _beat(server: uvicorn.Server, heartbeats: HeartbeatSender) -> None:
    while heartbeats.send({}):  # noqa: ASYNC110  # a pipe has no event to await
        await asyncio.sleep(1)
    logger.warning("supervisor_gone")
    server.should_exit = True


def run(heartbeats: HeartbeatSender) -> int:
    """Serve until asked to stop. Returns the process's exit code."""
    logger.append_keys(process="live")
    return asyncio.run(serve(heartbeats))
