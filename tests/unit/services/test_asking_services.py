"""How services ask each other: over Lambda, behind a breaker, cache first."""

import json

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError

from common import services
from common.breaker import FAILURES_TO_OPEN, DependencyUnavailableError, get_breaker
from common.cache import EntityCache
from common.services import ATTEMPTS, Directory, ask_health, get_from
from common.tracing import trace_id_of


class Lambda:
    """A Lambda client whose functions answer what the test says."""

    def __init__(self, answer):
        self.answer, self.events, self.names = answer, [], []

    def invoke(self, FunctionName, Payload):  # noqa: N803
        self.names.append(FunctionName)
        self.events.append(json.loads(Payload))
        answer = self.answer(self.events[-1]) if callable(self.answer) else self.answer
        if isinstance(answer, Exception):
            raise answer
        status, document, *error = answer
        payload = {"errorMessage": "boom"} if error else {"statusCode": status, "body": json.dumps(document)}
        body = type("Body", (), {"read": staticmethod(lambda: json.dumps(payload).encode())})
        return {"Payload": body} | ({"FunctionError": "Unhandled"} if error else {})


@pytest.fixture
def function(monkeypatch, redis_server):
    def make(answer):
        client = Lambda(answer)
        monkeypatch.setattr(services, "get_client", lambda _: client)
        return client

    return make


def test_request_has_the_form_of_api_gateways(function):
    client = function((200, {"id": 3}))
    assert get_from("supplier", "/api/suppliers/{supplier_id}", path={"supplier_id": "3"}, query={"q": "x"}) == (200, {"id": 3})
    assert client.names == ["inventory-supplier"]
    (event,) = client.events
    assert event["path"] == "/api/suppliers/3"
    assert event["requestContext"]["resourcePath"] == event["resource"] == "/api/suppliers/{supplier_id}"
    assert event["multiValueQueryStringParameters"] == {"q": ["x"]}
    assert trace_id_of(event["headers"]["traceparent"])


DIED = (0, {}, "FunctionError")


@pytest.mark.parametrize(
    ("failure", "asked"),
    [
        ((503, {"detail": "down"}), 1),
        ((500, {}), 1),
        (DIED, ATTEMPTS),
        (EndpointConnectionError(endpoint_url="x"), ATTEMPTS),
        (ConnectTimeoutError(endpoint_url="x"), 1),
    ],
)
def test_failures_of_every_kind_open_the_breaker(function, failure, asked):
    client = function(failure)
    for _ in range(FAILURES_TO_OPEN + 2):
        with pytest.raises(DependencyUnavailableError):
            get_from("supplier", "/api/suppliers")
    assert len(client.events) == FAILURES_TO_OPEN * asked


def test_a_function_that_died_is_asked_again_and_nobody_notices(function):
    answers = iter([DIED, (200, {"id": 3})])
    client = function(lambda _: next(answers))
    assert get_from("supplier", "/api/suppliers/{supplier_id}", path={"supplier_id": "3"}) == (200, {"id": 3})
    assert len(client.events) == 2
    assert get_breaker("supplier").state() == "closed"


def test_4xx_is_an_answer(function):
    client = function((404, {"code": "supplier_not_found"}))
    for _ in range(FAILURES_TO_OPEN + 2):
        assert get_from("supplier", "/api/suppliers/{supplier_id}", path={"supplier_id": "3"})[0] == 404
    assert len(client.events) == FAILURES_TO_OPEN + 2
    assert get_breaker("supplier").state() == "closed"


def test_directory_asks_the_cache_first(function):
    client = function((200, {"suppliers": [{"id": 2, "version": 1}]}))
    EntityCache("supplier").put([{"id": 1, "version": 1}])
    EntityCache("supplier").bury(3, 9)
    directory = Directory("supplier", "suppliers")
    assert directory.find(1) == {"id": 1, "version": 1}
    assert directory.find(3) is None
    assert client.events == []
    assert set(directory.find_many([1, 2, 3])) == {1, 2}
    assert client.events[0]["queryStringParameters"] == {"ids": "2", "limit": "1"}
    assert set(directory.cached([1, 2, 3])) == {1}


def test_directory_tells_what_does_not_exist_from_what_cannot_be_told(function):
    directory = Directory("supplier", "suppliers")
    function((404, {}))
    assert directory.find(5) is None
    function((500, {}))
    with pytest.raises(DependencyUnavailableError):
        directory.find(5)


@pytest.mark.parametrize(("event_type", "found"), [("supplier_updated", "new"), ("supplier_deleted", None)])
def test_directory_is_put_right_by_events(redis_server, event_type, found):
    cache = EntityCache("supplier")
    cache.put([{"id": 1, "version": 1, "name": "old"}])
    cache.listed({}, lambda: {"n": "old"})
    Directory("supplier", "suppliers").heal(
        [{"supplier_id": 1, "version": 2, "name": "new", "event_id": "e", "event_type": event_type, "occurred_at": "now", "trace_id": "t"}]
    )
    held = Directory("supplier", "suppliers").cached([1]).get(1)
    assert (held or {}).get("name") == found
    assert cache.listed({}, lambda: {"n": "new"}) == {"n": "new"}


def test_health_that_cannot_be_asked_is_down(function):
    function(ConnectTimeoutError(endpoint_url="x"))
    assert ask_health("supplier", "suppliers")["status"] == "down"
    function((0, {}, "FunctionError"))
    assert ask_health("supplier", "suppliers") == {"service": "supplier", "status": "down", "error": "inventory-supplier failed: boom"}


@pytest.mark.parametrize(("status", "state"), [(200, "degraded"), (503, "down")])
def test_health_is_what_a_service_says_of_itself(function, status, state):
    document = {"service": "supplier", "status": state}
    function((status, document))
    assert ask_health("supplier", "suppliers") == document


def test_health_that_ends_in_an_error_is_down(function):
    function((500, {"status": 500, "detail": "an unexpected error"}))
    down = {"service": "supplier", "status": "down", "error": "answered 500: an unexpected error"}
    assert ask_health("supplier", "suppliers") == down
