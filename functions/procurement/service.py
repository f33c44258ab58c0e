"""The rules of procurements."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.cache import TRANSACTION_SECONDS, WARM_TRANSACTIONS, EntityCache, WarmUp
from common.db import in_transaction, is_missing_reference, transaction, utc_now
from common.errors import InvalidError, NotFoundError
from common.events import emit
from common.paging import page_document
from common.services import Directory, find_each
from common.statistics import PeriodStatistics, total
from procurement import repository
from procurement.models import Procurement
from procurement.schemas import ProcurementIn, ProcurementOut, ProcurementQuery, StatisticsQuery, StockIn

_CACHE = EntityCache("procurement", TRANSACTION_SECONDS)
suppliers = Directory("supplier", "suppliers")
products = Directory("product", "products")


def get_procurement(procurement_id: int) -> dict[str, Any]:
    """A procurement. Raises NotFoundError."""
    held = _CACHE.get(procurement_id)
    if isinstance(held, dict):
        return held
    with transaction() as session:
        procurement = repository.get(session, procurement_id)
    if procurement is None:
        raise NotFoundError(f"there is no procurement {procurement_id}", code="procurement_not_found")
    document = _document(procurement)
    _CACHE.put([document])
    return document


def list_procurements(query: ProcurementQuery) -> dict[str, Any]:
    """A page of procurements."""

    def load() -> dict[str, Any]:
        with transaction() as session:
            page = repository.page(session, query)
        return page_document("procurements", [_document(p) for p in page.rows], page, query)

    return _CACHE.listed(query.model_dump(), load)


def statistics(query: StatisticsQuery) -> dict[str, Any]:
    """What was procured in a period."""

    def load() -> dict[str, Any]:
        since, until = query.period()
        # By itself, so that nobody waits for more than this.
        in_transaction(repository.sum_up)
        with transaction() as session:
            found = repository.statistics(session, query)
        whole = {"since": since, "until": until, "by": query.by, **total(found["over_time"]), **found}
        return PeriodStatistics.model_validate(whole).document()

    return _CACHE.listed(query.key(), load)


def create_procurement(session: Session, new: ProcurementIn) -> dict[str, Any]:
    """Buy stock: the procurement, and the event that will raise the stock.

    Raises InvalidError for a supplier or product that does not exist.
    """
    supplier, product = find_each((suppliers, new.supplier_id), (products, new.product_id))
    if supplier is None:
        raise _missing("supplier", new.supplier_id)
    if product is None:
        raise _missing("product", new.product_id)
    unit_price = new.unit_price if new.unit_price is not None else Decimal(str(product["price_buy"]))
    try:
        procurement = repository.add(
            session,
            {
                "supplier_id": new.supplier_id,
                "product_id": new.product_id,
                "quantity": new.quantity,
                "unit_price": unit_price,
                "total_cost": (new.quantity * unit_price).quantize(Decimal("0.01"), ROUND_HALF_UP),
                "timestamp": utc_now(),
                "supplier_name": supplier["name"],
                "product_code": product["product_code"],
                "product_name": product["name"],
            },
        )
    except IntegrityError as error:
        if is_missing_reference(error):
            raise InvalidError("the supplier or the product was deleted meanwhile", code="reference_not_found") from error
        raise
    document = _document(procurement)
    _CACHE.follow(session, [document])
    stock_in = StockIn(procurement_id=procurement.id, product_id=procurement.product_id, quantity=procurement.quantity)
    emit(session, "procurement_stock_in", stock_in.document())
    return document


def _missing(what: str, entity_id: int) -> InvalidError:
    return InvalidError.of_field(f"{what}_id", f"there is no {what} {entity_id}", code=f"{what}_not_found")


def _document(procurement: Procurement) -> dict[str, Any]:
    return ProcurementOut.model_validate(procurement).document()


def _load_cache() -> int:
    with transaction() as session:
        documents = [_document(p) for p in repository.latest(session, WARM_TRANSACTIONS)]
    _CACHE.put(documents)
    list_procurements(ProcurementQuery())
    return len(documents)


warm_up = WarmUp("procurement", _load_cache)
