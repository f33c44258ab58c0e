"""The rules by which stock moves: every change with its movement, never below zero, an alert once per crossing.

All functions work in the caller's transaction and first lock the product's storage, so that the changes of one product
follow one another.
"""

from decimal import Decimal

from sqlalchemy.orm import Session

from common.db import utc_now
from common.events import emit
from inventory import repository
from inventory.models import LOW_STOCK, Storage
from inventory.schemas import OrderDecision, Reason, StockCrossing


def order_reference(order_id: int) -> str:
    """How movements name the order that caused them."""
    return f"order:{order_id}"


def stock_in(session: Session, product_id: int, quantity: Decimal, event_id: str, reference: str) -> None:
    """Goods came in."""
    _move(session, repository.lock_storage(session, product_id), quantity, "procurement", event_id, reference)


def stock_out(session: Session, product_id: int, quantity: Decimal, event_id: str, order_id: int) -> None:
    """Take an order's goods out and confirm it, or reject it where there is not enough. An order cancelled meanwhile takes nothing."""
    storage = repository.lock_storage(session, product_id)
    if repository.has_movement(session, order_reference(order_id), "cancellation"):
        return
    decision = OrderDecision(order_id=order_id, product_id=product_id, quantity=quantity, available=storage.quantity)
    if storage.quantity < quantity:
        emit(session, "order_rejected", decision.document())
        return
    _move(session, storage, -quantity, "order", event_id, order_reference(order_id))
    emit(session, "order_confirmed", decision.document())


def stock_back(session: Session, product_id: int, quantity: Decimal, event_id: str, order_id: int) -> None:
    """Put a cancelled order's goods back, if they were taken.

    A movement of zero is written if they were not, so that the order's own event does nothing when it comes after this one.
    """
    storage = repository.lock_storage(session, product_id)
    taken = repository.has_movement(session, order_reference(order_id), "order")
    _move(session, storage, quantity if taken else Decimal(0), "cancellation", event_id, order_reference(order_id))


def change_by_hand(session: Session, storage: Storage, delta: Decimal, reason: Reason, event_id: str, reference: str | None) -> None:
    """A correction, return, breakage or count of a storage that the caller locked and checked."""
    _move(session, storage, delta, reason, event_id, reference)


def _move(session: Session, storage: Storage, delta: Decimal, reason: Reason, event_id: str, reference: str | None) -> None:
    balance = repository.change_quantity(session, storage, delta)
    repository.add_movement(session, storage, delta, reason, event_id, reference)
    if balance < LOW_STOCK <= balance - delta:
        repository.set_low_since(session, storage, utc_now())
        _tell_crossing(session, "low_stock", storage, event_id)
    elif balance >= LOW_STOCK and storage.low_since is not None:
        repository.set_low_since(session, storage, None)
        _tell_crossing(session, "stock_recovered", storage, event_id)


def _tell_crossing(session: Session, event_type: str, storage: Storage, event_id: str) -> None:
    crossing = StockCrossing(
        product_id=storage.product_id,
        quantity=storage.quantity,
        threshold=LOW_STOCK,
        stock_version=storage.version,
        cause_event_id=event_id,
    )
    emit(session, event_type, crossing.document())
