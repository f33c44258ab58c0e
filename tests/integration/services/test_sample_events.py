"""The sample events beside each function are what it takes today."""

import importlib
import json
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from sqlalchemy import text

from common.auth import issue_token
from common.aws import get_client
from common.config import get_settings
from common.db import transaction
from common.topology import CONSUMERS
from tests.factories import given_customer, given_order, given_procurement, given_product, given_supplier
from tests.gateway import CONTEXT, SERVICES
from tests.integration.services.conftest import mark_delivered

FUNCTIONS = Path(__file__).resolve().parents[3] / "functions"
SAMPLES = sorted(FUNCTIONS.glob("*/sample_events/*.json"))
NUMBERED = ("users", "suppliers", "customers", "products", "storages", "procurements", "orders")


@pytest.fixture
def world(api, deliver, monkeypatch):
    """What the samples speak of: number 1 of everything, and a number 2 that nothing points to."""
    monkeypatch.setenv("JWT_SECRET_ID", "jwt")
    get_settings.cache_clear()
    with transaction() as session:
        for table in NUMBERED:
            session.execute(text(f"ALTER TABLE {table} AUTO_INCREMENT = 1"))
    with mock_aws():
        get_client.cache_clear()
        boto3.client("secretsmanager").create_secret(Name="jwt", SecretString="s" * 64)
        api.post("/api/auth/register", {"username": "ann", "email": "ann@example.org", "password": "correct horse"})
        given_supplier(api)
        given_supplier(api)
        given_customer(api)
        given_customer(api)
        product = given_product(api, supplier_id=1, stock=100)
        given_product(api, supplier_id=1)
        mark_delivered()
        given_procurement(api, product)
        given_order(api, product, 10, customer_id=1)
        yield
    get_client.cache_clear()


def accept(function, sample, name):
    if function == "authorizer":
        answer = importlib.import_module("authorizer.app").handler(
            sample | {"authorizationToken": f"Bearer {issue_token(1, 'ann', 0)}"}, None
        )
        assert answer["context"]["username"] == "ann"
    elif "events" in sample:
        assert importlib.import_module(f"{function}.consumer").handler(sample, CONTEXT) == {"batchItemFailures": []}, name
    else:
        answer = importlib.import_module(f"{function}.app").app(sample, CONTEXT)
        assert answer["statusCode"] in (200, 201, 204), (name, answer["body"])


@pytest.mark.parametrize("function", sorted({path.parents[1].name for path in SAMPLES}))
def test_samples_are_accepted(world, function):
    for path in SAMPLES:
        if path.parents[1].name == function:
            accept(function, json.loads(path.read_text()), path.stem)


def test_every_function_has_samples():
    of = {path.parents[1].name for path in SAMPLES}
    assert of == {*SERVICES.values(), "system", "authorizer"}
    assert {path.parents[1].name for path in SAMPLES if path.stem.startswith("consumer")} == set(CONSUMERS)
