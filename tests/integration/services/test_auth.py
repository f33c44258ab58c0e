"""Users, from registration to the context that the authorizer hands the handlers."""

import boto3
import jwt
import pytest
from moto import mock_aws
from sqlalchemy import text

from authorizer.app import handler as authorizer
from common.auth import TOKEN_SECONDS
from common.aws import get_client
from common.config import get_settings
from common.db import transaction
from tests.factories import registration
from tests.integration.services.conftest import count

METHOD_ARN = "arn:aws:execute-api:us-east-1:000000000000:api/prod/GET/api/products"


@pytest.fixture(autouse=True)
def secret(clean, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("JWT_SECRET_ID", "jwt")
    get_settings.cache_clear()
    with mock_aws():
        get_client.cache_clear()
        boto3.client("secretsmanager").create_secret(Name="jwt", SecretString="s" * 64)
        yield
    get_client.cache_clear()


def test_register_log_in_and_be_known(api):
    new = registration(username="Ann", email="ann@example.org")
    registered = api.post("/api/auth/register", new)
    assert registered.status == 201
    assert set(registered.json) == {"id", "username", "email", "created_at"}

    login = api.post("/api/auth/login", {"username": "Ann", "password": new["password"]})
    assert login.status == 200
    assert login.json["user"] == registered.json
    claims = jwt.decode(login.json["token"], options={"verify_signature": False})
    assert (claims["sub"], claims["username"]) == (str(registered.json["id"]), "Ann")
    assert claims["exp"] - claims["iat"] == TOKEN_SECONDS

    context = authorizer({"authorizationToken": f"Bearer {login.json['token']}", "methodArn": METHOD_ARN}, None)["context"]
    api.user = context
    assert api.get("/api/auth/me").json == registered.json
    assert api.post("/api/auth/validate").json == {"valid": True, "user_id": registered.json["id"], "username": "Ann"}


def test_password_is_kept_as_an_argon2_hash_only(api):
    new = registration(password="pässwörd 🦆 with spaces")
    api.post("/api/auth/register", new, headers={"Idempotency-Key": "once"})
    with transaction() as session:
        held = session.scalar(text("SELECT password_hash FROM users"))
        replay = str(session.execute(text("SELECT * FROM idempotency_keys")).all())
    assert held.startswith("$argon2id$")
    assert new["password"] not in replay
    assert api.post("/api/auth/login", {"username": new["username"], "password": new["password"]}).status == 200


@pytest.mark.parametrize(
    ("username", "password"), [("ann", "wrong password"), ("nobody", "correct horse"), ("🦆", "x"), ("\ud800", "\ud800")]
)
def test_wrong_name_and_wrong_password_are_told_alike(api, username, password):
    api.post("/api/auth/register", registration(username="ann", password="correct horse"))
    answer = api.post("/api/auth/login", {"username": username, "password": password})
    assert answer.status in (401, 422)
    if answer.status == 401:
        assert answer.json["code"] == "wrong_credentials"


@pytest.mark.parametrize(
    ("taken", "field"), [({"username": "ANN"}, "username"), ({"email": "Ann@Example.org"}, "email"), ({"username": "ann"}, "username")]
)
def test_name_and_address_are_taken_whatever_their_case(api, taken, field):
    api.post("/api/auth/register", registration(username="ann", email="ann@example.org"))
    answer = api.post("/api/auth/register", registration() | taken)
    assert (answer.status, answer.json["code"]) == (409, f"{field}_taken")
    assert answer.json["errors"][0]["field"] == field
    assert count("users") == 1


def test_user_deleted_meanwhile_is_known_no_more(api):
    assert api.get("/api/auth/me").status == 401


def test_request_nobody_authorized_is_refused(api):
    api.user = {}
    assert api.get("/api/auth/me").status == 401
