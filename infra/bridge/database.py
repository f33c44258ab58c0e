"""The bridge's connections to the database: PyMySQL itself, as each process has one and its statements are few."""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias, TypeVar

import pymysql
from pymysql.connections import Connection  # noqa: TC002  # the alias below is resolved where it is used
from pymysql.cursors import DictCursor

from common.config import Settings, get_settings
from common.db import database_tls

Result = TypeVar("Result")
Database: TypeAlias = "Connection[DictCursor]"

# What PyMySQL raises when the server is away, going down or out of room; a wrong statement is a ProgrammingError.
DATABASE_AWAY = (pymysql.err.OperationalError, pymysql.err.InterfaceError, pymysql.err.InternalError)

# A deadlock, and a lock wait that ran out.
_LOCK_CONFLICTS = frozenset({1213, 1205})


def connect(settings: Settings | None = None, *, seconds: int = 10) -> Database:
    """A connection in autocommit mode whose waits all end, by the environment's settings unless others are given.

    A statement may take `seconds`. Raises one of DATABASE_AWAY.
    """
    settings = settings or get_settings()
    connection = pymysql.connect(
        host=settings.database_host,
        port=settings.database_port,
        user=settings.database_user,
        password=settings.database_password.get_secret_value(),
        database=settings.database_name,
        charset="utf8mb4",
        autocommit=True,
        cursorclass=DictCursor,
        connect_timeout=2,
        read_timeout=seconds,
        write_timeout=seconds,
        init_command="SET innodb_lock_wait_timeout = 5",
        ssl=database_tls(settings),
    )
    with connection.cursor() as cursor:
        # Each statement sees what was committed before it, which settling a batch relies on.
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    return connection


def in_transaction(connection: Database, work: Callable[[DictCursor], Result]) -> Result:
    """Run `work` in one transaction, again from the start when it was picked as a deadlock's victim.

    Raises one of DATABASE_AWAY, after which the connection is closed.
    """
    for attempts_left in reversed(range(5)):
        try:
            connection.begin()
            with connection.cursor() as cursor:
                result = work(cursor)
            connection.commit()
        except DATABASE_AWAY as error:
            if attempts_left and error.args and error.args[0] in _LOCK_CONFLICTS:
                connection.rollback()
                time.sleep(random.uniform(0.002, 0.05))  # noqa: S311  # jitter, not a secret
                continue
            close(connection)
            raise
        except BaseException:
            close(connection)
            raise
        else:
            return result
    raise AssertionError("the last attempt returns or raises")


def close(connection: Database) -> None:
    """Close for good; an open transaction is rolled back by the server."""
    with suppress(pymysql.err.Error):
        connection.close()
