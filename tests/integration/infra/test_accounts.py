"""The accounts on a real database: each may do what it is granted, and nothing else."""

import pymysql
import pytest

from infra.accounts.grants import GRANTS, SERVICES, account
from infra.accounts.provisioning import provision, rights
from infra.database import connected

HOST = "127.0.0.1"
PASSWORDS = {service: f"password of {service}" for service in SERVICES}


@pytest.fixture
def administrator(mariadb):
    with connected(mariadb) as connection:
        provision(connection, mariadb["DATABASE_NAME"], HOST, PASSWORDS)
        yield connection


def as_service(mariadb, service):
    return connected({**mariadb, "DATABASE_USER": account(service), "DATABASE_PASSWORD": PASSWORDS[service]})


def is_allowed(connection, statement):
    """Whether the account may; what else is wrong with a statement is told after that."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    except pymysql.err.MySQLError as error:
        connection.rollback()
        # Table, column, routine or database access denied.
        if error.args[0] in (1044, 1045, 1142, 1143, 1227, 1370):
            return False
    connection.rollback()
    return True


def tables_of(administrator):
    with administrator.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        return [next(iter(row.values())) for row in cursor.fetchall()]


@pytest.mark.parametrize("service", SERVICES)
def test_an_account_may_do_what_it_is_granted_and_nothing_else(administrator, mariadb, service):
    whole = {(grant.table, grant.privilege) for grant in GRANTS[service] if not grant.columns}
    parts = {(grant.table, grant.privilege): grant.columns for grant in GRANTS[service] if grant.columns}
    with as_service(mariadb, service) as connection:
        for table in tables_of(administrator):
            assert is_allowed(connection, f"SELECT * FROM {table} LIMIT 1") == ((table, "SELECT") in whole), table
            assert is_allowed(connection, f"DELETE FROM {table}") == ((table, "DELETE") in whole), table
            if columns := parts.get((table, "SELECT")):
                assert is_allowed(connection, f"SELECT {', '.join(columns)} FROM {table} LIMIT 1"), table
            for statement in (f"DROP TABLE {table}", f"ALTER TABLE {table} ADD x INT", f"TRUNCATE {table}", f"LOCK TABLES {table} WRITE"):
                assert not is_allowed(connection, statement), statement
        for statement in (
            "CREATE TABLE mine (id INT)",
            "CREATE DATABASE mine",
            "CREATE USER 'mine'@'%'",
            "SELECT * FROM mysql.global_priv",
            "SELECT LOAD_FILE('/etc/passwd') IS NOT NULL INTO OUTFILE '/tmp/mine'",
            f"GRANT SELECT ON *.* TO '{account(service)}'@'{HOST}'",
            "SET GLOBAL general_log = 1",
        ):
            assert not is_allowed(connection, statement), statement


def test_what_was_granted_beyond_that_is_taken_away_and_all_else_stays(administrator, mariadb):
    database = mariadb["DATABASE_NAME"]
    with as_service(mariadb, "order") as at_work, administrator.cursor() as cursor:
        cursor.execute(f"GRANT SELECT, DELETE ON {database}.users TO '{account('order')}'@'{HOST}'")
        cursor.execute(f"GRANT UPDATE (payload) ON {database}.outbox TO '{account('order')}'@'{HOST}'")
        assert provision(administrator, database, HOST, PASSWORDS) == 3
        assert rights(administrator, "order", database, HOST) == set(GRANTS["order"])
        assert is_allowed(at_work, "SELECT * FROM orders LIMIT 1")
        assert not is_allowed(at_work, "SELECT * FROM users LIMIT 1")
    assert provision(administrator, database, HOST, PASSWORDS) == 0


def test_a_changed_password_takes_the_place_of_the_former_one(administrator, mariadb):
    provision(administrator, mariadb["DATABASE_NAME"], HOST, {**PASSWORDS, "order": "another"})
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"), as_service(mariadb, "order"):
        pass
