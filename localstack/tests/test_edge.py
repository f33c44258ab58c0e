"""The address that answers for the deployed API at its root."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import socket
import textwrap
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from api import AUTHORIZER, ECHO, Api
from localstack.services.apigateway.next_gen.execute_api.gateway_response import BaseGatewayException
from stack import FORWARDER_KEY, eventually

from localstack_process_runtime import functions
from localstack_process_runtime.edge.events import _any_response_of, _encode, _plain_response_of
from localstack_process_runtime.edge.plane import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stack import LocalStack


@pytest.fixture(scope="module")
def edge(localstack: LocalStack) -> Api:
    api = Api(localstack, "edge", stage="api")  # a stage named like the first part of the paths
    before = localstack.request("GET", "/api/products")
    assert (before.status, before.headers["Content-Type"]) == (503, "application/problem+json")
    assert before.json()["code"] == "not_deployed"
    api.authorizer("Jwt", localstack.create_function("edge-authorizer", AUTHORIZER))
    api.route("GET", "/api/products/{id}", localstack.create_function("edge-echo", ECHO), "Jwt")
    return api.deploy()


def test_paths_are_those_of_a_custom_domain_mapped_to_the_root(localstack: LocalStack, edge: Api):
    answer = localstack.request("GET", "/api/products/a%2Fb?q=1&q=2", Authorization="ada")
    event = answer.json()
    assert (answer.status, answer.headers["X-Seen"]) == (200, "yes")
    assert event["path"] == event["requestContext"]["path"] == "/api/products/a%2Fb"
    assert event["requestContext"]["resourcePath"] == "/api/products/{id}"
    assert event["requestContext"]["stage"] == "api"
    assert event["multiValueQueryStringParameters"] == {"q": ["1", "2"]}
    assert event["requestContext"]["authorizer"]["principalId"] == "user|ada"


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ({"X_Forwarder_Key": FORWARDER_KEY, "X_Forwarded_For": "203.0.113.9"}, "203.0.113.9"),
        ({"X_Forwarder_Key": FORWARDER_KEY, "X_Forwarded_For": "198.51.100.1, 2001:db8::9"}, "2001:db8::9"),
        ({"X_Forwarder_Key": FORWARDER_KEY, "X_Forwarded_For": "not an address"}, "127.0.0.1"),
        ({"X_Forwarder_Key": FORWARDER_KEY}, "127.0.0.1"),
        ({"X_Forwarder_Key": FORWARDER_KEY[:-1], "X_Forwarded_For": "203.0.113.9"}, "127.0.0.1"),
        ({"X_Forwarder_Key": "", "X_Forwarded_For": "203.0.113.9"}, "127.0.0.1"),
        ({"X_Forwarder_Key": "\xe9", "X_Forwarded_For": "203.0.113.9"}, "127.0.0.1"),
        ({"X_Forwarded_For": "203.0.113.9"}, "127.0.0.1"),
    ],
)
def test_whose_request_it_is_may_be_said_by_whoever_knows_the_key(localstack: LocalStack, edge: Api, headers: dict[str, str], client: str):
    event = localstack.request("GET", "/api/products/1", Authorization="ada", **headers).json()
    assert event["requestContext"]["identity"]["sourceIp"] == client
    assert event["multiValueHeaders"]["X-Forwarded-For"] == [client]
    assert "x-forwarder-key" not in {name.lower() for name in event["headers"]}


def test_an_unknown_route_gets_the_apis_own_answer(localstack: LocalStack, edge: Api):
    answer = localstack.request("GET", "/nothing/here")
    assert (answer.status, answer.json()) == (403, {"message": "Missing Authentication Token"})


@pytest.mark.parametrize("path", ["/_localstack/health", "/_aws/execute-api/x/y/z", "/_lambda/environments", "/2015-03-31/functions"])
def test_localstacks_own_apis_are_not_reachable(localstack: LocalStack, edge: Api, path: str):
    target = {
        "Host": "lambda.us-east-1.amazonaws.com",
        "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request",
    }
    assert localstack.request("GET", path, **target).status == 403
    assert localstack.request("POST", "/", body="Action=ListBuckets", X_Amz_Target="DynamoDB_20120810.ListTables").status == 403


def test_a_redeploy_is_followed_and_another_api_is_not(localstack: LocalStack, edge: Api):
    other = Api(localstack, "not-the-edge").route("GET", "/other", localstack.create_function("edge-other", ECHO)).deploy()
    assert other.request("GET", "/other").status == 200
    assert localstack.request("GET", "/other").status == 403
    again = Api(localstack, "edge").route("GET", "/again", localstack.create_function("edge-again", ECHO)).deploy()
    assert again.id != edge.id
    assert localstack.request("GET", "/again").status == 200
    again.route("GET", "/later", localstack.create_function("edge-later", ECHO)).deploy()
    assert localstack.request("GET", "/later").status == 200
    localstack.client("apigateway").delete_rest_api(restApiId=again.id)
    assert localstack.request("GET", "/api/products/1", Authorization="ada").status == 200


@pytest.mark.parametrize(("path", "headers"), [("/nothing", {}), ("/api/products/1", {}), ("/api/products/1", {"Authorization": "ada"})])
def test_an_answer_says_each_thing_about_itself_once(localstack: LocalStack, edge: Api, path: str, headers: dict[str, str]):
    connection = http.client.HTTPConnection("127.0.0.1", localstack.edge_port)
    connection.request("GET", path, headers=headers)
    names = [name.lower() for name, _ in connection.getresponse().getheaders()]
    connection.close()
    assert sorted(names) == sorted(set(names))


def test_a_mock_that_was_throttled_answers_again_later(localstack: LocalStack, edge: Api):
    mock = {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "responses": {"default": {"statusCode": "200"}},
    }
    edge.operation("GET", "/api/mock", responses={"200": {"description": ""}}, **{"x-amazon-apigateway-integration": mock}).deploy()
    edge.settings(**{"~1api~1mock__GET__throttling__rateLimit": "0.25", "~1api~1mock__GET__throttling__burstLimit": "1"})

    def status(accept: str) -> int:
        return localstack.request("GET", "/api/mock", Accept=accept).status

    assert [status("text/plain"), status("text/plain"), status("application/json")] == [200, 429, 429]
    eventually(lambda: status("application/json") == 200, "there is a token again")


def test_a_function_whose_sources_cannot_be_read_keeps_no_place_in_its_concurrency(monkeypatch: pytest.MonkeyPatch):
    taken: list[str] = []

    class Manager:
        @property
        def spec(self) -> Any:
            raise NotADirectoryError

        def lease(self) -> Callable[[], str]:
            taken.append("a place")
            return taken.pop

    monkeypatch.setattr(functions, "version_manager", lambda _: Manager())
    with pytest.raises(NotADirectoryError):
        Exchange._invoke(SimpleNamespace(), "arn", b"{}", lambda _: None, seconds=None, refused=BaseGatewayException())
    assert taken == []


PLAIN = {"statusCode": 201, "headers": {"X-One": "1", "Content-Type": "text/plain"}, "multiValueHeaders": {}, "body": "añ😀"}


@pytest.mark.parametrize("answer", [PLAIN, PLAIN | {"headers": {}}, PLAIN | {"body": ""}, PLAIN | {"isBase64Encoded": False}])
def test_plain_answers_are_read_as_all_others_are(answer: dict[str, Any]):
    api = SimpleNamespace(binary_media_types=[])
    payload = json.dumps(answer).encode()
    status, headers, body = _any_response_of(api, None, payload)
    found = _plain_response_of(payload)
    assert found is not None
    assert (found[0], sorted(found[1]), found[2]) == (status, sorted(headers), body)


@pytest.mark.parametrize(
    "change",
    [
        {"statusCode": "200"},
        {"statusCode": None},
        {"statusCode": True},
        {"body": None},
        {"body": 1},
        {"headers": None},
        {"headers": {"X": True}},
        {"headers": {"X": "a\r\nY: b"}},
        {"headers": {"x": "1", "X": "2"}},
        {"headers": {"Content-Length": "3"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"multiValueHeaders": {"X": ["1", "2"]}},
        {"isBase64Encoded": True},
        {"unknown": 1},
    ],
)
def test_what_is_not_plain_is_left_to_the_rules_for_all(change: dict[str, Any]):
    assert _plain_response_of(json.dumps(PLAIN | change).encode()) is None


def test_text_that_utf8_cannot_say_reaches_the_function():
    assert json.loads(_encode({"path": "\udc80", "n": 1})) == {"path": "\udc80", "n": 1}


def _said(localstack: LocalStack, request: bytes) -> bytes:
    """All that is said on a connection of its own until it is closed."""
    with socket.create_connection(("127.0.0.1", localstack.edge_port), timeout=10) as connection:
        with contextlib.suppress(OSError):  # it may be closed before all is sent
            connection.sendall(request)
        said = b""
        with contextlib.suppress(OSError):
            while more := connection.recv(65_536):
                said += more
    return said


def test_a_head_that_is_too_large_is_refused_once_and_asked_of_nobody(localstack: LocalStack, edge: Api):
    said = _said(localstack, b"GET /api/products/1 HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 200_000 + b"\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 431 ")
    assert said.count(b"HTTP/1.1 ") == 1


def test_a_header_is_one_line_and_a_length_is_said_once(localstack: LocalStack, edge: Api):
    code = """
        def handler(event, context):
            return {"statusCode": 200, "body": "whole", "headers": {"X-Said": "a\\r\\nX-Injected: b", "Content-Length": "1"}}
    """
    edge.route("GET", "/api/splitting", localstack.create_function("edge-splitting", textwrap.dedent(code))).deploy()
    for path in (b"/api/splitting", b"/nothing/here"):
        head, _, body = _said(localstack, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").partition(b"\r\n\r\n")
        assert b"\r\nX-Injected" not in head
        lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        assert lengths == [len(body)]


def test_a_path_that_is_quoted_in_json_cannot_end_the_text(localstack: LocalStack, edge: Api):
    said = _said(localstack, b'GET /api/products/a"b\\ HTTP/1.1\r\nHost: x\r\nAuthorization: ada\r\nConnection: close\r\n\r\n')
    assert json.loads(said.partition(b"\r\n\r\n")[2])["path"] == "/api/products/a%22b%5C"


@pytest.fixture(scope="module")
def compressing(localstack: LocalStack, edge: Api) -> Iterator[Api]:
    code = """
        def handler(event, context):
            query = event["queryStringParameters"]
            headers = {"Content-Encoding": query["encoded"]} if "encoded" in query else {}
            return {"statusCode": 200, "headers": headers, "body": "pæge " * (int(query["bytes"]) // 6)}
    """
    edge.route("GET", "/api/pages", localstack.create_function("edge-pages", textwrap.dedent(code))).deploy()
    apis = localstack.client("apigateway")

    def compress_from(value: str) -> None:
        apis.update_rest_api(restApiId=edge.id, patchOperations=[{"op": "replace", "path": "/minimumCompressionSize", "value": value}])
        apis.create_deployment(restApiId=edge.id, stageName=edge.stage)

    compress_from("600")
    yield edge
    compress_from("10485760")


def _page(localstack: LocalStack, size: int, accept: str, more: str = "") -> tuple[str | None, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", localstack.edge_port)
    connection.request("GET", f"/api/pages?bytes={size}{more}", headers={"Accept-Encoding": accept} if accept else {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 200
    return answer.getheader("Content-Encoding"), body


@pytest.mark.parametrize("size", [600, 6_000, 600_000])
@pytest.mark.parametrize("accept", ["gzip", "deflate, GZIP;q=0.5", "*", "br, gzip, zstd"])
def test_large_answers_are_compressed_for_who_takes_it(localstack: LocalStack, compressing: Api, size: int, accept: str):
    encoding, body = _page(localstack, size, accept)
    assert encoding == "gzip"
    assert gzip.decompress(body) == ("pæge " * (size // 6)).encode()


@pytest.mark.parametrize(
    ("size", "accept", "more"),
    [(594, "gzip", ""), (6_000, "", ""), (6_000, "gzip;q=0", ""), (6_000, "deflate", ""), (6_000, "*, gzip;q=0.0", "")],
)
def test_all_others_are_left_as_they_are(localstack: LocalStack, compressing: Api, size: int, accept: str, more: str):
    assert _page(localstack, size, accept, more) == (None, ("pæge " * (size // 6)).encode())


def test_what_a_function_has_encoded_is_not_encoded_again(localstack: LocalStack, compressing: Api):
    assert _page(localstack, 6_000, "gzip", "&encoded=identity") == ("identity", ("pæge " * 1000).encode())
