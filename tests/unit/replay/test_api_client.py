"""A client that may lose any answer, and does nothing twice."""

from __future__ import annotations

import threading
import time

import httpx
import pytest

from infra.api_client import Answer, ApiClient, GaveUpError, RefusedError, work_through

KEY = "replay r line 2"


class Account:
    """Hands out a token per sign-in."""

    username = "tester"

    def __init__(self) -> None:
        self.signed_in = 0

    def sign_in(self, send: object) -> str:
        self.signed_in += 1
        return f"token-{self.signed_in}"


@pytest.fixture
def client_of(monkeypatch):
    """A client of a gateway that answers as the test says."""
    monkeypatch.setattr("infra.api_client.client._FIRST_DELAY", 0.001)
    monkeypatch.setattr("infra.api_client.client._LONGEST_DELAY", 0.002)

    def make(*answers: httpx.Response | Exception, give_up_after: float = 5) -> tuple[ApiClient, list[httpx.Request]]:
        seen: list[httpx.Request] = []
        remaining = list(answers)

        def answer(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            outcome = remaining.pop(0) if len(remaining) > 1 else remaining[0]
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        client = ApiClient("http://gateway", Account(), give_up_after=give_up_after)
        client._http = httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(answer))
        return client, seen

    return make


def created() -> httpx.Response:
    return httpx.Response(201, json={"id": 7})


@pytest.mark.parametrize(
    "failure", [httpx.ConnectError("refused"), httpx.ReadTimeout("late"), httpx.Response(503), httpx.Response(502), httpx.Response(429)]
)
def test_a_failed_attempt_is_repeated_under_the_same_key(client_of, failure):
    client, seen = client_of(failure, failure, created())
    answer = client.call("POST", "/api/orders", {"quantity": 1}, key=KEY)
    assert (answer.status, answer.document, answer.attempts) == (201, {"id": 7}, 3)
    assert {request.headers["idempotency-key"] for request in seen} == {KEY}
    assert len({request.content for request in seen}) == 1
    assert client.retries.total() == 2


def test_the_gateways_wish_to_wait_is_kept(client_of):
    client, _ = client_of(httpx.Response(503, headers={"retry-after": "1"}), created())
    began = time.monotonic()
    client.call("POST", "/api/orders", {}, key=KEY)
    assert time.monotonic() - began >= 1


def test_a_request_is_given_up_on_in_the_end(client_of):
    client, _ = client_of(httpx.Response(503), give_up_after=0.05)
    with pytest.raises(GaveUpError, match="503"):
        client.call("GET", "/api/orders")


def test_a_no_is_an_answer_and_not_repeated(client_of):
    client, seen = client_of(httpx.Response(409, json={"code": "insufficient_stock", "detail": "only 3"}))
    with pytest.raises(RefusedError) as refused:
        client.create("/api/orders", {}, KEY)
    assert refused.value.code == "insufficient_stock"
    assert len(seen) == 1


def test_a_token_that_ran_out_is_renewed_once(client_of):
    client, seen = client_of(httpx.Response(401), created())
    assert client.call("POST", "/api/orders", {}, key=KEY).status == 201
    assert [request.headers["authorization"] for request in seen] == ["Bearer token-1", "Bearer token-2"]

    client, seen = client_of(httpx.Response(401))
    assert client.call("POST", "/api/orders", {}, key=KEY).status == 401
    assert len(seen) == 2


def test_no_more_work_is_in_hand_than_allowed():
    at_work, most, lock = 0, 0, threading.Lock()
    done: list[int] = []

    def work(item: int) -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.001)
        with lock:
            at_work -= 1
        done.append(item)

    work_through(iter(range(100)), work, at_once=4)
    assert sorted(done) == list(range(100))
    assert most <= 4


def test_an_error_in_the_work_begins_nothing_new_and_is_raised():
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        raise RefusedError("work", Answer(status=409, document={}, seconds=0, attempts=1, replayed=False))

    with pytest.raises(RefusedError):
        work_through(range(1000), work, at_once=2)
    assert len(begun) <= 4
