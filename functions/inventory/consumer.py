"""What inventory does when it hears of procurements, orders, products and its own alerts: the only place where events move stock."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.consuming import consume
from common.db import is_missing_reference
from common.events import Event
from common.observability import logger
from inventory import repository, stock
from inventory.service import products


def handler(payload: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """Consume product_events, procurement_stock_in, order_stock_out and inventory_alert, in ascending product_id."""
    return consume("inventory", payload, _apply, order=lambda event: int(event["product_id"]))


def _apply(session: Session, event: Event) -> None:
    match event["event_type"]:
        case "procurement_stock_in":
            stock.stock_in(session, event["product_id"], _quantity(event), event["event_id"], f"procurement:{event['procurement_id']}")
        case "order_stock_out":
            stock.stock_out(session, event["product_id"], _quantity(event), event["event_id"], event["order_id"])
        case "order_cancelled":
            stock.stock_back(session, event["product_id"], _quantity(event), event["event_id"], event["order_id"])
        case "low_stock" | "stock_recovered":
            _log_alert(session, event)
        case "product_created" | "product_updated":
            _open_storage(session, event["product_id"])
            repository.set_price(session, event["product_id"], Decimal(str(event["price_buy"])), event["version"])
            products.heal(event)
        case _:
            products.heal(event)


def _quantity(event: Event) -> Decimal:
    quantity = Decimal(str(event["quantity"]))
    if quantity <= 0:
        raise ValueError(f"a quantity of {quantity} moves nothing")
    return quantity


def _open_storage(session: Session, product_id: int) -> None:
    try:
        with session.begin_nested():
            repository.add_storage(session, product_id)
    except IntegrityError as error:
        # The product was deleted before this was heard: there is nothing to keep.
        if not is_missing_reference(error):
            raise


def _log_alert(session: Session, event: Event) -> None:
    logger.warning(event["event_type"], product_id=event["product_id"], quantity=event["quantity"], cause=event["cause_event_id"])
    repository.add_alert(
        session,
        {
            "product_id": event["product_id"],
            "kind": event["event_type"],
            "quantity": Decimal(str(event["quantity"])),
            "threshold": Decimal(str(event["threshold"])),
            "stock_version": event["stock_version"],
            "cause_event_id": event["cause_event_id"],
            "occurred_at": datetime.fromisoformat(event["occurred_at"]),
        },
    )
