"""Who may do what to which table. A table that is not named here belongs to nobody but the database's administrator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX = "inventory_"


@dataclass(frozen=True, order=True)
class Grant:
    """A privilege on a table, or on some of its columns."""

    table: str
    privilege: str
    columns: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """As GRANT and REVOKE take it."""
        return f"{self.privilege} ({', '.join(self.columns)})" if self.columns else self.privilege


def _on(table: str, *privileges: str | tuple[str, ...]) -> list[Grant]:
    """Privileges on a table; a tuple is a privilege followed by the columns it is for."""
    return [Grant(table, p) if isinstance(p, str) else Grant(table, p[0], tuple(sorted(p[1:]))) for p in privileges]


def _sums(kind: str) -> list[Grant]:
    return [*_on(f"{kind}_sums", "SELECT", "INSERT", "UPDATE"), *_on(f"{kind}_summed", "SELECT", "INSERT", "UPDATE")]


_KEYS = _on("idempotency_keys", "SELECT", "INSERT", "UPDATE", "DELETE")
# Where one is in a long list, noted by whoever reads it.
_LISTS = [
    *_on("list_positions", "SELECT", "INSERT", "UPDATE", "DELETE"),
    *_on("list_horizons", "SELECT", "INSERT", "UPDATE", "DELETE"),
]
_SEARCHED = _on("search_words", "SELECT", "INSERT", "UPDATE", "DELETE")
_SEARCHES = _on("search_words", "SELECT")
_TELLS = _on("outbox", "INSERT")
_CACHED = _on("cache_doubts", "INSERT")
_LISTENS = _on("processed_events", "INSERT")
# How far its consumer is behind is part of a service's health.
_LAG = [
    *_on("outbox", ("SELECT", "event_id", "channel", "created_at", "delivered_at")),
    *_on("processed_events", ("SELECT", "consumer", "event_id")),
    *_on("dead_letters", ("SELECT", "consumer", "event_id", "replayed_at")),
]

GRANTS: Mapping[str, tuple[Grant, ...]] = {
    "auth": (*_on("users", "SELECT", "INSERT", "UPDATE"), *_on("revoked_tokens", "INSERT"), *_LISTS, *_KEYS),
    # Whom a token speaks for, and nothing that is secret about them.
    "authorizer": (
        *_on("users", ("SELECT", "id", "role", "disabled_at", "token_generation")),
        *_on("revoked_tokens", ("SELECT", "token_id")),
    ),
    "supplier": (*_on("suppliers", "SELECT", "INSERT", "UPDATE", "DELETE"), *_CACHED, *_SEARCHED, *_LISTS, *_TELLS, *_KEYS),
    "customer": (*_on("customers", "SELECT", "INSERT", "UPDATE", "DELETE"), *_CACHED, *_SEARCHED, *_LISTS, *_TELLS, *_KEYS),
    "product": (
        *_on("products", "SELECT", "INSERT", "UPDATE", "DELETE"),
        *_CACHED,
        *_SEARCHED,
        *_LISTS,
        *_TELLS,
        *_LISTENS,
        *_LAG,
        *_KEYS,
    ),
    # The ledger is written and read, never changed.
    "inventory": (
        *_on("storages", "SELECT", "INSERT", "UPDATE"),
        *_on("stock_movements", "SELECT", "INSERT"),
        *_sums("ledger"),
        *_sums("stock"),
        *_on("stock_alerts", "SELECT", "INSERT", ("UPDATE", "cleared_at")),
        *_CACHED,
        *_SEARCHES,
        *_LISTS,
        *_TELLS,
        *_LISTENS,
        *_LAG,
        *_KEYS,
    ),
    "procurement": (
        *_on("procurements", "SELECT", "INSERT"),
        *_sums("procurement"),
        *_sums("procurement_product"),
        *_CACHED,
        *_SEARCHES,
        *_LISTS,
        *_TELLS,
        *_LISTENS,
        *_LAG,
        *_KEYS,
    ),
    "order": (
        *_on("orders", "SELECT", "INSERT", "UPDATE"),
        *_sums("order"),
        *_sums("order_product"),
        *_CACHED,
        *_SEARCHES,
        *_LISTS,
        *_TELLS,
        *_LISTENS,
        *_LAG,
        *_KEYS,
    ),
    # What it replays, it hands back to the bridge.
    "system": (
        *_on("outbox", "SELECT", ("UPDATE", "delivered_at")),
        *_on("processed_events", "SELECT"),
        *_on("dead_letters", "SELECT", ("UPDATE", "replayed_at")),
        *_on("delivery_failures", "SELECT", "DELETE"),
        *_LISTS,
    ),
    "bridge": (
        *_on("outbox", "SELECT", "DELETE", ("UPDATE", "delivered_at")),
        *_on("processed_events", "SELECT", "DELETE"),
        *_on("dead_letters", "SELECT", "INSERT", "UPDATE", "DELETE"),
        *_on("delivery_failures", "SELECT", "INSERT", "UPDATE", "DELETE"),
        *_on("idempotency_keys", "SELECT", "DELETE"),
        *_on("revoked_tokens", "SELECT", "DELETE"),
        *_on("cache_doubts", "SELECT", "DELETE"),
        *_LISTS,
        # For the live events.
        *_on("stock_movements", "SELECT"),
        # For the metrics.
        *_on("stock_alerts", ("SELECT", "kind", "cleared_at")),
    ),
}
SERVICES = tuple(GRANTS)


def account(service: str) -> str:
    """The name of a service's account."""
    return f"{PREFIX}{service}"


def statements(service: str, database: str, host: str, password: str) -> Iterator[str]:
    """What makes a service's account, with all its rights, where there is none."""
    whom = f"'{account(service)}'@'{host}'"
    yield f"CREATE USER IF NOT EXISTS {whom} IDENTIFIED BY '{password}'"
    yield f"ALTER USER {whom} IDENTIFIED BY '{password}'"
    for grant in GRANTS[service]:
        yield f"GRANT {grant.words} ON `{database}`.`{grant.table}` TO {whom}"
