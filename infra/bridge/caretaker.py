"""The child of the bridge that looks after what all share: which bridge leads, what may be forgotten, what Redis has yet to be told.

It is a process of its own so that the bridge's parent has no threads: only a process without any may fork.
"""

import signal
import threading

from common.observability import logger
from infra.bridge.cache_repair import CacheRepair
from infra.bridge.heartbeat import HeartbeatSender
from infra.bridge.housekeeping import Housekeeping
from infra.bridge.leadership import Leadership
from infra.bridge.settings import get_bridge_settings


def run(heartbeats: HeartbeatSender) -> int:
    """Look after it all until asked to stop. Returns the process's exit code: 1 when one of the threads has died."""
    settings = get_bridge_settings()
    logger.append_keys(process="caretaker")
    stop = threading.Event()
    changed = threading.Event()
    leadership = Leadership(changed.set, settings.lease_seconds)

    def end(_number: int, _frame: object) -> None:
        stop.set()
        changed.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    threads = (leadership, Housekeeping(settings), CacheRepair(settings))
    for thread in threads:
        thread.start()
    while not stop.is_set() and all(thread.is_alive() for thread in threads):
        changed.clear()
        if not heartbeats.send({"active": leadership.active, "database_error": leadership.database_error}):
            logger.warning("supervisor_gone")
            break
        changed.wait(settings.heartbeat_seconds)
    died = not all(thread.is_alive() for thread in threads)
    for thread in threads:
        thread.close()
    return int(died)
