"""The system that is attacked, as an attacker and its operator see it, and every secret that was used on the way."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from redis import Redis

from infra.deploy.deployment import client_of
from infra.stack.forwarding import forwarder_key
from infra.stack.ports import LOOPBACK
from tests.administrator import database_of

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import DictCursor

    from infra.stack import Stack

SIGNING_KEY = "Jwt"
_ANSWER_SECONDS = 40.0
_LONGEST_TURN_SECONDS = 5.0
_TURNS = 200


@dataclass(frozen=True)
class User:
    """Somebody who has signed in."""

    id: int
    username: str
    password: str
    token: str


class Target:
    """A running system; users, clients and connections to attack it with."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.secrets: dict[str, str] = {}
        """Every secret that was used -> what it is."""
        self._numbers = itertools.count(1)
        self._run = uuid.uuid4().hex[:6]

    # users and clients

    def unique(self, word: str) -> str:
        """A name that nothing else has."""
        return f"{word}-{self._run}-{next(self._numbers)}"

    def user(self, role: str = "clerk") -> User:
        """A new user of that role, signed in; from an address of its own, so that no other attack's limits are its own."""
        username, password = self.unique(role), self.secret(f"password-{uuid.uuid4()}", "a password")
        with self.client() as client:
            registered = self.in_turn(
                client, "/api/auth/register", {"username": username, "email": f"{username}@example.com", "password": password}
            )
            registered.raise_for_status()
            with self.database() as connection, connection.cursor() as cursor:
                cursor.execute("UPDATE users SET role = %s WHERE id = %s", (role, registered.json()["id"]))
            return User(registered.json()["id"], username, password, self.sign_in(client, username, password))

    def sign_in(self, client: httpx.Client, username: str, password: str) -> str:
        """A new token."""
        answer = self.in_turn(client, "/api/auth/login", {"username": username, "password": password})
        answer.raise_for_status()
        return self.secret(answer.json()["token"], "a token")

    def in_turn(self, client: httpx.Client, path: str, body: dict[str, Any]) -> httpx.Response:
        """The answer once the gateway's throttle lets it through: it holds back all who sign in or register together."""
        for _ in range(_TURNS):
            answer = client.post(path, json=body)
            if answer.status_code != 429 or float(answer.headers.get("retry-after", "1")) > _LONGEST_TURN_SECONDS:
                return answer
            time.sleep(0.2)
        raise TimeoutError(f"no turn at {path}")

    def client(self, token: str | None = None, address: str | None = None, url: str | None = None) -> httpx.Client:
        """A client of the gateway, or of another server, by default from a loopback address that no other has."""
        number = next(self._numbers)
        own = f"127.{1 + number // 250 % 200}.{int(self._run[:2], 16)}.{1 + number % 250}"
        transport = httpx.HTTPTransport(local_address=address or own)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=url or self.stack.gateway_url, transport=transport, headers=headers, timeout=_ANSWER_SECONDS)

    def said(self, request: bytes, port: int | None = None) -> bytes:
        """All that is said to these bytes on a connection of their own; the request had better ask for it to be closed."""
        said = b""
        with socket.create_connection((LOOPBACK, port or self.stack.ports.gateway), timeout=_ANSWER_SECONDS) as connection:
            with contextlib.suppress(OSError):  # it may be closed before all is sent
                connection.sendall(request)
            with contextlib.suppress(OSError):
                while more := connection.recv(65_536):
                    said += more
        return said

    # what its operator knows

    def secret(self, value: str, what: str) -> str:
        """The same value, remembered."""
        self.secrets[value] = what
        return value

    def signing_key(self) -> str:
        """What tokens are signed with."""
        client = client_of(self.stack, "secretsmanager")
        names = [secret["Name"] for secret in client.list_secrets(MaxResults=100)["SecretList"] if SIGNING_KEY in secret["Name"]]
        return self.secret(client.get_secret_value(SecretId=names[0])["SecretString"], "the key that signs tokens")

    def database_passwords(self) -> dict[str, str]:
        """The password of each account at the database, by the service's name."""
        found = {}
        for path in sorted(self.stack.secrets_dir.glob("*DatabaseSecret")):
            service = path.name.removesuffix("DatabaseSecret").lower()
            found[service] = self.secret(json.loads(path.read_text(encoding="utf-8"))["password"], f"the database password of {service}")
        return found

    def forwarder_key(self) -> str:
        """By what the gateway believes the page's server whose requests it passes on."""
        return self.secret(forwarder_key(self.stack.secrets_dir), "the forwarder's key")

    def database(self) -> contextlib.AbstractContextManager[Connection[DictCursor]]:
        """A connection as the database's administrator."""
        return database_of(self.stack)

    def redis(self) -> Redis:
        """A client of Redis."""
        return Redis(LOOPBACK, self.stack.ports.redis, socket_timeout=10)

    def environments(self) -> dict[str, Any]:
        """The processes of functions, as LocalStack's plugin tells them."""
        return dict(httpx.get(f"{self.stack.localstack_url}/_lambda/environments", timeout=10).json())
