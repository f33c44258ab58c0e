"""The bench in its short form: what costs how many times as much as what, in one process and one database. No time is looked at by itself.

Things that are compared are asked in turn, so that whatever else the machine does meets them alike; what cannot be asked in turn, as
a company has grown between, is compared by how much more it costs than the least that can be asked.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from common import services
from common.cache import lists_key
from common.config import get_settings
from common.db import get_engine
from common.redis_client import get_redis
from infra.progress import Silent
from infra.seed import scale
from infra.seed.sizes import Sizes
from tests.factories import event
from tests.gateway import Gateway, LambdaClient
from tests.integration.growth.conftest import empty
from tests.integration.services.conftest import be_patient, begin_anew, hand_over

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

ORDERS, TIMES = 2_000, 10
ROUNDS, TRIES = 30, 3
DEARER = 1.5
LEAST = "an order by its id"
LISTS = {
    "orders": "/api/orders?limit=50",
    "orders behind one in the middle": "/api/orders?limit=50&after={middle}",
    "orders from a start near the end": "/api/orders?limit=50&start={deep}",
    "orders by their value": "/api/orders?limit=50&sort=-total_cost",
    "products": "/api/products?limit=50",
    "products by name": "/api/products?limit=50&sort=name",
    "stock": "/api/inventory?limit=50",
    "movements": "/api/inventory/movements?limit=50",
}


@pytest.fixture(scope="module")
def company(mariadb: Mapping[str, str], redis: Mapping[str, str]) -> Iterator[Gateway]:
    """A company of so many orders, and the services that serve it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**mariadb, **redis, "AWS_DEFAULT_REGION": "us-east-1"}.items():
            patch.setenv(name, value)
        client = LambdaClient()
        patch.setattr(services, "get_client", lambda _service: client)
        be_patient(patch)
        begin_anew()
        get_redis().flushall()
        empty()
        _grow(ORDERS)
        yield Gateway()
        empty()
        get_engine().dispose()
        begin_anew()


@pytest.fixture(scope="module")
def costs(company: Gateway) -> tuple[dict[str, float], dict[str, float]]:
    """What each list costs, before and after there was ten times as much of everything."""
    before = _least(_costs(company, ORDERS) for _ in range(TRIES))
    _grow(ORDERS * (TIMES - 1), add=True)
    after = _costs(company, ORDERS * TIMES)
    for _ in range(TRIES - 1):
        if not any(_is_dearer(what, before, after) for what in LISTS):
            break
        after = _least((after, _costs(company, ORDERS * TIMES)))
    return before, after


def test_a_page_costs_the_same_wherever_it_is(costs):
    for found in costs:
        for deep in ("orders behind one in the middle", "orders from a start near the end"):
            assert found[deep] <= 3 * found["orders"], (deep, found)


@pytest.mark.parametrize("what", LISTS)
def test_a_list_costs_the_same_of_ten_times_as_much(costs, what):
    assert not _is_dearer(what, *costs), costs


@pytest.mark.usefixtures("costs")
def test_events_of_a_batch_cost_a_part_of_what_each_costs_alone(company):
    product_ids = [row["product_id"] for row in company.get("/api/inventory?limit=20").json["inventory"]]

    def bought(number: int) -> list[Any]:
        return [
            event("procurement_stock_in", procurement_id=1, product_id=product_ids[place % len(product_ids)], quantity=1)
            for place in range(number)
        ]

    taken = _in_turn({number: lambda number=number: hand_over("inventory", *bought(number)) for number in (1, 100)})
    assert taken[100] / 100 <= taken[1] / 5


def _grow(orders: int, *, add: bool = False) -> None:
    sizes = Sizes.of(orders / 1_000_000, suppliers=10)
    scale.fill(get_settings(), sizes, seed=1, until=datetime.now(UTC), days=30, progress=Silent(), add=add)


def _costs(api: Gateway, orders: int) -> dict[str, float]:
    middle = api.get(f"/api/orders?start={orders // 2}&limit=1").json["orders"][0]["id"]
    urls = {LEAST: f"/api/orders/{middle}"} | {what: url.format(middle=middle, deep=orders - 100) for what, url in LISTS.items()}

    def ask(url: str) -> None:
        # Neither an entity nor a list may come from the cache.
        get_redis().delete(f"order:{middle}", *(lists_key(kind) for kind in ("order", "product", "supplier")))
        assert api.get(url).status == 200

    return _in_turn({what: lambda url=url: ask(url) for what, url in urls.items()})


def _is_dearer(what: str, before: dict[str, float], after: dict[str, float]) -> bool:
    return after[what] / after[LEAST] > DEARER * before[what] / before[LEAST]


def _least(several: Iterable[dict[str, float]]) -> dict[str, float]:
    """Of what was measured several times, what the machine held up least."""
    found = list(several)
    return {name: min(each[name] for each in found) for name in found[0]}


def _in_turn(things: dict[Any, Callable[[], object]]) -> dict[Any, float]:
    """The least that each takes, all of them in turn, again and again: the rest is what else the machine does."""
    taken: dict[Any, list[float]] = {name: [] for name in things}
    for _ in range(ROUNDS):
        for name, do in things.items():
            began = time.perf_counter()
            do()
            taken[name].append(time.perf_counter() - began)
    return {name: min(times) for name, times in taken.items()}
