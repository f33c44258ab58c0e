"""What orders do when inventory decides, and when customers and products change."""

from typing import Any

from sqlalchemy.orm import Session

from common.consuming import consume
from common.events import Event
from order.service import customers, decide_order, products


def handler(payload: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """Consume order_status, customer_events and product_events, in ascending order_id."""
    return consume("order", payload, _apply, order=lambda event: int(event.get("order_id", 0)))


def _apply(session: Session, event: Event) -> None:
    match event["event_type"]:
        case "order_confirmed":
            decide_order(session, event["order_id"], "confirmed", None)
        case "order_rejected":
            decide_order(session, event["order_id"], "rejected", f"only {event['available']} of {event['quantity']} in stock")
        case "customer_created" | "customer_updated" | "customer_deleted":
            customers.heal(event)
        case _:
            products.heal(event)
