"""The process that delivers to one consumer, a child of the bridge.

Three threads: one hears Redis, one delivers, and the main one tells the supervisor each second that both can still be
trusted. SIGTERM, or the supervisor's death, lets the batch in hand be finished and marked.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict

from common.config import get_settings
from common.crash_points import crash_point
from common.observability import logger
from common.topology import channels_of, consumer_function
from infra.bridge.delivering import Delivering
from infra.bridge.heartbeat import HeartbeatSender
from infra.bridge.invocation import Invoke
from infra.bridge.lambda_function import LambdaFunction
from infra.bridge.settings import BridgeSettings, get_bridge_settings
from infra.bridge.wakeups import Wakeups

InvokerOf = Callable[[str, BridgeSettings], Invoke]


def deployed_function(consumer: str, settings: BridgeSettings) -> Invoke:
    """The consumer's function as deployed, through Lambda's API."""
    return LambdaFunction(consumer_function(get_settings().stack_name, consumer), settings)


def run(consumer: str, heartbeats: HeartbeatSender, invoker_of: InvokerOf = deployed_function) -> int:
    """Deliver to `consumer` until asked to stop. Returns the process's exit code."""
    settings = get_bridge_settings()
    logger.append_keys(consumer=consumer)
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
