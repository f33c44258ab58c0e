"""The same asked of a company of a thousand orders, and in turn of ones that have grown: each a system of its own, through the gateway."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from redis import Redis

from common.cache import lists_key
from infra.progress import Silent
from infra.seed import scale
from infra.seed.sizes import Sizes
from infra.stack import Ports, Stack, launcher
from tests.bench.events import Listener, settings_of
from tests.e2e.client import Clerk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

ORDERS = (1_000, 10_000, 100_000)
MANY_ORDERS = 1_000_000
_MOST = 1_000_000
_DAYS = 365
_LISTED = ("order", "product", "procurement", "customer")
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
    """Make each company, as `inventory seed --scale` does, and ask the same of all in turn, so that what else goes on meets each."""
    with ExitStack() as running:
        companies = []
        for orders in sizes:
            say(f"a company of {orders:,} orders")
            companies.append(running.enter_context(_company(directory / str(orders), orders)))
        say(f"asking them in turn, {asked} times each")
        found = []
        for what in [*companies[0].reads, "order until confirmed"]:
            medians = _medians([partial(company.ask, what) for company in companies], asked)
            found += [Grown(what, company.orders, p50, p50 / medians[0]) for company, p50 in zip(companies, medians, strict=True)]
        return found


@contextmanager
def _company(directory: Path, orders: int) -> Iterator[_Company]:
    stack = Stack(directory, Ports.free())
    try:
        launcher.up(stack)
        scale.fill(settings_of(stack), Sizes.of(orders / _MOST), seed=1, until=datetime.now(UTC), days=_DAYS, progress=Silent())
        with Redis(port=stack.ports.redis) as redis:
            yield _Company(stack, orders, redis)
    finally:
        launcher.down(stack)


class _Company:
    """One that runs, and what may be asked of it."""

    def __init__(self, stack: Stack, orders: int, redis: Redis) -> None:
        self.orders = orders
        self._stack, self._redis = stack, redis
        self._clerk = clerk = Clerk(stack.gateway_url)
        month = (datetime.now(UTC) - timedelta(days=29)).replace(hour=0, minute=0, second=0, microsecond=0)
        period = {"since": month.isoformat().replace("+00:00", "Z"), "by": "day", "utc_offset": 0, "top": 8}
        self._product = product = clerk.get("/api/products", limit=1)["products"][0]
        self._customer = customer = clerk.get("/api/customers", limit=1)["customers"][0]
        clerk.procure(product, 1_000_000)
        middle = clerk.get("/api/orders", start=orders // 2, limit=1)["orders"][0]["id"]
        movements = clerk.get("/api/inventory/movements", limit=1)["total"]
        self.reads: dict[str, tuple[str, dict[str, Any]]] = {
            "product": (f"/api/products/{product['id']}", {}),
            "list of 50": ("/api/orders", {"limit": 50}),
            "list of 50, newest": ("/api/orders", {"limit": 50, "sort": "-timestamp"}),
            "behind a row in the middle": ("/api/orders", {"limit": 50, "after": middle}),
            "at a start near the end": ("/api/orders", {"limit": 50, "start": orders - 100}),
            "movements, list of 50": ("/api/inventory/movements", {"limit": 50}),
            "movements, at a start near the end": ("/api/inventory/movements", {"limit": 50, "start": movements - 100}),
            "products searched": ("/api/products", {"limit": 50, "q": "blue mug"}),
            "customers searched": ("/api/customers", {"limit": 50, "q": customer["contact_person"]}),
            "orders searched": ("/api/orders", {"limit": 50, "q": "blue mug"}),
            "procurements searched": ("/api/procurements", {"limit": 50, "q": "blue mug"}),
            "stock searched": ("/api/inventory", {"limit": 50, "q": "blue mug"}),
            "statistics of 30 days' orders": ("/api/orders/statistics", period),
            "statistics of 30 days' procurements": ("/api/procurements/statistics", period),
            "statistics of the stock": ("/api/inventory/statistics", {}),
        }

    def ask(self, what: str) -> float:
        """Ask this once; how many milliseconds it took. What a list costs is to be seen, not what it costs to have it kept."""
        if what not in self.reads:
            return self._order()
        self._redis.delete(*(lists_key(kind) for kind in _LISTED))
        path, query = self.reads[what]
        began = time.perf_counter()
        self._clerk.get(path, **query)
        return (time.perf_counter() - began) * 1000

    def _order(self) -> float:
        """Asks for the order no sooner than inventory has decided: asking all the time would be what is measured."""
        with Listener(self._stack.ports.redis) as listener:
            began = time.perf_counter()
            answer = self._clerk.order(self._customer, self._product, 1)
            assert answer.status_code == 201, answer.text
            order_id, deadline = answer.json()["id"], time.monotonic() + 10
            while order_id not in listener.heard or self._clerk.get(f"/api/orders/{order_id}")["status"] == "pending":
                assert time.monotonic() < deadline, f"nobody decides about {answer.text}"
                time.sleep(0.001)
            return (time.perf_counter() - began) * 1000


def _medians(asks: Sequence[Callable[[], float]], asked: int) -> list[float]:
    """What each takes, all asked in turn."""
    times: list[list[float]] = [[] for _ in asks]
    for _ in range(WARMING + asked):
        for ask, taken in zip(asks, times, strict=True):
            taken.append(ask())
    return [median(taken[WARMING:]) for taken in times]
