"""What inventory does when it hears of procurements, orders, products and its own alerts: the only place where events move stock."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from common.consuming import consume, traced
from common.events import Event, of_channel
from common.observability import logger
from inventory import repository
from inventory.service import products
from inventory.stock import StockBook


def handler(payload: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """Consume product_events, procurement_stock_in, order_stock_out and inventory_alert."""
    return consume("inventory", payload, _apply)


def _apply(session: Session, events: list[Event]) -> None:
    _note_prices(session, [event for event in events if event["event_type"] in {"product_created", "product_updated"}])
    _move_stock(session, of_channel("procurement_stock_in", events) + of_channel("order_stock_out", events))
    repository.add_alerts(session, [_alert(event) for event in traced(of_channel("inventory_alert", events))])
    product_events = of_channel("product_events", events)
    if any(event["event_type"] == "product_deleted" for event in product_events):
        repository.note_storages_gone(session)
    products.heal(product_events)


def _note_prices(session: Session, events: list[Event]) -> None:
    latest = {event["product_id"]: event for event in sorted(events, key=lambda event: int(event["version"]))}
    repository.note_prices(session, [(e["product_id"], Decimal(str(e["price_buy"])), e["version"]) for e in latest.values()])


def _move_stock(session: Session, events: list[Event]) -> None:
    if not events:
        return
    order_ids = [event["order_id"] for event in events if "order_id" in event]
    book = StockBook(session, [event["product_id"] for event in events], order_ids)
    for event in traced(events):
        product_id, quantity, event_id = event["product_id"], _quantity(event), event["event_id"]
        match event["event_type"]:
            case "procurement_stock_in":
                book.stock_in(product_id, quantity, event_id, f"procurement:{event['procurement_id']}")
            case "order_stock_out":
                book.stock_out(product_id, quantity, event_id, event["order_id"])
            case "order_cancelled":
                book.stock_back(product_id, quantity, event_id, event["order_id"])
    book.write()


def _quantity(event: Event) -> Decimal:
    quantity = Decimal(str(event["quantity"]))
    if quantity <= 0:
        raise ValueError(f"a quantity of {quantity} moves nothing")
    return quantity


def _alert(event: Event) -> dict[str, Any]:
    logger.warning(event["event_type"], product_id=event["product_id"], quantity=event["quantity"], cause=event["cause_event_id"])
    return {
        "product_id": event["product_id"],
        "kind": event["event_type"],
        "quantity": Decimal(str(event["quantity"])),
        "threshold": Decimal(str(event["threshold"])),
        "stock_version": event["stock_version"],
        "cause_event_id": event["cause_event_id"],
        "occurred_at": datetime.fromisoformat(event["occurred_at"]),
    }
