"""The kinds of faults: how often each is drawn, from which values its arguments, and which of them take long."""

from __future__ import annotations

from typing import Any

from common.topology import CONSUMERS

KILLS = ("kill mariadb", "kill redis", "kill localstack", "kill bridge", "kill consumer", "kill function", "kill supervisor")
CRASHES = ("crash function", "crash consumer")
# Each takes seconds that a thousand faults have not: of a hundred faults at most so many.
HEAVY = frozenset({"kill localstack", "kill supervisor", "deploy", "down and up", "restart mariadb", "fill the disk", "lock rows"})
MOST_HEAVY_PER_HUNDRED = 7

_WRITING = ("order", "procurement", "inventory", "product", "supplier", "customer")
FUNCTIONS = (*_WRITING, *(f"{consumer}-consumer" for consumer in CONSUMERS))
FUNCTION_POINTS = ("before_commit", "after_commit_before_publish", "after_publish_before_answer")
CONSUMER_POINTS = ("after_read_before_invoke", "after_invoke_before_mark", "after_mark")

# Every kind with what is drawn for it: name of an argument -> its values.
ARGUMENTS: dict[str, dict[str, tuple[Any, ...]]] = {
    "kill mariadb": {},
    "kill redis": {},
    "kill localstack": {},
    "kill bridge": {},
    "kill consumer": {"consumer": CONSUMERS},
    "kill function": {"function": (*FUNCTIONS, "authorizer", "auth")},
    "kill supervisor": {},
    "crash function": {"function": FUNCTIONS, "point": FUNCTION_POINTS},
    "crash consumer": {"consumer": CONSUMERS, "point": CONSUMER_POINTS},
    "flush redis": {},
    "redis read-only": {"seconds": (0.5, 1.0, 2.0)},
    "redis slow": {"seconds": (0.5, 1.0, 2.0), "delay": (0.02, 0.1, 0.4)},
    "redis away": {"seconds": (0.5, 1.0, 2.0)},
    "cut redis answers": {"count": (1, 3, 10)},
    "cut database answers": {"count": (1, 3, 10)},
    "drop redis connections": {},
    "drop database connections": {},
    "restart mariadb": {},
    "force deadlocks": {"seconds": (0.5, 1.0)},
    "lock rows": {"seconds": (2.0, 6.0)},
    "exhaust connections": {"seconds": (0.5, 1.0, 2.0)},
    "fill the disk": {"seconds": (1.0, 2.0)},
    "jump the clock": {"hours": (-20, -3, 2, 7, 20), "seconds": (1.0, 2.0)},
    "bad messages": {},
    "deliver again": {},
    "deliver rubbish": {},
    "poison event": {"sort": ("unknown product", "no quantity", "half an event", "another's id", "no such order")},
    "deploy": {},
    "down and up": {},
}

WEIGHTS: dict[str, int] = dict.fromkeys(ARGUMENTS, 3) | {
    "kill function": 16,
    "crash function": 24,
    "crash consumer": 8,
    "kill consumer": 6,
    "cut database answers": 8,
    "cut redis answers": 6,
    "poison event": 5,
    "bad messages": 5,
    "deliver again": 6,
}
