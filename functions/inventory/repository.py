"""The only SQL of this service."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, ScalarSelect, Select, and_, bindparam, case, func, or_, select, text, update
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Session

from common import positions, search
from common.db import UtcDateTime, before_commit, utc_now
from common.lists import Narrowing, Sort, Source, among, by, equal, read_page
from common.paging import Page
from common.sums import PARTS
from inventory.models import LOW_STOCK, LedgerSum, LedgerSummed, StockAlert, StockMovement, StockSum, StockSummed, Storage
from inventory.schemas import AlertQuery, MovementQuery, ReconcileQuery, StorageQuery

# Whatever the optimizer thinks of a small table: rows are locked in the order they are read.
_IN_ORDER = "FORCE INDEX (uq_storages_product_id)"
_STORAGES = Source(
    Storage,
    {"product_id": by("uq_storages_product_id", Storage.product_id), "quantity": by("ix_storages_quantity", Storage.quantity)},
)
# What changes with a movement. As text, since PyMySQL joins the rows of no other statement that MySQL and MariaDB both take.
_MOVED = ("quantity", "version", "low_since", "moved_at")
_WRITE_MOVED = text(
    f"INSERT INTO storages (id, product_id, {', '.join(_MOVED)}) VALUES (:id, :product_id, {', '.join(f':{name}' for name in _MOVED)})"  # noqa: S608  # names of ours
    f" ON DUPLICATE KEY UPDATE {', '.join(f'{name} = VALUES({name})' for name in _MOVED)}"
).bindparams(bindparam("low_since", type_=UtcDateTime), bindparam("moved_at", type_=UtcDateTime))
_MOVEMENTS = Source(StockMovement, {})
_ALERTS = Source(StockAlert, {})
# Each connection changes its own part of the sums, so that no two wait for each other but by chance.
_PART: ColumnElement[int] = func.connection_id() % PARTS
_SUMMED = ("quantity", "value", "in_stock", "enough")


class UnknownProductError(Exception):
    """Storages were asked for of products that do not exist."""

    def __init__(self, product_ids: Iterable[int]) -> None:
        self.product_ids = frozenset(product_ids)
        super().__init__(f"there is no product {', '.join(map(str, sorted(self.product_ids)))}")


def get(session: Session, storage_id: int) -> Storage | None:
    """A storage."""
    return session.get(Storage, storage_id)


def of_product(session: Session, product_id: int) -> Storage | None:
    """The storage of a product."""
    return session.scalars(select(Storage).filter_by(product_id=product_id)).one_or_none()


def lock_storages(session: Session, product_ids: Iterable[int]) -> dict[int, Storage]:
    """The storages of products, by product, locked in ascending product_id and detached from the session: see `write_storages`.

    Those that are not there yet are made. Raises UnknownProductError for a product that does not exist.
    """
    wanted = set(product_ids)
    found = _lock(session, wanted)
    if missing := wanted - found.keys():
        add_storages(session, missing)
        # Locked again from the first, for the order's sake.
        found = _lock(session, wanted)
    if unknown := wanted - found.keys():
        raise UnknownProductError(unknown)
    return found


def _lock(session: Session, product_ids: Collection[int]) -> dict[int, Storage]:
    if not product_ids:
        return {}
    rows = (
        select(Storage)
        .where(Storage.product_id.in_(product_ids))
        .order_by(Storage.product_id)
        .with_hint(Storage, _IN_ORDER)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    storages = {storage.product_id: storage for storage in session.scalars(rows)}
    for storage in storages.values():
        session.expunge(storage)
    return storages


def add_storages(session: Session, product_ids: Iterable[int]) -> None:
    """Empty storages, where there are none yet. A product that does not exist (any more) gets none."""
    rows = [{"product_id": product_id, "quantity": 0, "version": 0} for product_id in sorted(product_ids)]
    if rows:
        # IGNORE makes a warning of a storage that is there and of a product that is not (its foreign key).
        session.execute(insert(Storage).prefix_with("IGNORE").values(rows))


def note_storages_gone(session: Session) -> None:
    """Products were deleted that had never moved, and their storages with them: which, nobody has seen."""
    positions.forget(session, "storages")


def note_prices(session: Session, prices: Iterable[tuple[int, Decimal, int]]) -> None:
    """Note what products cost (product_id, price, version of the product), unless a newer version was heard of before.

    Storages that are not there yet are made, as by `add_storages`.
    """
    rows = {
        product_id: {"product_id": product_id, "quantity": 0, "version": 0, "price_buy": price_buy, "product_version": version}
        for product_id, price_buy, version in sorted(prices)
    }
    found = _lock(session, rows.keys())
    if missing := rows.keys() - found.keys():
        session.execute(insert(Storage).prefix_with("IGNORE").values([row for product_id, row in rows.items() if product_id in missing]))
        # Locked again from the first, for the order's sake; who made one of them meanwhile may have noted an older price.
        found = _lock(session, rows.keys())
    newer = [row for product_id, row in rows.items() if product_id in found and row["product_version"] > found[product_id].product_version]
    if newer:
        statement = insert(Storage).values(newer)
        told = {name: statement.inserted[name] for name in ("price_buy", "product_version")}
        session.execute(statement.on_duplicate_key_update(told))
        held = [(found[row["product_id"]], row["price_buy"]) for row in newer]
        correct_sums(session, [(Held(s.quantity, s.price_buy), Held(s.quantity, price)) for s, price in held])


class Held(NamedTuple):
    """What a storage counts with in the figures of the stock."""

    quantity: Decimal
    price_buy: Decimal

    def figures(self) -> tuple[Decimal, Decimal, int, int]:
        """Quantity, value, whether it has something, whether it has enough."""
        return self.quantity, self.quantity * self.price_buy, int(self.quantity > 0), int(self.quantity >= LOW_STOCK)


def correct_sums(session: Session, changes: Iterable[tuple[Held, Held]]) -> None:
    """Storages that the session has locked change from the one to the other: the sums do, too, as the last part of its transaction."""
    if (correction := session.info.get("stock_sums")) is None:
        correction = session.info["stock_sums"] = dict.fromkeys(_SUMMED, Decimal(0))
        before_commit(session, lambda: _add_to_sums(session, correction))
    for before, now in changes:
        for name, figure, former in zip(_SUMMED, now.figures(), before.figures(), strict=True):
            correction[name] += figure - former


def _add_to_sums(session: Session, correction: dict[str, Decimal]) -> None:
    if any(correction.values()):
        added = insert(StockSum).values(part=_PART, **correction)
        session.execute(added.on_duplicate_key_update({name: getattr(StockSum, name) + added.inserted[name] for name in _SUMMED}))


def statistics(session: Session) -> dict[str, Any] | None:
    """All storages in figures, by their sums and in one statement, so of one moment; None where there are no sums yet."""
    sums = (func.coalesce(func.sum(getattr(StockSum, name)), 0).label(name) for name in _SUMMED)
    counted = positions.counting("storages")
    summed = select(func.count()).select_from(StockSummed).scalar_subquery()
    found = session.execute(select(*sums, *counted, summed.label("summed"))).one()
    storages = positions.counted(session, "storages", found.noted, found.since)
    if not found.summed:
        return None
    return {
        "storages": storages,
        "quantity": found.quantity,
        "value": found.value,
        "low": storages - int(found.enough),
        "empty": storages - int(found.in_stock),
    }


def statistics_read_off(session: Session) -> dict[str, Any]:
    """The same, read off the storages."""
    found = session.execute(select(func.count().label("storages"), *_read_off())).one()
    storages = found.storages
    return {**found._mapping, "low": storages - int(found.enough), "empty": storages - int(found.in_stock)}  # noqa: SLF001  # its public name


def sum_up_stock(session: Session) -> None:
    """Have sums from now on, unless they were asked for less than a minute ago for the first time.

    By then whoever does not correct them, as versions of this service before there were any, has come to its end.
    """
    if positions.settled(session, StockSum.__tablename__, Storage.__tablename__) is None:
        return
    # Whoever has changed stock is committed, or waits for its part until this is: and what it changed is not read here.
    none = insert(StockSum).values([{"part": part, **dict.fromkeys(_SUMMED, 0)} for part in range(PARTS)])
    session.execute(none.on_duplicate_key_update({name: none.inserted[name] for name in _SUMMED}))
    found = session.execute(select(*_read_off())).one()
    session.execute(update(StockSum).filter_by(part=0).values(dict(found._mapping)))  # noqa: SLF001  # its public name
    session.execute(insert(StockSummed).prefix_with("IGNORE").values(id=1, since=utc_now()))


def _read_off() -> tuple[ColumnElement[Any], ...]:
    quantity = Storage.quantity
    sums = (quantity, quantity * Storage.price_buy, case((quantity > 0, 1), else_=0), case((quantity >= LOW_STOCK, 1), else_=0))
    return tuple(func.coalesce(func.sum(each), 0).label(name) for name, each in zip(_SUMMED, sums, strict=True))


def write_storages(session: Session, storages: Iterable[Storage]) -> None:
    """Write storages that the caller locked, all in one statement: each meets its own row."""
    rows = [{name: getattr(storage, name) for name in ("id", "product_id", *_MOVED)} for storage in storages]
    if rows:
        session.connection().execute(_WRITE_MOVED, rows)


def add_movements(session: Session, movements: Sequence[dict[str, object]]) -> None:
    """Write the ledger, in the order things happened."""
    if movements:
        session.connection().execute(insert(StockMovement), movements)


def movements_of(session: Session, references: Sequence[str]) -> set[tuple[str, str]]:
    """Which kinds of movements there are of these references, as (reference, reason)."""
    if not references:
        return set()
    rows = select(StockMovement.reference, StockMovement.reason).where(StockMovement.reference.in_(references))
    return {(str(reference), reason) for reference, reason in session.execute(rows)}


def has_any_movement(session: Session, product_id: int) -> bool:
    """Whether the product ever moved."""
    return session.scalar(select(StockMovement.id).filter_by(product_id=product_id).limit(1)) is not None


def page(session: Session, query: StorageQuery) -> Page:
    """A page of storages. With `as_of`, "low" and the order by quantity are those of that moment, reckoned for each product."""
    now = query.as_of is None
    quantity = Storage.quantity if now else _quantity_at(query.as_of)
    low = quantity < LOW_STOCK if query.low else quantity >= LOW_STOCK
    narrowings = [
        *equal(Storage.product_id, query.product_id, "uq_storages_product_id", few=True),
        *among(Storage.product_id, query.product_ids, "uq_storages_product_id"),
        *([Narrowing(low, "ix_storages_quantity" if now else None, order="quantity")] if query.low is not None else []),
        *search.narrowings(session, query.q, Storage, {"product": (Storage.product_id, "uq_storages_product_id")}),
    ]
    listed = _STORAGES if now else Source(Storage, {**_STORAGES.sorts, "quantity": Sort((quantity,), None)})
    return read_page(session, listed, query, narrowings)


def settle(session: Session, product_ids: Iterable[int]) -> None:
    """Wait for whoever is just moving these products; who comes after moves them later than now."""
    rows = select(Storage.id).where(Storage.product_id.in_(set(product_ids))).order_by(Storage.product_id)
    session.execute(rows.with_hint(Storage, _IN_ORDER).with_for_update(read=True))


def quantities_at(session: Session, product_ids: Iterable[int], moment: datetime) -> dict[int, Decimal]:
    """How much there was of products at a moment, by product."""
    rows = select(Storage.product_id, _quantity_at(moment).label("quantity")).where(Storage.product_id.in_(set(product_ids)))
    return {row.product_id: row.quantity for row in session.execute(rows)}


def _quantity_at(moment: datetime) -> ColumnElement[Decimal]:
    """What the last movement until the moment left: one look into an index per product, however many came before or after."""
    last = (
        select(StockMovement.balance_after)
        .where(StockMovement.product_id == Storage.product_id, StockMovement.created_at <= moment)
        .order_by(StockMovement.created_at.desc(), StockMovement.id.desc())
        .limit(1)
        .with_hint(StockMovement, "FORCE INDEX (ix_stock_movements_as_of)")
    )
    return func.coalesce(last.scalar_subquery(), 0)


def movements(session: Session, query: MovementQuery) -> Page:
    """A page of the ledger."""
    movement = StockMovement
    narrowings = [
        *equal(movement.product_id, query.product_id, "ix_stock_movements_product_id_id"),
        *among(movement.event_id, query.event_ids, "uq_stock_movements_event_id"),
        *equal(movement.reason, query.reason, "ix_stock_movements_reason"),
    ]
    if query.q:
        narrowings.append(Narrowing(movement.reference.startswith(query.q, autoescape=True), "ix_stock_movements_reference"))
    return read_page(session, _MOVEMENTS, query, narrowings)


def add_alerts(session: Session, alerts: Sequence[dict[str, Any]]) -> None:
    """Write the alert log, the same crossing once, and say of each fall when stock first recovered after it.

    Falls and recoveries may be heard of in any order.
    """
    if not alerts:
        return
    _lock(session, {alert["product_id"] for alert in alerts})
    session.execute(insert(StockAlert).prefix_with("IGNORE").values(alerts))
    for alert in alerts:
        own = update(StockAlert).filter_by(product_id=alert["product_id"], kind="low_stock")
        if alert["kind"] == "stock_recovered":
            at = alert["occurred_at"]
            earlier = or_(StockAlert.cleared_at.is_(None), StockAlert.cleared_at > at)
            changed = own.where(StockAlert.stock_version < alert["stock_version"], earlier).values(cleared_at=at)
        else:
            recovered = select(func.min(StockAlert.occurred_at)).filter_by(product_id=alert["product_id"], kind="stock_recovered")
            at = session.scalar(recovered.where(StockAlert.stock_version > alert["stock_version"]))
            changed = own.where(StockAlert.stock_version == alert["stock_version"]).values(cleared_at=at)
        session.execute(changed.execution_options(synchronize_session=False))


def alerts(session: Session, query: AlertQuery) -> Page:
    """A page of falls below the threshold."""
    fallen = StockAlert.kind == "low_stock"
    narrowings = equal(StockAlert.product_id, query.product_id, "uq_stock_alerts_product_id_stock_version")
    if query.status == "active":
        narrowings.append(Narrowing(and_(fallen, StockAlert.cleared_at.is_(None)), "ix_stock_alerts_kind_cleared_at", order="id"))
    else:
        narrowings.append(Narrowing(fallen, "ix_stock_alerts_kind", order="id"))
    if query.status == "cleared":
        narrowings.append(Narrowing(and_(fallen, StockAlert.cleared_at.is_not(None)), "ix_stock_alerts_kind_cleared_at"))
    return read_page(session, _ALERTS, query, narrowings)


def reconcile(session: Session, query: ReconcileQuery) -> tuple[list[Row[Any]], int, int]:
    """Stock against ledger: a page of products, how many products there are (of those asked for), and how many do not match.

    What the ledger comes to is what `sum_up_settled` has summed, and what is younger, which is added here.
    """
    summed, recent = LedgerSum, _sums_of(StockMovement.id > _summed_up_to()).subquery()
    parts = {name: func.coalesce(getattr(summed, name), 0) + func.coalesce(recent.c[name], 0) for name in _LEDGER_PARTS}
    difference = Storage.quantity - parts["movements"]
    known = parts["opening"] + parts["procured"] - parts["ordered"] + parts["cancelled"] + parts["returned"] + parts["corrected"]
    wrong = or_(difference != 0, parts["movements"] != known)
    storages = select(Storage.product_id).outerjoin(summed, summed.product_id == Storage.product_id)
    storages = storages.outerjoin(recent, recent.c.product_id == Storage.product_id)
    mismatched = session.scalar(select(func.count()).select_from(storages.where(wrong).subquery())) or 0
    columns = (Storage.product_id, Storage.quantity, difference.label("difference"), *(part.label(name) for name, part in parts.items()))
    wanted = storages.with_only_columns(*columns).where(wrong) if query.mismatched else storages.with_only_columns(*columns)
    total = mismatched if query.mismatched else positions.count(session, "storages")
    # Whatever is joined, storages come one after the other as their products do, and no more of them than are shown.
    in_order = wanted.with_hint(Storage, _IN_ORDER).order_by(Storage.product_id)
    return list(session.execute(in_order.offset(query.start).limit(query.limit)).all()), total, mismatched


_LEDGER_PARTS = ("movements", "opening", "procured", "ordered", "cancelled", "returned", "corrected")
# So many movements are summed up at a time.
_SUMMED_AT_ONCE = 200_000


def _sums_of(condition: ColumnElement[bool]) -> Select[Any]:
    movement = StockMovement

    def by(*reasons: str) -> Any:
        return func.sum(case((movement.reason.in_(reasons), movement.delta), else_=0))

    sums = (
        func.sum(movement.delta).label("movements"),
        by("opening").label("opening"),
        by("procurement").label("procured"),
        (-by("order")).label("ordered"),
        by("cancellation").label("cancelled"),
        by("return").label("returned"),
        by("correction", "damage", "count").label("corrected"),
    )
    return select(movement.product_id, *sums).where(condition).group_by(movement.product_id)


def _summed_up_to() -> ScalarSelect[int]:
    return select(func.coalesce(func.max(LedgerSummed.movement_id), 0)).scalar_subquery()


def sum_up_settled(session: Session) -> None:
    """Add to the ledger's sums what has settled since, a bounded part of it, unless somebody else is at it."""
    settled = positions.settled(session, LedgerSum.__tablename__, StockMovement.__tablename__)
    if settled is None:
        return
    done = session.scalar(select(_summed_up_to())) or 0
    more = select(StockMovement.id).where(StockMovement.id > done, StockMovement.id <= settled).order_by(StockMovement.id)
    up_to = session.scalar(more.offset(_SUMMED_AT_ONCE - 1).limit(1)) or settled
    if up_to > done:
        rows = _sums_of(and_(StockMovement.id > done, StockMovement.id <= up_to))
        statement = insert(LedgerSum).from_select(["product_id", *_LEDGER_PARTS], rows)
        added = {name: getattr(LedgerSum, name) + statement.inserted[name] for name in _LEDGER_PARTS}
        session.execute(statement.on_duplicate_key_update(added))
        noted = insert(LedgerSummed).values(id=1, movement_id=up_to)
        session.execute(noted.on_duplicate_key_update(movement_id=noted.inserted.movement_id))
    if up_to >= settled:
        positions.look_again(session, LedgerSum.__tablename__, StockMovement.__tablename__)
