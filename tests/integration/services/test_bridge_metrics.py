"""What Prometheus reads of the bridge follows what happens."""

from prometheus_client.parser import text_string_to_metric_families

from common.breaker import FAILURES_TO_OPEN
from common.liveness import write_states
from common.redis_client import get_redis
from infra.bridge.metrics import exposition
from tests.factories import given_customer, given_product, given_supplier, product


def read():
    families = text_string_to_metric_families(exposition().decode())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_events_on_their_way_are_a_lag_until_they_are_delivered(api, deliver):
    made, customer = given_product(api, stock=50), given_customer(api)
    deliver()
    assert read()["outbox_undelivered",] == 0
    for _ in range(3):
        assert api.post("/api/orders", {"customer_id": customer["id"], "product_id": made["id"], "quantity": 1}).status == 201
    metrics = read()
    assert metrics["outbox_undelivered",] == 3
    assert metrics["bridge_lag_events", "inventory"] == 3
    assert metrics["bridge_lag_seconds", "inventory"] > 0
    deliver()
    metrics = read()
    assert (metrics["outbox_undelivered",], metrics["bridge_lag_events", "inventory"], metrics["bridge_lag_seconds", "inventory"]) == (
        0,
        0,
        0,
    )


def test_consumers_are_what_the_bridge_says_they_are_and_absent_when_it_says_nothing(api):
    get_redis().delete("bridge:consumers")
    metrics = read()
    assert (metrics["bridge_consumer_state", "order", "absent"], metrics["bridge_consumer_state", "order", "running"]) == (1, 0)
    assert ("bridge_delivered_total", "order") not in metrics
    told = {"state": "given_up", "restarts": 3, "delivered": 7, "failed": 2, "dead_lettered": 1, "batches": 4}
    write_states({"order": told})
    metrics = read()
    assert (metrics["bridge_consumer_state", "order", "given_up"], metrics["bridge_consumer_state", "order", "absent"]) == (1, 0)
    assert (metrics["bridge_delivered_total", "order"], metrics["bridge_failed_total", "order"]) == (7, 2)
    assert metrics["bridge_restarts_total", "order"] == 3


def test_stock_that_falls_low_is_an_active_alert_until_it_recovers(api, deliver):
    deliver()
    before = read()["stock_alerts_active",]
    made, customer = given_product(api, stock=12), given_customer(api)
    api.post("/api/orders", {"customer_id": customer["id"], "product_id": made["id"], "quantity": 5})
    deliver()
    assert read()["stock_alerts_active",] == before + 1
    bought = {"product_id": made["id"], "supplier_id": made["supplier_id"], "quantity": 40}
    assert api.post("/api/procurements", bought).status == 201
    deliver()
    assert read()["stock_alerts_active",] == before


def test_a_breaker_that_opens_is_counted(api, monkeypatch, lambda_client):
    supplier = given_supplier(api)
    get_redis().delete(f"supplier:{supplier['id']}")
    before = read()
    assert before["breaker_open", "supplier"] == 0
    monkeypatch.setattr(lambda_client, "invoke", lambda **_: (_ for _ in ()).throw(OSError("made to fail")))
    for _ in range(FAILURES_TO_OPEN):
        assert api.post("/api/products", product(supplier["id"])).status == 503
    after = read()
    assert after["breaker_open", "supplier"] == 1
    assert after["breaker_trips_total", "supplier"] == before["breaker_trips_total", "supplier"] + 1


def test_what_the_servers_hold_is_told(api):
    metrics = read()
    assert (metrics["up_of", "redis"], metrics["up_of", "mariadb"]) == (1, 1)
    assert 0 < metrics["mariadb_connections",] < metrics["mariadb_connections_limit",]
    assert metrics["redis_memory_bytes",] > 0
    hits = metrics["redis_keyspace_hits_total",]
    get_redis().set("metrics-test", 1)
    get_redis().get("metrics-test")
    assert read()["redis_keyspace_hits_total",] > hits
