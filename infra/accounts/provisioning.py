"""Makes the accounts be as they should, whatever they were, without a moment in which one of them cannot work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.accounts.grants import GRANTS, Grant, account, statements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymysql.connections import Connection
    from pymysql.cursors import DictCursor

_TABLES = "SELECT TABLE_NAME, PRIVILEGE_TYPE FROM information_schema.TABLE_PRIVILEGES WHERE GRANTEE = %s AND TABLE_SCHEMA = %s"
_COLUMNS = """
    SELECT TABLE_NAME, PRIVILEGE_TYPE, GROUP_CONCAT(COLUMN_NAME ORDER BY COLUMN_NAME) AS names
    FROM information_schema.COLUMN_PRIVILEGES WHERE GRANTEE = %s AND TABLE_SCHEMA = %s GROUP BY TABLE_NAME, PRIVILEGE_TYPE
"""


def provision(connection: Connection[DictCursor], database: str, host: str, passwords: Mapping[str, str]) -> int:
    """Make accounts and rights that are missing, take away those that are too many. Returns how many were taken away."""
    revoked = 0
    with connection.cursor() as cursor:
        for service in GRANTS:
            for statement in statements(service, database, host, passwords[service]):
                cursor.execute(statement)
            for grant in sorted(rights(connection, service, database, host) - set(GRANTS[service])):
                cursor.execute(f"REVOKE {grant.words} ON `{database}`.`{grant.table}` FROM '{account(service)}'@'{host}'")
                revoked += 1
    return revoked


def rights(connection: Connection[DictCursor], service: str, database: str, host: str) -> set[Grant]:
    """What a service's account may do to the database's tables."""
    whom = (f"'{account(service)}'@'{host}'", database)
    with connection.cursor() as cursor:
        cursor.execute(_TABLES, whom)
        found = {Grant(row["TABLE_NAME"], row["PRIVILEGE_TYPE"]) for row in cursor.fetchall()}
        cursor.execute(_COLUMNS, whom)
        found |= {Grant(row["TABLE_NAME"], row["PRIVILEGE_TYPE"], tuple(row["names"].split(","))) for row in cursor.fetchall()}
    return found
