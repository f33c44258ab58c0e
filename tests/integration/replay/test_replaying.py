"""A whole replay against the services in this process, by a gateway that loses answers."""

from __future__ import annotations

import itertools
import json
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from infra.api_client import ApiClient
from infra.progress import Silent
from infra.reconcile.reconciliation import reconcile
from infra.replay.lines import COLUMNS, read_lines
from infra.replay.plan import WALK_IN, plan
from infra.replay.replaying import Replayed, measure_applied, replay
from infra.replay.run import Run
from infra.seed.demo import Wanted, seed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.factories import Json
    from tests.gateway import Gateway

LINES = """\
536365,85123A,WHITE HANGING HEART T-LIGHT HOLDER,6,2010-12-01T08:26:00,2.55,17850,United Kingdom
536365,85123A,WHITE HANGING HEART T-LIGHT HOLDER,6,2010-12-01T08:26:00,2.55,17850,United Kingdom
536366,85123a,WHITE HANGING HEART,2.5,2010-12-01T08:28:00,2.95,17850,United Kingdom
536367,POST,POSTAGE,3,2010-12-01T08:45:00,18,12583,France
536368,22139,,56,2010-12-01T11:52:00,0,,United Kingdom
536369,21777,RECIPE BOX,1,2010-12-01T11:52:00,0,,United Kingdom
536370,21777,RECIPE BOX,0,2010-12-01T11:52:00,7.95,,United Kingdom
C536379,D,Discount,-1,2010-12-01T09:41:00,27.5,14527,United Kingdom
C536383,85123A,WHITE HANGING HEART T-LIGHT HOLDER,-2,2010-12-01T09:49:00,2.55,15311,United Kingdom
536589,21777,,-10,2010-12-01T16:50:00,0,,United Kingdom
536590,21777,RECIPE BOX,one,2010-12-01T16:50:00,7.95,,United Kingdom
"""


class Account:
    """Signed in by being there: in this process there is no gateway to ask for a token."""

    username = "tester"

    def sign_in(self, send: object) -> str:
        return "token"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "lines.csv"
    made.write_text(",".join(COLUMNS) + "\n" + LINES)
    return made


@pytest.fixture
def client(api: Gateway, deliver: Callable[[], list[Json]], monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    """A client whose gateway does what it is asked and then loses every third answer; consumers hear of everything at once."""
    monkeypatch.setattr("infra.api_client.client._FIRST_DELAY", 0.001)
    one_by_one = threading.Lock()  # a Chalice app serves one request at a time
    number = itertools.count(1)

    def answer(request: httpx.Request) -> httpx.Response:
        with one_by_one:
            url = request.url.raw_path.decode()
            answered = api.request(request.method, url, request.content.decode() or None, headers=dict(request.headers))
            deliver()
            if request.method != "GET" and next(number) % 3 == 0:
                raise httpx.ReadTimeout("the answer got lost")
            return httpx.Response(answered.status, headers=answered.headers, text=answered.text)

    made = ApiClient("http://gateway", Account())
    made._http = httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(answer))
    return made


def replayed(client: ApiClient, file: Path, servers: Mapping[str, str], run: Run | None = None) -> Replayed:
    run = run or Run.new(file, None, "http://gateway")
    lock = file.with_suffix(".lock")
    made = replay(
        client, run, plan(read_lines(file)), supplier_name="Retailer", lock=lock, progress=Silent(), at_once=4, patience_seconds=60
    )
    made.reconciliation = reconcile(client, servers)
    measure_applied(made, servers)
    return made


def test_every_line_is_sold_returned_or_reported_though_answers_get_lost(client, file, servers, api):
    made = replayed(client, file, servers)

    assert made.good, made.document()
    assert (made.lines, len(made.driven.orders), len(made.driven.returns), len(made.reported)) == (11, 5, 2, 4)
    assert made.by_kind == {"nothing_known": [6, 11], "zero_quantity": [8], "unreadable_quantity": [12]}
    assert made.statuses == {"confirmed": 5}
    assert made.retries["ReadTimeout"] > 0
    assert len(made.applied) == 5
    assert api.get("/api/orders").json["total"] == 5
    customers = api.get("/api/customers").json["customers"]
    assert sorted((c["name"], c["city"]) for c in customers) == [
        ("Customer 12583", "France"),
        ("Customer 14527", "United Kingdom"),
        ("Customer 15311", "United Kingdom"),
        ("Customer 17850", "United Kingdom"),
        (WALK_IN, "United Kingdom"),
    ]


def test_stock_is_left_only_of_what_came_back_and_says_which_line_it_was(client, file, servers, api):
    replayed(client, file, servers)
    products = {p["product_code"]: p for p in api.get("/api/products").json["products"]}
    assert products.keys() == {"85123A", "85123a", "POST", "21777", "D"}
    stock = {code: api.get(f"/api/inventory/product/{p['id']}").json["quantity"] for code, p in products.items()}
    assert stock == {"85123A": 2, "85123a": 0, "POST": 0, "21777": 0, "D": 1}
    (movement,) = api.get(f"/api/inventory/product/{products['D']['id']}/movements").json["movements"]
    assert (movement["reason"], movement["reference"]) == ("return", "invoice C536379 line 9")


def test_a_second_run_sells_the_same_products_to_the_same_customers_again(client, file, servers, api):
    first, second = replayed(client, file, servers), replayed(client, file, servers)
    assert first.good
    assert second.good
    assert set(first.driven.orders.values()).isdisjoint(second.driven.orders.values())
    assert [api.get(f"/api/{plural}").json["total"] for plural in ("suppliers", "products", "customers", "orders")] == [1, 5, 5, 10]


def test_a_resumed_run_does_nothing_twice(client, file, servers, api):
    run = Run.new(file, None, "http://gateway")
    first, again = replayed(client, file, servers, run), replayed(client, file, servers, run)
    assert again.good
    assert again.driven.orders == first.driven.orders
    assert again.driven.answered_before == 7
    assert [api.get(f"/api/{plural}").json["total"] for plural in ("procurements", "orders")] == [4, 5]


def test_an_order_that_is_refused_is_reported(client, file, servers, api, monkeypatch):
    # Somebody sells the postage away between the opening procurement and the lines.
    def sell_out(*_: object) -> dict[str, int]:
        (product,) = api.get("/api/products?product_code=POST").json["products"]
        storage = api.get(f"/api/inventory/product/{product['id']}").json
        assert api.put(f"/api/inventory/{storage['id']}", {"quantity": 0, "reason": "count"}).status == 200
        return {
            code["product_code"]: api.get(f"/api/inventory/product/{code['id']}").json["id"]
            for code in api.get("/api/products").json["products"]
        }

    monkeypatch.setattr("infra.replay.opening.storages", sell_out)
    made = replayed(client, file, servers)
    assert made.adds_up
    assert made.by_kind["refused"] == [5]
    assert "insufficient_stock" in next(line.detail for line in made.reported if line.kind == "refused")


def test_order_to_stock_is_measured_from_the_two_moments(client, file, servers):
    made = replayed(client, file, servers)
    assert all(0 <= seconds < 60 for seconds in made.applied)
    assert json.dumps(made.document())


def test_seeding_twice_leaves_one_company(client, servers, api):
    wanted = Wanted(suppliers=2, customers=2, products=3, orders=4)
    assert seed(client, wanted, Silent(), at_once=2) == {"suppliers": 2, "customers": 2, "products": 3, "procurements": 3, "orders": 4}
    assert seed(client, wanted, Silent(), at_once=2) == dict.fromkeys(("suppliers", "customers", "products", "procurements", "orders"), 0)
    more = seed(client, Wanted(suppliers=3, customers=2, products=4, orders=5), Silent(), at_once=2)
    assert more == {"suppliers": 1, "customers": 0, "products": 1, "procurements": 1, "orders": 1}
    assert reconcile(client, servers).clean
