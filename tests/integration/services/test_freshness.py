"""After a change, every reader sees it: from another execution environment, and when a slow reader was filling the cache meanwhile."""

from contextlib import contextmanager

import pytest
from sqlalchemy import Engine
from sqlalchemy import event as sqlalchemy_event

import common.db
from common.redis_client import get_redis
from tests.factories import given_order, given_procurement, given_product, given_supplier
from tests.gateway import acting_as
from tests.integration.services.conftest import begin_anew, hand_over, undelivered


@contextmanager
def meanwhile(table, action):
    """Run `action` between a reader's SELECT from `table` and what the reader does with the rows: once, in the reader's place."""
    done = []

    def after_execute(_connection, _cursor, statement, *_):
        if not done and f"FROM {table}" in statement and "count(" not in statement and "FOR UPDATE" not in statement:
            done.append(statement)
            # In the reader's place, not with its rights.
            with acting_as(""):
                action()

    sqlalchemy_event.listen(Engine, "after_cursor_execute", after_execute)
    try:
        yield
    finally:
        sqlalchemy_event.remove(Engine, "after_cursor_execute", after_execute)
    assert done, f"nobody read {table}"


def reprice(api, product, price):
    body = {name: product[name] for name in product if name not in ("id", "version", "supplier")} | {"price_sell": price}
    assert api.put(f"/api/products/{product['id']}", body).status == 200


def lists_with(api, product):
    return {
        "/api/products": api.get("/api/products").json["products"],
        "filtered": api.get(f"/api/products?supplier_id={product['supplier_id']}&sort=-price_sell").json["products"],
        "found": api.get(f"/api/products?q={product['product_code']}").json["products"],
    }


def prices(api, product):
    """The price as everybody who shows it tells."""
    shown = {"one": api.get(f"/api/products/{product['id']}").json["price_sell"]}
    shown |= {name: items[0]["price_sell"] for name, items in lists_with(api, product).items()}
    shown["inventory"] = api.get(f"/api/inventory/product/{product['id']}").json["product"]["price_sell"]
    shown["inventory list"] = api.get("/api/inventory").json["inventory"][0]["product"]["price_sell"]
    return set(shown.values())


@pytest.fixture
def product(api):
    made = given_product(api, stock=10, price_sell=1)
    assert prices(api, made) == {1}
    return made


def test_new_price_shows_everywhere_at_once(api, product):
    reprice(api, product, 2)
    assert prices(api, product) == {2}


def test_new_price_shows_in_another_environment(api, product):
    begin_anew()
    assert prices(api, product) == {1}
    reprice(api, product, 2)
    begin_anew()
    assert prices(api, product) == {2}


def test_slow_reader_of_one_does_not_turn_it_back(api, product):
    get_redis().delete(f"product:{product['id']}")
    with meanwhile("products", lambda: reprice(api, product, 2)):
        assert api.get(f"/api/products/{product['id']}").json["price_sell"] in (1, 2)
    assert prices(api, product) == {2}


@pytest.mark.parametrize("url", ["/api/products", "/api/products?limit=7"])
def test_slow_reader_of_a_list_does_not_turn_it_back(api, product, url):
    get_redis().set("product:lists", "nobody has listed anything yet")
    with meanwhile("products", lambda: reprice(api, product, 2)):
        api.get(url)
    assert api.get(url).json["products"][0]["price_sell"] == 2
    assert prices(api, product) == {2}


def test_slow_reader_of_a_deleted_product_does_not_bring_it_back(api, deliver):
    product = given_product(api)
    get_redis().delete(f"product:{product['id']}")
    with meanwhile("products", lambda: api.delete(f"/api/products/{product['id']}")):
        api.get(f"/api/products/{product['id']}")
    assert api.get(f"/api/products/{product['id']}").status == 404
    assert api.get("/api/products").json["products"] == []


def test_slow_reader_of_suppliers_does_not_turn_a_products_supplier_back(api, product):
    path = f"/api/suppliers/{product['supplier_id']}"
    renamed = {"name": "Renamed", "city": "x", "address": "x", "contact_person": "x"}
    get_redis().delete(f"supplier:{product['supplier_id']}")
    with meanwhile("suppliers", lambda: api.put(path, renamed)):
        api.get(f"/api/products/{product['id']}")
    assert api.get(f"/api/products/{product['id']}").json["supplier"]["name"] == "Renamed"
    assert api.get("/api/products").json["products"][0]["supplier"]["name"] == "Renamed"


def test_slow_reader_of_an_order_does_not_undo_its_decision(api, product, deliver):
    order = given_order(api, product)
    get_redis().delete(f"order:{order['id']}")
    with meanwhile("orders", deliver):
        api.get(f"/api/orders/{order['id']}")
    assert api.get(f"/api/orders/{order['id']}").json["status"] == "confirmed"
    assert api.get("/api/orders").json["orders"][0]["status"] == "confirmed"


def test_new_rows_show_in_every_list_at_once(api, product):
    assert api.get("/api/procurements").json["total"] == api.get("/api/orders").json["total"] == 0
    procurement, order = given_procurement(api, product), given_order(api, product)
    assert api.get("/api/procurements").json["procurements"] == [procurement]
    assert api.get("/api/orders").json["orders"] == [order]


def test_change_whose_invalidation_got_lost_is_put_right_by_its_event(api, product, deliver):
    stale = {key: get_redis().get(key) for key in (f"product:{product['id']}", "product:lists")}
    deliver()
    reprice(api, product, 2)
    for key, value in stale.items():
        get_redis().set(key, value)
    assert prices(api, product) == {1}
    deliver()
    assert prices(api, product) == {2}


def test_deletion_whose_invalidation_got_lost_is_put_right_by_its_event(api, deliver):
    supplier = given_supplier(api)
    deliver()
    api.delete(f"/api/suppliers/{supplier['id']}")
    get_redis().delete(f"supplier:{supplier['id']}")
    get_redis().set(f"supplier:{supplier['id']}", '1:{"id": 1, "version": 1}')
    deliver()
    assert api.get(f"/api/suppliers/{supplier['id']}").status == 404


def test_first_answer_finds_the_cache_loaded(api, product):
    for kind in ("supplier", "product"):
        get_redis().delete(f"{kind}:warm", f"{kind}:{product['id' if kind == 'product' else 'supplier_id']}")
    begin_anew()
    api.get("/api/products?limit=1")
    assert get_redis().get("product:warm") == "1"
    assert get_redis().exists(f"product:{product['id']}")


def test_cache_is_warmed_again_after_redis_restarted(api, product):
    get_redis().flushall()
    get_redis().connection_pool.disconnect()
    # The first request after it finds out, the next one waits for the cache to be loaded.
    api.get("/api/products?limit=1")
    api.get("/api/products?limit=1")
    assert get_redis().exists(f"product:{product['id']}")


class DiedError(BaseException):
    """Instead of the process: nothing of it catches this."""


@contextmanager
def dying(monkeypatch, point):
    """Whoever passes the crash point first, dies there."""
    passed = []

    def die(passing, _who=None):
        if passing == point and not passed:
            passed.append(passing)
            raise DiedError

    with monkeypatch.context() as patched:
        patched.setattr(common.db, "crash_point", die)
        with pytest.raises(DiedError):
            yield
    assert passed


def test_a_writer_that_dies_after_its_commit_leaves_nothing_stale(api, product, monkeypatch):
    with dying(monkeypatch, "after_commit_before_publish"):
        reprice(api, product, 2)
    assert prices(api, product) == {2}
    # Whoever read it meanwhile has kept what is true.
    assert get_redis().get(f"product:{product['id']}").startswith("2:{")


def test_a_writer_that_dies_before_its_commit_changes_nothing(api, product, monkeypatch):
    with dying(monkeypatch, "before_commit"):
        reprice(api, product, 2)
    assert prices(api, product) == {1}


def test_a_decision_whose_consumer_dies_after_its_commit_is_seen(api, product, deliver, monkeypatch):
    order = given_order(api, product)
    assert api.get(f"/api/orders/{order['id']}").json["status"] == "pending"
    assert api.get("/api/orders").json["orders"][0]["status"] == "pending"
    hand_over("inventory", *(event for channel, event in undelivered() if channel == "order_stock_out"))
    (decision,) = (event for channel, event in undelivered() if channel == "order_status")
    with dying(monkeypatch, "after_commit_before_publish"):
        hand_over("order", decision)
    assert api.get(f"/api/orders/{order['id']}").json["status"] == "confirmed"
    assert api.get("/api/orders").json["orders"][0]["status"] == "confirmed"
