"""What procurements do when suppliers and products change: put right the cached ones that new procurements are checked against."""

from typing import Any

from sqlalchemy.orm import Session

from common.consuming import consume
from common.events import Event, of_channel
from procurement.service import products, suppliers


def handler(payload: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """Consume supplier_events and product_events."""
    return consume("procurement", payload, _apply)


def _apply(session: Session, events: list[Event]) -> None:  # noqa: ARG001  # nothing of it is kept in the database
    suppliers.heal(of_channel("supplier_events", events))
    products.heal(of_channel("product_events", events))
