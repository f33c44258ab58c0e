"""The same asked of a company of a thousand orders, and of ones that have grown: each on a system of its own, through the gateway."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

from redis import Redis

from common.cache import lists_key
from infra.replay.progress import Silent
from infra.seed import scale
from infra.seed.sizes import Sizes
from infra.stack import Ports, Stack, launcher
from tests.bench.events import Listener, settings_of
from tests.e2e.client import Clerk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ORDERS = (1_000, 10_000, 100_000)
MANY_ORDERS = 1_000_000
_MOST = 1_000_000
_DAYS = 365
# So many of each, after a few that count for nothing.
ASKED, WARMING = 40, 5


@dataclass(frozen=True)
class Grown:
    """What one thing cost of so many orders: the median of all answers, in milliseconds, and how many times that of the fewest orders."""

    what: str
    orders: int
    p50: float
    ratio: float


def measure(
    directory: Path, *, sizes: tuple[int, ...] = ORDERS, asked: int = ASKED, say: Callable[[str], None] = lambda _: None
) -> list[Grown]:
    """Make each company in turn, as `inventory seed --scale` does, and ask the same of it."""
    found: dict[int, dict[str, float]] = {}
    for orders in sizes:
        say(f"a company of {orders:,} orders")
        with _company(directory / str(orders), orders) as stack:
            say(f"asking it, {asked} times each")
            found[orders] = _ask(stack, orders, asked)
    least = found[sizes[0]]
    return [Grown(what, orders, times[what], times[what] / least[what]) for what in least for orders, times in found.items()]


@contextmanager
def _company(directory: Path, orders: int) -> Iterator[Stack]:
    stack = Stack(directory, Ports.free())
    try:
        launcher.up(stack)
        scale.fill(settings_of(stack), Sizes.of(orders / _MOST), seed=1, until=datetime.now(UTC), days=_DAYS, progress=Silent())
        yield stack
    finally:
        launcher.down(stack)


def _ask(stack: Stack, orders: int, asked: int) -> dict[str, float]:
    clerk = Clerk(stack.gateway_url)
    since = (datetime.now(UTC) - timedelta(days=29)).replace(hour=0, minute=0, second=0, microsecond=0).isoformat().replace("+00:00", "Z")
    product = clerk.get("/api/products", limit=1)["products"][0]
    customer = clerk.get("/api/customers", limit=1)["customers"][0]
    clerk.procure(product, 1_000_000)
    middle = clerk.get("/api/orders", start=orders // 2, limit=1)["orders"][0]["id"]
    reads: dict[str, tuple[str, dict[str, Any]]] = {
        "product": (f"/api/products/{product['id']}", {}),
        "list of 50": ("/api/orders", {"limit": 50}),
        "list of 50, newest": ("/api/orders", {"limit": 50, "sort": "-timestamp"}),
        "behind a row in the middle": ("/api/orders", {"limit": 50, "after": middle}),
        "at a start near the end": ("/api/orders", {"limit": 50, "start": orders - 100}),
        "products searched": ("/api/products", {"limit": 50, "q": "blue mug"}),
        "orders searched": ("/api/orders", {"limit": 50, "q": "blue mug"}),
        "statistics of 30 days' orders": ("/api/orders/statistics", {"since": since, "by": "day", "utc_offset": 0, "top": 8}),
        "statistics of 30 days' procurements": ("/api/procurements/statistics", {"since": since, "by": "day", "utc_offset": 0, "top": 8}),
        "statistics of the stock": ("/api/inventory/statistics", {}),
    }
    found = {}
    with Redis(port=stack.ports.redis) as redis:

        def forget_lists() -> None:
            # What a list costs is to be seen, not what it costs to have it kept.
            redis.delete(*(lists_key(kind) for kind in ("order", "product", "procurement")))

        for what, (path, query) in reads.items():
            found[what] = _median(lambda path=path, query=query: clerk.get(path, **query), forget_lists, asked)
    with Listener(stack.ports.redis) as listener:
        found["order until confirmed"] = _median(lambda: _order(clerk, listener, customer, product), lambda: None, asked)
    return found


def _order(clerk: Clerk, listener: Listener, customer: dict[str, Any], product: dict[str, Any]) -> None:
    """Asks for the order no sooner than inventory has decided: asking all the time would be what is measured."""
    answer = clerk.order(customer, product, 1)
    assert answer.status_code == 201, answer.text
    order_id, deadline = answer.json()["id"], time.monotonic() + 10
    while order_id not in listener.heard or clerk.get(f"/api/orders/{order_id}")["status"] == "pending":
        assert time.monotonic() < deadline, f"nobody decides about {answer.text}"
        time.sleep(0.001)


def _median(ask: Callable[[], object], before: Callable[[], None], asked: int) -> float:
    times = []
    for _ in range(WARMING + asked):
        before()
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1000)
    return median(times[WARMING:])
