"""Requests, responses, and the events `order_confirmed`, `order_rejected`, `low_stock` and `stock_recovered`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from common.fields import MAX_ID, Delta, Id, Moment, Money, Number, Payload, Shape, StockLevel, UtcMoment, text
from common.importing import KeyedRow, Rows
from common.paging import MAX_LIMIT, AsciiList, IdList, ListQuery

Reason = Literal["opening", "procurement", "order", "cancellation", "return", "correction", "damage", "count"]
# What a person may give as the reason; the others are the system's.
ManualReason = Literal["correction", "return", "damage", "count"]


class StorageIn(Payload):
    """The opening stock of a product that has had no movement yet."""

    product_id: Id
    quantity: StockLevel


class StockChange(Payload):
    """A manual change: `quantity` sets the stock (after a count), `delta` moves it (a return, a breakage). One of both."""

    quantity: StockLevel | None = None
    delta: Delta | None = None
    reason: ManualReason = "correction"
    reference: text(120) | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "StockChange":
        if (self.quantity is None) == (self.delta is None):
            raise ValueError("give either quantity or delta")
        return self


class StockCorrection(StockChange, KeyedRow):
    """A manual change of one product's stock among others."""

    product_id: Id


class StockCorrections(Payload):
    """Many manual changes at once, done in the order they are given."""

    corrections: Annotated[list[StockCorrection], Rows]


class _Storage(Shape):
    id: int
    product_id: int
    quantity: Number
    low: bool
    low_since: UtcMoment | None


class StorageOut(_Storage):
    """How much there is of a product."""

    version: int


class StorageProduct(Shape):
    """The product in a storage, as the product service tells it."""

    id: int
    product_code: str
    name: str
    category: str
    price_buy: Money
    price_sell: Money
    measure_unit: str
    supplier_id: int
    version: int


class StoredProduct(_Storage):
    """A storage as everybody reads it; `product` is null where the product service cannot be asked and the cache does not know.

    With `as_of`, `quantity` and `low` are of that moment, the product is that of today, and the rest, which is of today too, is null.
    """

    version: int | None
    as_of: UtcMoment | None
    product: StorageProduct | None


class CorrectionOutcome(Shape):
    """What became of a correction: the stock it left, or why it was refused."""

    product_id: int
    outcome: Literal["moved", "refused"]
    quantity: Number | None
    code: str | None
    detail: str | None


class CorrectionsOutcome(Shape):
    """What became of each correction, in the order they were given. Those that were refused changed nothing, all others are done."""

    rows: list[CorrectionOutcome]


class MovementOut(Shape):
    """One change of stock, and what caused it."""

    id: int
    product_id: int
    delta: Number
    balance_after: Number
    reason: Reason
    event_id: str
    reference: str | None
    trace_id: str
    created_at: UtcMoment


class AlertOut(Shape):
    """A fall below the threshold: which event caused it, and when stock had recovered."""

    id: int
    product_id: int
    quantity: Number
    threshold: Number
    cause_event_id: str
    occurred_at: UtcMoment
    cleared_at: UtcMoment | None


class ReconcileOut(Shape):
    """A product's stock against its ledger."""

    product_id: int
    quantity: Number
    movements: Number
    difference: Number
    opening: Number
    procured: Number
    ordered: Number
    cancelled: Number
    returned: Number
    corrected: Number


class InventoryStatistics(Shape):
    """All storages in figures; `value` is what they hold at buying prices."""

    storages: int
    quantity: Number
    value: Number
    low: int
    empty: int


class Reconciliation(Shape):
    """Stock against ledger: whether all products match, how many do not, and a page of them."""

    reconciled: bool
    mismatched: int
    products: list[ReconcileOut]
    start: int
    limit: int
    count: int
    total: int


class OrderDecision(Shape):
    """The fields of `order_confirmed` and `order_rejected`; `available` is the stock the order met."""

    order_id: int
    product_id: int
    quantity: Number
    available: Number


class StockCrossing(Shape):
    """The fields of `low_stock` and `stock_recovered`."""

    product_id: int
    quantity: Number
    threshold: Number
    stock_version: int
    cause_event_id: str


class MomentQuery(Payload):
    """When: `as_of` asks for the past, a date and time as ISO 8601 writes them, in UTC unless they say otherwise."""

    as_of: Moment | None = None


class StorageQuery(ListQuery):
    """What the list of storages can be narrowed and sorted by; `q` searches the products' names and codes.

    `as_of` asks for the past; `low` and a sort by quantity then are of that moment.
    """

    sortable: ClassVar[tuple[str, ...]] = ("id", "product_id", "quantity")

    product_id: int | None = None
    product_ids: IdList | None = None
    low: bool | None = None
    as_of: Moment | None = None


class MovementQuery(ListQuery):
    """What movements can be narrowed and sorted by; `q` searches their references."""

    sortable: ClassVar[tuple[str, ...]] = ("id",)

    product_id: int | None = None
    event_ids: AsciiList | None = None
    reason: Reason | None = None


class AlertQuery(ListQuery):
    """What the alerts can be narrowed and sorted by; the active ones unless told otherwise."""

    sortable: ClassVar[tuple[str, ...]] = ("id",)

    status: Literal["active", "cleared", "all"] = "active"
    product_id: int | None = None


class ReconcileQuery(Payload):
    """Which part of the reconciliation to show; it is always made over all products."""

    start: Annotated[int, Field(ge=0, le=MAX_ID)] = 0
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 50
    mismatched: bool = False
