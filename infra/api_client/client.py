"""Requests through the gateway that are tried again until they are answered; Idempotency-Keys make that safe."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Self

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.api_client.account import Account

# A 500 and a 502 too: that is what is seen of a function whose process was killed in the middle.
_TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 5.0


class GaveUpError(Exception):
    """No answer within the time that a request is tried for."""


class RefusedError(Exception):
    """An answer that says no; `code` is the problem's."""

    def __init__(self, what: str, answer: Answer) -> None:
        self.status, self.code = answer.status, str(answer.document.get("code", answer.status))
        self.detail = str(answer.document.get("detail", ""))
        super().__init__(f"{what} answered {self.status} {self.code}: {self.detail}")


@dataclass(frozen=True)
class Answer:
    """A final answer: `seconds` from the first attempt on, `replayed` if the key had been answered before."""

    status: int
    document: dict[str, Any]
    seconds: float
    attempts: int
    replayed: bool


class ApiClient:
    """Speaks with one gateway as one user; any number of threads may use it at once."""

    def __init__(
        self, base_url: str, account: Account, *, connections: int = 8, give_up_after: float = 120.0, timeout: float = 30.0
    ) -> None:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._http = httpx.Client(base_url=base_url.rstrip("/"), limits=limits, timeout=timeout, trust_env=False)
        self._account = account
        self._give_up_after = give_up_after
        self._token = ""
        self._signing_in = threading.Lock()
        self._counting = threading.Lock()
        self.retries: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    @property
    def username(self) -> str:
        """As whom we work; known once signed in."""
        return self._account.username

    @property
    def token(self) -> str:
        """What the requests are signed with; known once signed in."""
        return self._token

    def sign_in(self) -> None:
        """Sign in now rather than with the first request."""
        self._renew_token(self._token)

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        """A document. Raises RefusedError, GaveUpError."""
        return self._successful(f"GET {path}", self.call("GET", path, parameters=parameters))

    def create(self, path: str, document: dict[str, Any], key: str) -> dict[str, Any]:
        """What was created, once per key. Raises RefusedError, GaveUpError."""
        return self._successful(f"POST {path}", self.call("POST", path, document, key=key))

    def list(self, path: str, plural: str, *, page_size: int = 500, after: int = 0, **filters: Any) -> Iterator[dict[str, Any]]:
        """Every entry of a list, by its cursor."""
        while True:
            page = self.get(path, limit=page_size, after=after, **filters)
            yield from page[plural]
            if page["next_after"] is None:
                return
            after = page["next_after"]

    def call(
        self,
        method: str,
        path: str,
        document: dict[str, Any] | None = None,
        *,
        key: str | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> Answer:
        """The final answer to a request that may be repeated: one that reads, or one with a key. Raises GaveUpError."""
        began = time.monotonic()
        token_renewed = False
        for attempt in count():
            if not self._token:
                self._renew_token("")
            token = self._token
            response, cause, retry_after = self._attempt(method, path, document, parameters, self._headers(token, key))
            if response is not None and response.status_code == 401 and not token_renewed:
                token_renewed = True
                self._renew_token(token)
                continue
            if response is not None and response.status_code not in _TRY_AGAIN:
                return _answer(response, time.monotonic() - began, attempt + 1)
            self._wait(f"{method} {path}", cause, attempt, retry_after, began + self._give_up_after)
        raise AssertionError("the loop ends with an answer or an error")

    def _attempt(
        self, method: str, path: str, document: dict[str, Any] | None, parameters: dict[str, Any] | None, headers: dict[str, str]
    ) -> tuple[httpx.Response | None, str, float]:
        """One attempt: the response if there was one, what to call its failure, and how long the gateway asks to wait."""
        try:
            response = self._http.request(method, path, json=document, params=parameters, headers=headers)
        except httpx.TransportError as error:
            return None, type(error).__name__, 0.0
        asked = response.headers.get("retry-after", "")
        return response, str(response.status_code), float(asked) if asked.isdigit() else 0.0

    def _wait(self, what: str, cause: str, attempt: int, retry_after: float, deadline: float) -> None:
        with self._counting:
            self.retries[cause] += 1
        # Full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), but not before the gateway wants it.
        delay = retry_after + random.uniform(0, min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(attempt, 10)))  # noqa: S311
        if time.monotonic() + delay > deadline:
            raise GaveUpError(f"{what}: no answer within {self._give_up_after:.0f} s, the last attempt ended with {cause}")
        time.sleep(delay)

    def _headers(self, token: str, key: str | None) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {token}"}
        return headers | {"Idempotency-Key": key} if key else headers

    def _renew_token(self, used: str) -> None:
        with self._signing_in:
            if self._token == used:  # else another thread was first
                self._token = self._account.sign_in(self._post_unsigned)

    def _post_unsigned(self, path: str, document: dict[str, Any]) -> httpx.Response:
        deadline = time.monotonic() + self._give_up_after
        for attempt in count():
            response, cause, retry_after = self._attempt("POST", path, document, None, {})
            if response is not None and response.status_code not in _TRY_AGAIN:
                return response
            self._wait(f"POST {path}", cause, attempt, retry_after, deadline)
        raise AssertionError("the loop ends with an answer or an error")

    @staticmethod
    def _successful(what: str, answer: Answer) -> dict[str, Any]:
        if answer.status >= 400:
            raise RefusedError(what, answer)
        return answer.document


def _answer(response: httpx.Response, seconds: float, attempts: int) -> Answer:
    try:
        document = response.json()
    except ValueError:
        document = {}
    return Answer(
        status=response.status_code,
        document=document if isinstance(document, dict) else {},
        seconds=seconds,
        attempts=attempts,
        replayed=response.headers.get("idempotency-replayed") == "true",
    )
