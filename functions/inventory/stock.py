"""The rules by which stock moves: every change with its movement, never below zero, an alert once per crossing."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from common.cache import EntityCache
from common.db import after_commit, utc_now
from common.events import emit
from common.fields import as_json_number
from common.metrics import count
from common.tracing import current_trace_id, span
from inventory import repository
from inventory.models import LOW_STOCK, Storage
from inventory.schemas import OrderDecision, Reason, StockCrossing

_BEGINNING = datetime.min.replace(tzinfo=UTC)
# By product: for who takes orders, to know without asking that there is enough. Nobody is shown it.
_CACHE = EntityCache("stock")


class NotEnoughStockError(Exception):
    """A change by hand would take more than there is; the caller checks before."""


def order_reference(order_id: int) -> str:
    """How movements name the order that caused them."""
    return f"order:{order_id}"


class StockBook:
    """The storages that a transaction changes, with their part of the ledger.

    They are locked all at once, in ascending product_id, so that the changes of a product follow one another and two batches
    cannot wait for each other. What is decided is decided in memory, and written once, by `write`.
    """

    def __init__(self, session: Session, product_ids: Iterable[int], order_ids: Iterable[int] = ()) -> None:
        """Lock the products' storages, made if need be. Raises repository.UnknownProductError."""
        self._session = session
        self._storages = repository.lock_storages(session, product_ids)
        self._order_movements = repository.movements_of(session, [order_reference(order_id) for order_id in order_ids])
        self._changed: dict[int, Storage] = {}
        self._held = {product_id: repository.Held(each.quantity, each.price_buy) for product_id, each in self._storages.items()}
        self._movements: list[dict[str, object]] = []

    def storage(self, product_id: int) -> Storage:
        """The storage of one of the products, as it stands now."""
        return self._storages[product_id]

    def stock_in(self, product_id: int, quantity: Decimal, event_id: str, reference: str) -> None:
        """Goods came in."""
        self._move(product_id, quantity, "procurement", event_id, reference)

    def stock_out(self, product_id: int, quantity: Decimal, event_id: str, order_id: int) -> None:
        """Take an order's goods out and confirm it, or reject it where there is not enough. One cancelled meanwhile takes nothing."""
        reference = order_reference(order_id)
        if (reference, "cancellation") in self._order_movements:
            return
        available = self._storages[product_id].quantity
        decision = OrderDecision(order_id=order_id, product_id=product_id, quantity=quantity, available=available)
        if available < quantity:
            emit(self._session, "order_rejected", decision.document())
            return
        self._move(product_id, -quantity, "order", event_id, reference)
        emit(self._session, "order_confirmed", decision.document())

    def stock_back(self, product_id: int, quantity: Decimal, event_id: str, order_id: int) -> None:
        """Put a cancelled order's goods back, if they were taken.

        A movement of zero is written if they were not, so that the order's own event does nothing when it comes after this one.
        """
        reference = order_reference(order_id)
        taken = (reference, "order") in self._order_movements
        self._move(product_id, quantity if taken else Decimal(0), "cancellation", event_id, reference)

    def change_by_hand(self, product_id: int, delta: Decimal, reason: Reason, event_id: str, reference: str | None) -> None:
        """A correction, return, breakage, count or opening. Raises NotEnoughStockError rather than go below zero."""
        self._move(product_id, delta, reason, event_id, reference)

    def write(self) -> None:
        """Write what was decided. The database's own check refuses a quantity below zero, whatever was decided."""
        repository.write_storages(self._session, self._changed.values())
        repository.add_movements(self._session, self._movements)
        changes = [(self._held[s.product_id], repository.Held(s.quantity, s.price_buy)) for s in self._changed.values()]
        repository.correct_sums(self._session, changes)
        changed = [{"id": s.product_id, "version": s.version, "quantity": as_json_number(s.quantity)} for s in self._changed.values()]
        _CACHE.follow(self._session, changed)

    def _move(self, product_id: int, delta: Decimal, reason: Reason, event_id: str, reference: str | None) -> None:
        with span("stock movement", attributes={"inventory.product_id": product_id, "inventory.reason": reason}):
            self._change(product_id, delta, reason, event_id, reference)

    def _change(self, product_id: int, delta: Decimal, reason: Reason, event_id: str, reference: str | None) -> None:
        storage = self._storages[product_id]
        before = storage.quantity
        if before + delta < 0:
            raise NotEnoughStockError(f"product {product_id}: {before} is less than {-delta}")
        storage.quantity = before + delta
        storage.version += 1
        # A product's ledger goes forward in time, so that it says what there was at any moment; a clock may be set back.
        storage.moved_at = max(utc_now(), storage.moved_at or _BEGINNING)
        self._changed[product_id] = storage
        self._movements.append(
            {
                "product_id": product_id,
                "delta": delta,
                "balance_after": storage.quantity,
                "reason": reason,
                "event_id": event_id,
                "reference": reference,
                "trace_id": current_trace_id(),
                "created_at": storage.moved_at,
            }
        )
        if reference is not None:
            self._order_movements.add((reference, reason))
        if storage.quantity < LOW_STOCK <= before:
            storage.low_since = storage.moved_at
            self._tell_crossing("low_stock", storage, event_id)
            after_commit(self._session, lambda: count("StockAlerts"))
        elif storage.quantity >= LOW_STOCK and storage.low_since is not None:
            storage.low_since = None
            self._tell_crossing("stock_recovered", storage, event_id)

    def _tell_crossing(self, event_type: str, storage: Storage, event_id: str) -> None:
        crossing = StockCrossing(
            product_id=storage.product_id,
            quantity=storage.quantity,
            threshold=LOW_STOCK,
            stock_version=storage.version,
            cause_event_id=event_id,
        )
        emit(self._session, event_type, crossing.document())
