"""The database: one engine per process, one commit per request, and what is to happen after that commit."""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pymysql
import stamina
from sqlalchemy import URL, CursorResult, Engine, create_engine, event
from sqlalchemy import Result as ExecutionResult
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from common.config import Settings, get_settings
from common.crash_points import crash_point
from common.errors import UnavailableError
from common.metrics import highest
from common.observability import logger
from common.tracing import span, spans

if TYPE_CHECKING:
    from sqlalchemy.pool import QueuePool

Result = TypeVar("Result")

# https://mariadb.com/kb/en/mariadb-error-code-reference/
_DEADLOCK, _LOCK_WAIT_TIMEOUT = 1213, 1205
# MySQL's for a violated CHECK, which PyMySQL takes for an operational error; MariaDB's own is an integrity error to it.
_CHECK_VIOLATED = 3819
# Waiting for a row ends well before a function's own time does, and is then tried again as a whole.
# Lists of some ten thousand ids come as one text.
_INIT = "SET time_zone = '+00:00', innodb_lock_wait_timeout = 5, group_concat_max_len = 1048576"
_DUPLICATE, _ROW_IS_REFERENCED, _NO_REFERENCED_ROW = 1062, 1451, 1452


# What the database must have room for, times the environments there may be.
CONNECTIONS_PER_PROCESS = 2
# A connection that was used so recently is taken for alive without asking: no server has restarted meanwhile.
_ALIVE_SECONDS = 1.0
# Of a statement over many rows, which says the same again and again.
_LONGEST_TOLD = 2000


class Base(DeclarativeBase):
    """Base of every service's tables. Constraints and indexes are the migrations' to say."""


class UtcDateTime(TypeDecorator[datetime]):
    """DATETIME(6) that holds UTC and gives it back as an aware datetime."""

    impl = DATETIME(fsp=6)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        return value.replace(tzinfo=UTC) if value else None


def utc_now() -> datetime:
    """The present moment, aware."""
    return datetime.now(UTC)


def database_url(settings: Settings | None = None) -> URL:
    """Where the database is, by the environment's settings unless others are given."""
    settings = settings or get_settings()
    return URL.create(
        "mysql+pymysql",
        username=settings.database_user,
        password=settings.database_password.get_secret_value(),
        host=settings.database_host,
        port=settings.database_port,
        database=settings.database_name,
        query={"charset": "utf8mb4"},
    )


def database_tls(settings: Settings | None = None) -> ssl.SSLContext | None:
    """How the database is believed; None where TLS is not asked for."""
    settings = settings or get_settings()
    return ssl.create_default_context(cafile=settings.database_ca_file) if settings.database_tls else None


@cache
def get_engine() -> Engine:
    """The process's engine: an execution environment serves one request at a time, so one connection and one to spare."""
    return engine_of(database_url(), database_tls())


def engine_of(url: URL, tls: ssl.SSLContext | None = None) -> Engine:
    """An engine that asks the server nothing that it need not be asked: each round trip is one more wait of a request."""
    engine = create_engine(
        url,
        pool_size=1,
        max_overflow=CONNECTIONS_PER_PROCESS - 1,
        # Whoever takes a connection commits or rolls back before giving it back: see `transaction`.
        pool_reset_on_return=None,
        isolation_level="READ COMMITTED",
        connect_args={"connect_timeout": 3, "read_timeout": 10, "write_timeout": 10, "init_command": _INIT, "ssl": tls},
    )
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _ask_if_alive)
    event.listen(engine, "checkout", lambda *_: highest("DatabaseConnections", cast("QueuePool", engine.pool).checkedout()))
    if spans:
        event.listen(engine, "before_cursor_execute", _begin_span)
        event.listen(engine, "after_cursor_execute", _end_span)
        event.listen(engine, "handle_error", _fail_span)
    return engine


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used_at"] = time.monotonic()


def _ask_if_alive(connection: Any, record: Any, _proxy: Any) -> None:
    """Have the pool make a new connection where the server has ended this one. Raises DisconnectionError, which tells it so."""
    used_at = record.info.get("used_at")
    if used_at is None or time.monotonic() - used_at < _ALIVE_SECONDS:
        return
    try:
        connection.ping(reconnect=False)
    except pymysql.err.Error as error:
        raise DisconnectionError(str(error)) from error


def _begin_span(_connection: Any, _cursor: Any, statement: str, _parameters: Any, execution: Any, _many: bool) -> None:
    """Have each statement be a part of what it is for. Its parameters are nobody's to know."""
    text = statement.strip()
    execution.span = span(text.split(None, 1)[0].upper(), "client", {"db.system.name": "mysql", "db.query.text": text[:_LONGEST_TOLD]})
    execution.span.__enter__()


def _end_span(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, execution: Any, _many: bool) -> None:
    execution.span.__exit__(None, None, None)


def _fail_span(failure: ExceptionContext) -> None:
    # What fails may have been something else than a statement.
    if failure.statement is not None and (begun := getattr(failure.execution_context, "span", None)) is not None:
        begun.__exit__(type(failure.original_exception), failure.original_exception, None)


def before_commit(session: Session, action: Callable[[], object]) -> None:
    """Have `action` done as the last part of the session's transaction: for rows that are best written all at once."""
    session.info.setdefault("before_commit", []).append(action)


def after_commit(session: Session, action: Callable[[], object]) -> None:
    """Have `action` done once the session's transaction is committed; it cannot fail the request any more."""
    session.info.setdefault("after_commit", []).append(action)


@contextmanager
def transaction() -> Iterator[Session]:
    """A session whose work is committed at the end, or rolled back on any error.

    Raises UnavailableError when the database cannot be reached.
    """
    try:
        with Session(get_engine(), expire_on_commit=False) as session:
            with session.begin():
                yield session
                for action in session.info.pop("before_commit", []):
                    action()
            actions = session.info.pop("after_commit", [])
    except (OperationalError, InterfaceError) as error:
        if is_lock_conflict(error) or mysql_error_number(error) == _CHECK_VIOLATED:
            raise
        logger.warning("database_unavailable", error=str(error.orig))
        raise UnavailableError("the database cannot be reached", code="database_unavailable") from error
    for action in actions:
        try:
            action()
        except Exception:  # noqa: BLE001  # the commit stands, whatever comes after it
            logger.exception("after_commit_action_failed")


def in_transaction(effect: Callable[[Session], Result]) -> Result:
    """Run `effect` in a transaction of its own, again from the start when the database picked it as a deadlock's victim.

    Raises UnavailableError when the conflict does not go away or the database cannot be reached.
    """
    try:
        for attempt in stamina.retry_context(
            on=is_lock_conflict, attempts=8, wait_initial=0.005, wait_jitter=0.05, wait_max=0.5, timeout=10
        ):
            with attempt:
                with transaction() as session:
                    after_commit(session, lambda: crash_point("after_commit_before_publish"))
                    result = effect(session)
                    before_commit(session, lambda: crash_point("before_commit"))
                crash_point("after_publish_before_answer")
                return result
    except OperationalError as error:
        if not is_lock_conflict(error):
            raise
        raise UnavailableError("the database is too busy with the same rows", code="lock_conflict") from error
    raise AssertionError("a retry context ends with a result or an error")


def affected_rows(result: ExecutionResult[Any]) -> int:
    """How many rows a statement changed."""
    return cast("CursorResult[Any]", result).rowcount


def mysql_error_number(error: BaseException) -> int | None:
    """The server's error number, where `error` came from the server."""
    if isinstance(error, DBAPIError) and error.orig is not None and error.orig.args and isinstance(error.orig.args[0], int):
        return error.orig.args[0]
    return None


def is_lock_conflict(error: Exception) -> bool:
    """A deadlock or a lock wait that ran out: the whole transaction may be tried again."""
    return mysql_error_number(error) in {_DEADLOCK, _LOCK_WAIT_TIMEOUT}


def is_duplicate(error: IntegrityError) -> bool:
    """A unique key already holds this value."""
    return mysql_error_number(error) == _DUPLICATE


def is_still_referenced(error: IntegrityError) -> bool:
    """Other rows point to the one that was to go."""
    return mysql_error_number(error) == _ROW_IS_REFERENCED


def is_missing_reference(error: IntegrityError) -> bool:
    """The row pointed to does not exist (any more)."""
    return mysql_error_number(error) == _NO_REFERENCED_ROW
