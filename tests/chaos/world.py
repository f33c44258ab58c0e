"""What the database, Redis and the API say in the end, read once, for the invariants to be held against."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymysql.connections import Connection
    from pymysql.cursors import DictCursor
    from redis import Redis

    from infra.api_client import ApiClient

Row = dict[str, Any]

_TABLES = {
    "suppliers": "SELECT id, name, city, address, contact_person, version FROM suppliers",
    "customers": "SELECT id, name, city, address, contact_person, version FROM customers",
    "products": "SELECT id, product_code, name, category, price_buy, price_sell, measure_unit, supplier_id, version FROM products",
    "storages": "SELECT id, product_id, quantity, version FROM storages",
    "procurements": "SELECT id, product_id, quantity, unit_price FROM procurements",
    "orders": "SELECT id, product_id, quantity, unit_price, status, status_reason, version FROM orders",
    "movements": "SELECT id, product_id, delta, balance_after, reason, event_id, reference FROM stock_movements ORDER BY id",
    "alerts": "SELECT product_id, kind, cause_event_id FROM stock_alerts",
    "events": "SELECT event_id, channel, delivered_at, IF(channel = 'order_stock_out', payload, '') AS payload FROM outbox",
    "processed": "SELECT consumer, event_id FROM processed_events",
    "dead_letters": "SELECT consumer, event_id, reason FROM dead_letters WHERE replayed_at IS NULL",
    # What is summed up, as far as it is not what clients are told.
    "worths": "SELECT quantity, price_buy FROM storages",
    "deals": "SELECT id, timestamp, quantity, total_cost, status FROM orders",
    "stock_sums": "SELECT quantity, value, in_stock, enough FROM stock_sums",
    "order_sums": "SELECT slot, status, count, quantity, value FROM order_sums",
    "order_summed": "SELECT deal_id FROM order_summed",
}
_SCANNED = 1000


@dataclass(frozen=True)
class World:
    """Every table that matters, as lists of rows."""

    suppliers: list[Row]
    customers: list[Row]
    products: list[Row]
    storages: list[Row]
    procurements: list[Row]
    orders: list[Row]
    movements: list[Row]
    alerts: list[Row]
    events: list[Row]
    processed: list[Row]
    dead_letters: list[Row]
    worths: list[Row]
    deals: list[Row]
    stock_sums: list[Row]
    order_sums: list[Row]
    order_summed: list[Row]


def read_world(connection: Connection[DictCursor]) -> World:
    """The tables, all as of one moment where the connection is in a transaction."""
    tables = {}
    with connection.cursor() as cursor:
        for name, query in _TABLES.items():
            cursor.execute(query)
            tables[name] = list(cursor.fetchall())
    return World(**tables)


def unsettled(connection: Connection[DictCursor]) -> int:
    """How much is still on its way: events undelivered, and orders undecided."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT COUNT(*) FROM outbox WHERE delivered_at IS NULL) + (SELECT COUNT(*) FROM orders WHERE status = 'pending') AS n"
        )
        row = cursor.fetchone()
    return int(row["n"]) if row else 0


def cached_entities(client: Redis) -> dict[str, dict[int, Mapping[str, Any]]]:
    """What the cache holds of each kind, by id; a tombstone is an empty mapping."""
    held: dict[str, dict[int, Mapping[str, Any]]] = {}
    for kind in ("supplier", "customer", "product", "order"):
        keys = [key for key in client.scan_iter(f"{kind}:*", count=_SCANNED) if key.rpartition(b":")[2].isdigit() and key.count(b":") == 1]
        values: list[bytes | None] = []
        for first in range(0, len(keys), _SCANNED):
            values.extend(client.mget(keys[first : first + _SCANNED]))
        held[kind] = {
            int(key.rpartition(b":")[2]): json.loads(document) if document else {}
            for key, value in zip(keys, values, strict=True)
            if value is not None
            for document in (value.partition(b":")[2],)
            if document != b"?"  # in doubt: whoever reads it asks the database
        }
    return held


def told_by_the_api(api: ApiClient) -> dict[str, dict[int, Mapping[str, Any]]]:
    """What the API lists, by id: entities, stock, and orders."""
    return {
        plural: {entry["id"]: entry for entry in api.list(f"/api/{plural}", plural)}
        for plural in ("suppliers", "customers", "products", "inventory", "orders", "procurements")
    }
