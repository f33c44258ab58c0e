"""The servers a test session starts are real, private and configured as the system needs them."""

from __future__ import annotations

import pymysql
import pytest
from redis import Redis


@pytest.fixture
def cursor(mariadb):
    connection = pymysql.connect(
        host=mariadb["DATABASE_HOST"],
        port=int(mariadb["DATABASE_PORT"]),
        user=mariadb["DATABASE_USER"],
        password=mariadb["DATABASE_PASSWORD"],
        database=mariadb["DATABASE_NAME"],
    )
    with connection, connection.cursor() as cursor:
        yield cursor


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("innodb_flush_log_at_trx_commit", "1"),
        ("innodb_doublewrite", "ON"),
        ("t%_isolation", "READ-COMMITTED"),  # tx_isolation, or transaction_isolation as MySQL calls it, or both
        ("character_set_database", "utf8mb4"),
        ("bind_address", "127.0.0.1"),
        ("max_connections", "300"),
    ],
)
def test_mariadb_is_set_up_to_lose_nothing(cursor, variable, value):
    cursor.execute("SHOW VARIABLES LIKE %s", (variable,))
    assert {found for _, found in cursor.fetchall()} == {value}


def test_the_database_is_migrated(cursor):
    cursor.execute("SHOW TABLES LIKE 'alembic_version'")
    assert cursor.fetchone()


def test_redis_keeps_nothing_on_disk(redis):
    with Redis(redis["REDIS_HOST"], int(redis["REDIS_PORT"]), decode_responses=True) as client:
        assert client.config_get("save") == {"save": ""}
        assert client.config_get("appendonly") == {"appendonly": "no"}
