"""The form of every answer, whatever the view does."""

import json
import re
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from common.errors import ConflictError, InvalidError, MalformedError, NotFoundError, UnavailableError
from common.fields import AboutPeople, Money, Payload, Personal, text
from common.http import ServiceApp, parse_json, path_id
from common.identity import Role
from common.operations import Listing, tells_of_people
from tests.gateway import CONTEXT, proxy_event, signed_in

USER = signed_in(Role.CLERK, user_id=7)


class Thing(Payload):
    name: text(10)
    price: Money


app = ServiceApp("thing")


@app.route("/api/things", methods=["POST"])
def create():
    return app.body(Thing).model_dump(mode="json")


class Owner(BaseModel):
    name: Personal


class Owned(BaseModel):
    what: str
    owner: Owner | None


@app.route("/api/owned/{what}", methods=["GET"], answers=Owned)
def owned(what):
    return {"what": what, "owner": {"name": "Ada"}}


@app.route("/api/things/{what}", methods=["DELETE"], role=Role.MANAGER)
def delete(what):
    return {"deleted": what}


@app.route("/api/things/{what}", methods=["GET"])
def read(what):
    match what:
        case "conflict":
            raise ConflictError("it is taken", code="taken", errors=[{"field": "name", "message": "is taken"}], available=3)
        case "missing":
            raise NotFoundError("there is no thing 🦆", code="thing_not_found")
        case "down":
            raise UnavailableError("it is down", retry_after=12.6)
        case "bug":
            raise RuntimeError("a secret of ours")
        case "nothing":
            return None
        case "me":
            return {"user_id": app.identity.user_id, "role": app.identity.role}
        case "query":
            return app.query(Queried).model_dump()
    return {"what": what}


class Queried(BaseModel):
    colour: str = "red"


def call(method, path, body=None, headers=None, user=USER, query=None):
    route = "/api/things" if path == "/api/things" else "/api/things/{what}"
    what = {} if path == "/api/things" else {"what": path.rsplit("/", 1)[1]}
    answer = app(proxy_event(method, route, path, what, query or {}, body, headers or {}, user), CONTEXT)
    return answer["statusCode"], answer["headers"], json.loads(answer["body"]) if answer["body"] else None


def test_an_answer_that_the_client_has_is_not_sent_again():
    status, headers, document = call("GET", "/api/things/lamp")
    assert (status, document, headers["Cache-Control"]) == (200, {"what": "lamp"}, "private, no-cache")
    tag = headers["ETag"]
    for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        status, headers, document = call("GET", "/api/things/lamp", headers={"if-none-match": known})
        assert (status, document, headers["ETag"]) == (304, None, tag)
    for known in ('"other"', "", 'W/""'):
        assert call("GET", "/api/things/lamp", headers={"if-none-match": known})[0] == 200
    assert call("GET", "/api/things/chair")[1]["ETag"] != tag


def test_what_tells_of_people_is_kept_by_no_browser():
    event = proxy_event("GET", "/api/owned/{what}", "/api/owned/lamp", {"what": "lamp"}, {}, None, {"if-none-match": "*"}, USER)
    answer = app(event, CONTEXT)
    assert (answer["statusCode"], answer["headers"]["Cache-Control"]) == (200, "no-store")
    assert "ETag" not in answer["headers"]


def test_people_are_found_in_whatever_holds_them():
    class Deep(BaseModel):
        owners: dict[str, list[Owner | None]]

    class Marked(BaseModel):
        payload: Annotated[dict[str, Any], AboutPeople()] | None

    class Plain(BaseModel):
        name: str
        parts: list[Thing]

    assert all(tells_of_people(answers) for answers in (Owner, Owned, Deep, Marked, Listing("owners", Owner)))
    assert not any(tells_of_people(answers) for answers in (Plain, Listing("plain", Plain), "text/html", None))


def test_only_answers_to_reads_are_kept():
    for status, headers, _ in (call("GET", "/api/things/missing", headers={"if-none-match": "*"}), call("DELETE", "/api/things/lamp")):
        assert "ETag" not in headers
        assert (headers["Cache-Control"], status) != ("private, no-cache", 304)


def test_problem_has_the_form_of_rfc_9457():
    status, headers, document = call("GET", "/api/things/conflict")
    assert status == 409
    assert headers["Content-Type"] == "application/problem+json"
    assert document["trace_id"] == headers["X-Trace-Id"]
    del document["trace_id"]
    assert document == {
        "type": "about:blank", "title": "Conflict", "status": 409, "code": "taken", "detail": "it is taken", "available": 3,
        "errors": [{"field": "name", "message": "is taken"}], "instance": "/api/things/conflict",
    }  # fmt: skip


def test_unforeseen_error_tells_nothing_of_ours():
    status, headers, document = call("GET", "/api/things/bug", headers={"origin": "http://localhost:8080"})
    assert (status, document["code"]) == (500, "internal_error")
    assert "secret" not in json.dumps(document)
    assert headers["Access-Control-Allow-Origin"] == "http://localhost:8080"


def test_retry_after_is_whole_seconds():
    status, headers, _ = call("GET", "/api/things/down")
    assert (status, headers["Retry-After"]) == (503, "13")


def test_nothing_is_204():
    status, _, document = call("GET", "/api/things/nothing")
    assert (status, document) == (204, None)


@pytest.mark.parametrize(
    ("origin", "allowed"), [("http://localhost:8080", True), ("http://page.example", True), ("http://evil.example", False), (None, False)]
)
@pytest.mark.parametrize("path", ["/api/things/x", "/api/things/missing"])
def test_only_our_origins_may_read_answers(origin, allowed, path):
    _, headers, _ = call("GET", path, headers={"origin": origin} if origin else {})
    assert headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
    assert headers["Vary"] == "Origin"
    assert headers["Cache-Control"] == ("private, no-cache" if path.endswith("/x") else "no-store")


_TRACE, _SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (f"00-{_TRACE}-{_SPAN}-01", True),
        (f"00-{_TRACE}-{_SPAN}-00", True),
        (f"cc-{_TRACE}-{_SPAN}-01-what-a-later-version-adds", True),
        (f"ff-{_TRACE}-{_SPAN}-01", False),
        (f"00-{'0' * 32}-{_SPAN}-01", False),
        (f"00-{_TRACE}-{'0' * 16}-01", False),
        (f"00-{_TRACE.upper()}-{_SPAN}-01", False),
        (f"00-{_TRACE}-{_SPAN}-01\n", False),
        (_TRACE, False),
        ("", False),
    ],
)
def test_trace_of_the_caller_goes_on_if_it_is_one(given, kept):
    """https://www.w3.org/TR/trace-context/#traceparent-header"""
    _, headers, _ = call("GET", "/api/things/x", headers={"traceparent": given})
    assert (headers["X-Trace-Id"] == _TRACE) is kept
    assert re.fullmatch("[0-9a-f]{32}", headers["X-Trace-Id"])


def test_identity_comes_from_the_authorizer():
    assert call("GET", "/api/things/me")[2] == {"user_id": 7, "role": "clerk"}
    for nobody in ({}, USER | {"user_id": "x"}, USER | {"role": "king"}, {"user_id": "7", "username": "ann"}, None):
        assert call("GET", "/api/things/me", user=nobody)[0] == 401


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "/api/things/x", Role.VIEWER),
        ("POST", "/api/things", Role.CLERK),
        ("DELETE", "/api/things/x", Role.MANAGER),
    ],
)
@pytest.mark.parametrize("role", Role)
def test_what_reads_is_for_viewers_what_writes_for_clerks_unless_said_otherwise(method, path, needed, role):
    status, _, document = call(method, path, '{"name": "a", "price": 1}' if method == "POST" else None, user=signed_in(role))
    if list(Role).index(role) >= list(Role).index(needed):
        assert status == 200
    else:
        assert (status, document["code"]) == (403, "access_denied")


def test_body_is_read_exactly():
    assert call("POST", "/api/things", '{"name": "🦆", "price": 0.07}')[2] == {"name": "🦆", "price": 0.07}
    assert call("POST", "/api/things", '{"name": "a", "price": 9999999}')[0] == 200


@pytest.mark.parametrize(
    "raw", [None, "", "[]", "null", "1", "{", "NaN", "{'name': 1}", "[" * 100_000, '{"a":' * 100_000, '{"price": ' + "1" * 5000 + "}"]
)
def test_what_is_no_json_object_is_malformed(raw):
    status, _, document = call("POST", "/api/things", raw)
    assert (status, document["code"], document["errors"][0]["field"]) == (400, "malformed_json", "body")


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ('{"name": "a", "price": NaN}', "price"),
        ('{"name": "a", "price": Infinity}', "price"),
        ('{"name": "a", "price": 1e400}', "price"),
        ('{"name": "a", "price": 1e999999999999}', "price"),
        ('{"name": "a", "price": -0.01}', "price"),
        ('{"name": "a", "price": "1"}', "price"),
        ('{"name": "\\ud800", "price": 1}', "name"),
        ('{"name": "a", "price": 1, "🦆": 1}', "🦆"),
        ('{"price": 1}', "name"),
    ],
)
def test_unfit_field_is_named(raw, field):
    status, _, document = call("POST", "/api/things", raw)
    assert status == 422
    assert [error["field"] for error in document["errors"]] == [field]


def test_body_that_is_not_utf_8_is_malformed():
    for raw in (b"\xff\xfe", b'{"name": "\xc3"}', b'{"name": "\xed\xa0\x80"}'):
        with pytest.raises(MalformedError):
            parse_json(raw)


@pytest.mark.parametrize("number", ["1e9999999999999999999", "1e-9999999999999999999", "0e99999999999999999999", "9" * 5000])
def test_a_number_beyond_all_measure_is_malformed(number):
    with pytest.raises(MalformedError):
        parse_json(b'{"price": %s}' % number.encode())


def test_query_parameter_given_twice_is_named():
    assert call("GET", "/api/things/query", query={"colour": ["blue"]})[2] == {"colour": "blue"}
    status, _, document = call("GET", "/api/things/query", query={"colour": ["blue", "red"]})
    assert (status, document["errors"][0]["field"]) == (422, "colour")


_LONG = ("9" * 5000, "1" + "0" * 5000, "0" * 11 + "1")


@pytest.mark.parametrize("unfit", ["", "0", "-1", "+1", " 1", "1 ", "1.0", "x", "²", "٣", "2147483648", *_LONG, "1e3", "0x1", "\x00"])
def test_unfit_path_id_is_refused(unfit):
    with pytest.raises(InvalidError):
        path_id("thing_id", unfit)


def test_path_id_is_a_number():
    assert (path_id("thing_id", "1"), path_id("thing_id", "2147483647")) == (1, 2**31 - 1)
