"""A connection to a running system's database with every right, past all that the system itself has in between."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.cursors import DictCursor

from infra.stack.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymysql.connections import Connection

    from infra.stack import Stack


@contextlib.contextmanager
def database_of(stack: Stack, **options: Any) -> Iterator[Connection[DictCursor]]:
    """In autocommit mode and in UTC, unless PyMySQL's options say otherwise."""
    addresses = stack.addresses()
    connection = pymysql.connect(
        host=LOOPBACK,
        port=stack.ports.mysql,
        user=addresses["DATABASE_USER"],
        password=addresses["DATABASE_PASSWORD"],
        database=addresses["DATABASE_NAME"],
        charset="utf8mb4",
        cursorclass=DictCursor,
        **{"autocommit": True, "connect_timeout": 5, "init_command": "SET time_zone = '+00:00'"} | options,
    )
    try:
        yield connection
    finally:
        with contextlib.suppress(pymysql.Error):
            connection.close()
