"""Fixtures of unit tests: no sockets, a Redis in memory, Secrets Manager by moto."""

import boto3
import fakeredis
import pytest
from moto import mock_aws
from pytest_socket import disable_socket, enable_socket

import common.redis_client
from common import auth
from common.aws import get_client
from common.breaker import get_breaker
from common.config import get_settings

SETTINGS = {
    "DATABASE_HOST": "database.invalid",
    "DATABASE_NAME": "inventory_db",
    "DATABASE_USER": "nobody",
    "DATABASE_PASSWORD": "secret",
    "REDIS_HOST": "redis.invalid",
    "ALLOWED_ORIGINS": "http://localhost:8080, http://page.example",
    "JWT_SECRET_ID": "jwt",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}


_CACHED = (get_settings, auth.get_signing_keys, get_client, get_breaker)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """A process that has just started, whose network is not there."""
    disable_socket(allow_unix_socket=True)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    _forget()
    yield
    _forget()
    enable_socket()


@pytest.fixture
def redis_server(monkeypatch):
    """A Redis in memory; `connected = False` takes it away."""
    server = fakeredis.FakeServer()
    client = fakeredis.FakeRedis(server=server, decode_responses=True)
    monkeypatch.setattr(common.redis_client, "get_redis", lambda: client)
    return server


@pytest.fixture
def redis(redis_server):
    """A client of it, for looking."""
    return common.redis_client.get_redis()


@pytest.fixture
def secrets():
    """Secrets Manager with the secret that signs tokens."""
    with mock_aws():
        client = boto3.client("secretsmanager")
        client.create_secret(Name="jwt", SecretString="first " * 8)
        yield client


def _forget():
    for cached in _CACHED:
        cached.cache_clear()
    common.redis_client._guard.close()
