"""`python -m infra.live`: the server of the live events, started and supervised by the bridge. SIGTERM ends it."""

import argparse
import asyncio

import uvicorn

from common.observability import logger
from common.topology import TOPOLOGY
from infra.bridge.heartbeat import HeartbeatSender, die_with_parent
from infra.bridge.wakeups import Wakeups
from infra.live.feed import Feed
from infra.live.server import LiveEvents
from infra.live.settings import get_live_settings


async def serve(heartbeats: HeartbeatSender) -> None:
    """Serve until SIGTERM or until the supervisor is gone."""
    settings = get_live_settings()
    feed = Feed(settings)
    loop = asyncio.get_running_loop()

    def wake() -> None:
        loop.call_soon_threadsafe(feed.wake)

    Wakeups(list(TOPOLOGY), wake).start()
    config = uvicorn.Config(
        LiveEvents(settings, feed).app(),
        host=settings.host,
        port=settings.port,
        timeout_graceful_shutdown=settings.stop_seconds,
        log_level="warning",
        access_log=False,
        server_header=False,
    )
    server = uvicorn.Server(config)
    beating = asyncio.create_task(_beat(server, heartbeats))
    logger.info("live_events_started", port=settings.port)
    await server.serve()
    beating.cancel()
    logger.info("live_events_stopped")


async def _beat(server: uvicorn.Server, heartbeats: HeartbeatSender) -> None:
    while heartbeats.send({}):  # noqa: ASYNC110  # a pipe has no event to await
        await asyncio.sleep(1)
    logger.warning("supervisor_gone")
    server.should_exit = True


def main() -> None:
    """Entry of the process."""
    parser = argparse.ArgumentParser(description="Serves live events to the page.")
    parser.add_argument("--heartbeat-fd", type=int, help="where to tell the supervisor that all is well")
    parser.add_argument("--parent", type=int, help="pid of the supervisor")
    options = parser.parse_args()
    logger.append_keys(process="live")
    if options.parent:
        die_with_parent(options.parent)
    asyncio.run(serve(HeartbeatSender(options.heartbeat_fd)))


if __name__ == "__main__":
    main()
