"""What orders do when inventory decides, and when customers and products change."""

from typing import Any

from sqlalchemy.orm import Session

from common.consuming import consume
from common.events import Event, of_channel
from order.service import Decision, customers, decide_orders, products


def handler(payload: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """Consume order_status, customer_events and product_events."""
    return consume("order", payload, _apply)


def _apply(session: Session, events: list[Event]) -> None:
    decide_orders(session, [_decision(event) for event in of_channel("order_status", events)])
    customers.heal(of_channel("customer_events", events))
    products.heal(of_channel("product_events", events))


def _decision(event: Event) -> Decision:
    if event["event_type"] == "order_confirmed":
        return Decision(event["order_id"], "confirmed", None)
    return Decision(event["order_id"], "rejected", f"only {event['available']} of {event['quantity']} in stock")
