"""The task that prepares a database on AWS, on a server of its own and with secrets as CloudFormation makes them."""

import json

import boto3
import pymysql
import pytest
from moto import mock_aws

from common.config import get_settings
from infra.accounts.grants import GRANTS, account
from infra.accounts.provisioning import rights
from infra.aws import prepare
from infra.database import connected
from infra.stack import Ports, Stack
from infra.stack.foreground import running

PASSWORD = "generated for {}"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("prepare"), Ports.free())
    with running(stack, "mariadb"):
        yield stack.addresses() | {"DATABASE_NAME": "not_there_yet"}


@pytest.fixture
def secrets(server, monkeypatch):
    """Puts the task's environment together, with the secrets of these services."""
    for name, value in {**server, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    get_settings.cache_clear()
    with mock_aws():

        def make(services):
            client = boto3.client("secretsmanager")
            arns = [
                client.create_secret(
                    Name=service, SecretString=json.dumps({"username": account(service), "password": PASSWORD.format(service)})
                )["ARN"]
                for service in services
            ]
            monkeypatch.setenv(prepare.SECRET_ARNS, ",".join(arns))

        yield make
    get_settings.cache_clear()


def test_database_is_migrated_and_accounts_have_their_rights_and_passwords_however_often(server, secrets):
    # In any order: each secret says whose it is.
    secrets(sorted(GRANTS, reverse=True))
    prepare.main()
    prepare.main()
    with connected(server) as connection:
        for service, granted in GRANTS.items():
            assert rights(connection, service, server["DATABASE_NAME"], "%") == set(granted)
    order = server | {"DATABASE_USER": account("order"), "DATABASE_PASSWORD": PASSWORD.format("order")}
    with connected(order) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) AS orders FROM orders")
        assert cursor.fetchall() == [{"orders": 0}]
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            cursor.execute("SELECT * FROM users")


def test_secrets_that_are_not_those_of_the_accounts_change_nothing(secrets):
    secrets([service for service in GRANTS if service != "order"])
    with pytest.raises(prepare.AccountsDiffer, match="inventory_order"):
        prepare.main()
