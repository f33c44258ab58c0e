"""Each service's account at the database: what it may do by the table of grants, and where its function finds the password."""

import importlib

import pytest

from common.db import Base
from infra.accounts.grants import GRANTS, SERVICES, Grant, statements
from infra.accounts.passwords import passwords, secret_name
from infra.deploy.template import FUNCTION, SECRET, load, resources_of
from infra.stack.instance import PROJECT_DIR
from tests import gateway

OWNERS = tuple(gateway.SERVICES.values())

SHARED = {
    "outbox",
    "processed_events",
    "dead_letters",
    "delivery_failures",
    "idempotency_keys",
    "cache_doubts",
    "list_positions",
    "list_horizons",
    "search_words",
}
# What others read of a service's own tables, and why it is so.
READ_BY_OTHERS = {
    ("authorizer", "users"),  # who a token's user is now
    ("authorizer", "revoked_tokens"),
    ("bridge", "revoked_tokens"),  # housekeeping
    ("bridge", "stock_movements"),  # live events
    ("bridge", "stock_alerts"),  # metrics
}
TEMPLATE = load(PROJECT_DIR / "template.yaml")


def owned(service):
    module = importlib.import_module(f"{service}.models")
    models = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Base) and value is not Base]
    return {model.__tablename__ for model in models if model.__module__ == module.__name__}


@pytest.mark.parametrize("service", OWNERS)
def test_a_service_may_use_its_own_tables_and_no_others(service):
    tables = {grant.table for grant in GRANTS[service]}
    assert owned(service) <= tables
    assert tables <= owned(service) | SHARED
    for other in SERVICES:
        if other != service:
            foreign = {grant.table for grant in GRANTS[other]} & owned(service)
            assert {(other, table) for table in foreign} <= READ_BY_OTHERS


def test_every_table_has_somebody_who_writes_it():
    tables = {table for service in OWNERS for table in owned(service)} | SHARED
    assert tables == {grant.table for grants in GRANTS.values() for grant in grants if grant.privilege == "INSERT"}


def test_nobody_changes_or_forgets_what_is_in_the_ledger():
    touching = {(service, g.privilege) for service, grants in GRANTS.items() for g in grants if g.table == "stock_movements"}
    assert touching == {("inventory", "SELECT"), ("inventory", "INSERT"), ("bridge", "SELECT")}


def test_only_the_service_of_users_reads_their_passwords():
    readers = [
        service
        for service, grants in GRANTS.items()
        if any(g.table == "users" and (not g.columns or "password_hash" in g.columns) for g in grants)
    ]
    assert readers == ["auth"]


def test_a_grant_is_written_as_the_database_takes_it():
    made = list(statements("authorizer", "db", "%", "pw"))
    assert made[0] == "CREATE USER IF NOT EXISTS 'inventory_authorizer'@'%' IDENTIFIED BY 'pw'"
    assert "GRANT SELECT (token_id) ON `db`.`revoked_tokens` TO 'inventory_authorizer'@'%'" in made
    assert Grant("t", "UPDATE").words == "UPDATE"


def test_passwords_are_made_once_and_kept_for_their_owner_only(tmp_path):
    first = passwords(tmp_path / "secrets")
    assert set(first) == set(SERVICES)
    assert len(set(first.values())) == len(SERVICES)
    assert min(map(len, first.values())) >= 40
    assert passwords(tmp_path / "secrets") == first
    for path in (tmp_path / "secrets").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


def test_every_account_has_its_secret_in_the_template():
    generated = {name: p["GenerateSecretString"] for name, p in resources_of(TEMPLATE, SECRET).items() if name.endswith("DatabaseSecret")}
    assert set(generated) == {secret_name(service) for service in SERVICES}
    for service in SERVICES:
        made = generated[secret_name(service)]
        assert made["SecretStringTemplate"]["Fn::Sub"] == f'{{"username": "${{DatabaseUserPrefix}}{service}"}}'
        assert made["GenerateStringKey"] == "password"


@pytest.mark.parametrize("name", resources_of(TEMPLATE, FUNCTION))
def test_a_function_is_given_its_own_password_and_no_other(name):
    function = resources_of(TEMPLATE, FUNCTION)[name]
    service = function["Handler"].split(".")[0]
    variables = function["Environment"]["Variables"]
    assert variables["DATABASE_USER"] == {"Fn::Sub": f"${{DatabaseUserPrefix}}{service}"}
    reference = f"{{{{resolve:secretsmanager:${{{secret_name(service)}}}:SecretString:password}}}}"
    assert variables["DATABASE_PASSWORD"] == {"Fn::Sub": reference}
    everything = str(function) + str(TEMPLATE["Globals"])
    assert [other for other in SERVICES if other != service and secret_name(other) in everything] == []
