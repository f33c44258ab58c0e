"""The rules of orders: born pending, confirmed or rejected by inventory's event, cancelled by a person."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.cache import TRANSACTION_SECONDS, WARM_TRANSACTIONS, EntityCache, WarmUp
from common.db import in_transaction, is_missing_reference, transaction, utc_now
from common.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from common.events import emit
from common.fields import as_json_number
from common.observability import logger
from common.paging import page_document
from common.services import Directory, find_each, get_from
from common.statistics import total
from common.sums import Change
from order import repository
from order.models import Order
from order.schemas import OrderIn, OrderOut, OrderQuery, OrderStatistics, OrderStock, StatisticsQuery, Status

_CACHE = EntityCache("order", TRANSACTION_SECONDS)
customers = Directory("customer", "customers")
products = Directory("product", "products")
# What inventory tells of its stock; by product.
_STOCK = EntityCache("stock")


def get_order(order_id: int) -> dict[str, Any]:
    """An order. Raises NotFoundError."""
    held = _CACHE.get(order_id)
    if isinstance(held, dict):
        return held
    with transaction() as session:
        document = _document(_found(order_id, repository.get(session, order_id)))
    _CACHE.put([document])
    return document


def list_orders(query: OrderQuery) -> dict[str, Any]:
    """A page of orders."""

    def load() -> dict[str, Any]:
        with transaction() as session:
            page = repository.page(session, query)
        return page_document("orders", [_document(o) for o in page.rows], page, query)

    return _CACHE.listed(query.model_dump(), load)


def statistics(query: StatisticsQuery) -> dict[str, Any]:
    """What was ordered and sold in a period."""

    def load() -> dict[str, Any]:
        since, until = query.period()
        # By itself, so that nobody waits for more than this.
        in_transaction(repository.sum_up)
        with transaction() as session:
            found = repository.statistics(session, query)
        whole = {"since": since, "until": until, "by": query.by, **total(found["over_time"]), **found}
        return OrderStatistics.model_validate(whole).document()

    return _CACHE.listed(query.key(), load)


def create_order(session: Session, new: OrderIn) -> dict[str, Any]:
    """Take an order, pending until inventory decides.

    Raises InvalidError for a customer or product that does not exist, ConflictError where stock is known to be short.
    """
    customer, product = find_each((customers, new.customer_id), (products, new.product_id))
    if customer is None:
        raise _missing("customer", new.customer_id)
    if product is None:
        raise _missing("product", new.product_id)
    _check_stock(new)
    unit_price = new.unit_price if new.unit_price is not None else Decimal(str(product["price_sell"]))
    try:
        order = repository.add(
            session,
            {
                "customer_id": new.customer_id,
                "product_id": new.product_id,
                "quantity": new.quantity,
                "unit_price": unit_price,
                "total_cost": (new.quantity * unit_price).quantize(Decimal("0.01"), ROUND_HALF_UP),
                "timestamp": utc_now(),
                "customer_name": customer["name"],
                "product_code": product["product_code"],
                "product_name": product["name"],
                "status": "pending",
            },
        )
    except IntegrityError as error:
        if is_missing_reference(error):
            raise InvalidError("the customer or the product was deleted meanwhile", code="reference_not_found") from error
        raise
    return _changed(session, order, "order_stock_out")


def cancel_order(session: Session, order_id: int) -> dict[str, Any]:
    """Cancel an order and have its stock returned; once is as good as twice. Raises NotFoundError, or ConflictError if it was rejected."""
    order = _found(order_id, repository.lock(session, [order_id]).get(order_id))
    if order.status == "cancelled":
        return _document(order)
    if order.status == "rejected":
        raise ConflictError("a rejected order cannot be cancelled: it never took any stock", code="order_rejected")
    change = Change(order, order.status, "cancelled")
    order.status, order.status_reason = "cancelled", None
    order.version += 1
    repository.write_statuses(session, [change])
    return _changed(session, order, "order_cancelled")


@dataclass(frozen=True)
class Decision:
    """What inventory made of an order: confirmed or rejected, and then why."""

    order_id: int
    status: Status
    reason: str | None


def decide_orders(session: Session, decisions: list[Decision]) -> None:
    """Note inventory's decisions. One that comes late, after a cancellation, changes nothing. Raises NotFoundError."""
    if not decisions:
        return
    orders = repository.lock(session, {decision.order_id for decision in decisions})
    changes = []
    for decision in decisions:
        order = _found(decision.order_id, orders.get(decision.order_id))
        if order.status == "pending":
            changes.append(Change(order, order.status, decision.status))
            order.status, order.status_reason = decision.status, decision.reason
            order.version += 1
    repository.write_statuses(session, changes)
    _CACHE.follow(session, [_document(change.deal) for change in changes])


def _check_stock(new: OrderIn) -> None:
    """Say no at once where stock is known to be short. Where inventory cannot be asked, its event decides later.

    That there is enough is believed of the cache; that there is not, only of inventory itself.
    """
    held = _STOCK.get(new.product_id)
    if isinstance(held, dict) and Decimal(str(held["quantity"])) >= new.quantity:
        return
    try:
        _, storage = get_from("inventory", "/api/inventory/product/{product_id}", path={"product_id": str(new.product_id)})
    except UnavailableError:
        logger.warning("order_taken_without_asking_inventory", product_id=new.product_id)
        return
    if storage.get("version"):
        _STOCK.put([{"id": new.product_id, "version": storage["version"], "quantity": storage["quantity"]}])
    available = Decimal(str(storage.get("quantity", 0)))
    if available < new.quantity:
        raise ConflictError(
            f"only {as_json_number(available)} of product {new.product_id} available",
            code="insufficient_stock",
            available=as_json_number(available),
            requested=as_json_number(new.quantity),
        )


def _changed(session: Session, order: Order, event_type: str) -> dict[str, Any]:
    document = _document(order)
    _CACHE.follow(session, [document])
    emit(session, event_type, OrderStock(order_id=order.id, product_id=order.product_id, quantity=order.quantity).document())
    return document


def _missing(what: str, entity_id: int) -> InvalidError:
    return InvalidError.of_field(f"{what}_id", f"there is no {what} {entity_id}", code=f"{what}_not_found")


def _document(order: Order) -> dict[str, Any]:
    return OrderOut.model_validate(order).document()


def _found(order_id: int, order: Order | None) -> Order:
    if order is None:
        raise NotFoundError(f"there is no order {order_id}", code="order_not_found")
    return order


def _load_cache() -> int:
    with transaction() as session:
        documents = [_document(o) for o in repository.latest(session, WARM_TRANSACTIONS)]
    _CACHE.put(documents)
    list_orders(OrderQuery())
    return len(documents)


warm_up = WarmUp("order", _load_cache)
