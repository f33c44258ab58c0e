"""What products do when suppliers change: put right the cached suppliers that answers about products carry."""

from typing import Any

from sqlalchemy.orm import Session

from common.consuming import consume
from common.events import Event
from product.service import suppliers


def handler(payload: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """Consume supplier_events."""
    return consume("product", payload, _apply)


def _apply(session: Session, events: list[Event]) -> None:  # noqa: ARG001  # nothing of it is kept in the database
    suppliers.heal(events)
