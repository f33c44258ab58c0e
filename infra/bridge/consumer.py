"""The process that delivers to one consumer: `python -m infra.bridge.consumer NAME`, started by the supervisor.

Three threads: one hears Redis, one delivers, and the main one tells the supervisor each second that both can still be
trusted. SIGTERM, or the supervisor's death, lets the batch in hand be finished and marked.
"""

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict

from common.config import get_settings
from common.crash_points import crash_point
from common.observability import logger
from common.topology import CONSUMERS, channels_of, consumer_function
from infra.bridge.delivering import Delivering
from infra.bridge.heartbeat import HeartbeatSender, die_with_parent
from infra.bridge.invocation import Invoke
from infra.bridge.settings import BridgeSettings, get_bridge_settings
from infra.bridge.wakeups import Wakeups

InvokerOf = Callable[[str, BridgeSettings], Invoke]


def deployed_function(consumer: str, settings: BridgeSettings) -> Invoke:
    """The consumer's function as deployed, through Lambda's API."""
    # boto3 takes a while to import: the first heartbeat is not to wait for it.
    from infra.bridge.lambda_function import LambdaFunction  # noqa: PLC0415

    return LambdaFunction(consumer_function(get_settings().stack_name, consumer), settings)


def run(consumer: str, heartbeats: HeartbeatSender, invoker_of: InvokerOf = deployed_function) -> int:
    """Deliver to `consumer` until asked to stop. Returns the process's exit code."""
    settings = get_bridge_settings()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    heartbeats.send({})
    crash_point("at_start", consumer)
    delivering = Delivering(consumer, settings, invoker_of)
    wakeups = Wakeups(channels_of(consumer), delivering.wake)
    delivering.redis_is_there = lambda: wakeups.connected
    delivering.start()
    wakeups.start()
    logger.info("consumer_started", pid=os.getpid())
    longest_step = settings.invoke_seconds * 2 + 60
    while not stop.is_set() and delivering.is_alive():
        if time.monotonic() - delivering.last_step_at < longest_step and not heartbeats.send(asdict(delivering.counts)):
            logger.warning("supervisor_gone")
            break
        stop.wait(settings.heartbeat_seconds)
    died = not delivering.is_alive()
    delivering.stop()
    delivering.join(settings.stop_seconds - 1)
    heartbeats.send(asdict(delivering.counts))
    logger.info("consumer_stopped", finished=not delivering.is_alive(), **asdict(delivering.counts))
    return 1 if died else 0


def main(arguments: list[str] | None = None, invoker_of: InvokerOf = deployed_function) -> int:
    """Entry of the process."""
    parser = argparse.ArgumentParser(description="Delivers events to one consumer function.")
    parser.add_argument("consumer", choices=CONSUMERS)
    parser.add_argument("--heartbeat-fd", type=int, help="where to tell the supervisor that all is well")
    parser.add_argument("--parent", type=int, help="pid of the supervisor")
    options = parser.parse_args(arguments)
    logger.append_keys(consumer=options.consumer)
    if options.parent:
        die_with_parent(options.parent)
    return run(options.consumer, HeartbeatSender(options.heartbeat_fd), invoker_of)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # The listening thread may be waiting for Redis; nothing is left that is worth waiting for.
    os._exit(code)
