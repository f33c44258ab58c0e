"""Every check of `make security` can fail: each is shown what it is there to find."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import quote

import httpx
import psutil
import pytest
from botocore.exceptions import ClientError

from tests.security import api_document, authentication, headers, injection, intruder, isolation, leaks, rights, sandbox, tokens
from tests.security.part import Part
from tests.security.spreadsheet import formulas_in
from tests.security.verdict import tables, verdict

_PROBLEM = {"type": "about:blank", "code": "validation_failed", "errors": [{"field": "name", "message": "no"}]}


def answer(status=200, document=None, *, method="GET", url="http://x/api/things", **headers):
    return httpx.Response(status, json=document if document is not None else {}, headers=headers, request=httpx.Request(method, url))


# schemathesis


def _server(reply):
    """A server that says to everything what `reply` says to its path: status, content type, body."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            status, content_type, body = reply(self.path, self.headers)
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


_DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "things", "version": "1"},
    "security": [{"bearer": []}],
    "paths": {
        "/things/{thing_id}": {
            "get": {
                "parameters": [{"name": "thing_id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}],
                "responses": {
                    "200": {
                        "description": "a thing",
                        "content": {
                            "application/json": {
                                "schema": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
                            }
                        },
                    },
                    "401": {"description": "nobody"},
                    "404": {"description": "none"},
                    "422": {"description": "unfit"},
                    "default": {"description": "anything"},
                },
            }
        }
    },
    "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
}


def _unfit(path):
    last = path.rpartition("/")[2]
    return not (last.isascii() and last.isdigit() and int(last[:12]) >= 1)


def _good(path, headers):
    if headers.get("authorization") != "Bearer genuine":
        return 401, "application/json", b"{}"
    return (422, "application/json", b"{}") if _unfit(path) else (200, "application/json", b'{"id": 1}')


_PLANTED = {
    "nothing": (None, ""),
    "a server error": ((500, "application/json", b"{}"), "not_a_server_error"),
    "a status that is told by default only": ((418, "application/json", b"{}"), "status_code_conformance"),
    "another content type": ((200, "text/html", b"<p>"), "content_type_conformance"),
    "another form": ((200, "application/json", b'{"id": "one"}'), "response_schema_conformance"),
}


@pytest.mark.parametrize("planted", _PLANTED)
def test_what_is_not_in_the_document_is_found(planted):
    wrong, expected = _PLANTED[planted]

    def reply(path, headers):
        said = _good(path, headers)
        return wrong if wrong and said[0] == 200 else said

    found = _found(reply)
    assert expected in found if expected else found == set()


def test_what_the_document_forbids_and_is_taken_is_found():
    def reply(path, headers):
        said = _good(path, headers)
        return (200, "application/json", b'{"id": 1}') if said[0] == 422 else said

    assert _found(reply) == {"negative_data_rejection"}


def test_what_needs_a_token_and_is_had_without_is_found():
    assert "ignored_auth" in _found(lambda path, _: _good(path, {"authorization": "Bearer genuine"}))


def _found(reply):
    part = Part("document")
    with _server(reply) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        asked = api_document.Asked()
        api_document.run(part, _DOCUMENT, url, "genuine", 20, 1, time.monotonic() + 30, asked, phases=("coverage", "fuzzing"))
        server.shutdown()
    assert asked.missing(_DOCUMENT) == []
    return {finding.tried for finding in part.findings}


def test_an_operation_that_was_never_asked_for_is_found():
    assert api_document.Asked().missing(_DOCUMENT) == ["GET /things/{thing_id} was never asked for"]


def _exchange(method, path, status):
    return SimpleNamespace(request=SimpleNamespace(method=method, uri=f"http://x{path}?a=1"), response=SimpleNamespace(status_code=status))


def test_what_was_walked_is_what_was_read_changed_and_deleted_with_success():
    all_of_one = [("GET", "/things/1", 200), ("PUT", "/things/1", 200), ("DELETE", "/things/1", 204)]
    refused = [("GET", "/things/2", 200), ("PUT", "/things/2", 422), ("DELETE", "/things/2", 204)]
    of_two = [("GET", "/things/3", 200), ("PUT", "/things/3", 200), ("DELETE", "/things/4", 204)]
    recorder = SimpleNamespace(interactions=dict(enumerate(_exchange(*each) for each in (*all_of_one, *refused, *of_two))))
    assert list(api_document._walked(recorder)) == ["/things/1"]


def test_only_what_is_linked_follows_one_another_and_by_no_link_that_leads_out():
    linked = {"operationId": "make", "responses": {"201": {"links": {"read": {"operationId": "read"}, "gone": {"operationId": "gone"}}}}}
    read = {"operationId": "read", "responses": {"200": {"links": {"make": {"operationId": "make"}}}, "default": {}}}
    alone = {"operationId": "list", "responses": {"200": {}}}
    document = {"paths": {"/things": {"post": linked, "get": alone}, "/things/{id}": {"get": read}, "/sums": {"get": alone}}}
    chained = api_document._linked(document)
    assert api_document.operations_of(chained) == ["POST /things", "GET /things/{id}"]
    strict = api_document._strict(chained)
    assert set(strict["paths"]["/things"]["post"]["responses"]["201"]["links"]) == {"read"}
    assert "default" not in strict["paths"]["/things/{id}"]["get"]["responses"]


# injection


@pytest.mark.parametrize(
    ("found", "seconds", "planted"),
    [
        (answer(500), 0.1, "answered 500"),
        (answer(200), 3.1, "took 3.1 s"),
        (answer(422, {"detail": "You have an error in your SQL syntax"}), 0.1, "tells of the database"),
    ],
)
def test_sql_that_was_understood_is_found(found, seconds, planted):
    assert any(planted in fault for fault in injection.sql_faults(found, seconds))
    assert list(injection.sql_faults(answer(422), 0.1)) == []


def test_a_search_that_finds_what_does_not_say_so_is_found():
    assert list(injection.sql_faults(answer(200, {"suppliers": [{"name": "Acme"}], "count": 1}), 0.1, finds_nothing=True))
    assert list(injection.sql_faults(answer(200, {"suppliers": [], "count": 0}), 0.1, finds_nothing=True)) == []


_OK = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    ("said", "planted"),
    [
        (b"", "no answer"),
        (_OK + _OK, "2 answers"),
        (_OK.replace(b"404", b"500"), "[500]"),
        (_OK.replace(b"\r\n\r\n", b"\r\nX-Injected: 1\r\n\r\n"), "a header was injected"),
        (_OK.replace(b"\r\n\r\n", b"\nx-injected: 1\r\n\r\n"), "a header was injected"),
        (_OK.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n"), "two lengths"),
        (_OK.replace(b"{}", b'{"instance": "/a"b"}'), "no JSON"),
    ],
)
def test_a_head_that_is_not_ours_is_found(said, planted):
    assert any(planted in fault for fault in injection.head_faults(said))
    assert list(injection.head_faults(_OK)) == []


def test_a_file_that_is_not_the_pages_is_found():
    assert list(injection.file_faults("/../x", b"HTTP/1.1 200 OK\r\n\r\nroot:x:0:0", b"<html>"))
    assert list(injection.file_faults("/../x", b"HTTP/1.1 500 Oh\r\n\r\n", b"<html>"))
    assert list(injection.file_faults("/view", b"HTTP/1.1 200 OK\r\n\r\n<html>", b"<html>")) == []


@pytest.mark.parametrize("said", [answer(201, {}), answer(500), answer(422, _PROBLEM)])
def test_a_field_that_was_taken_is_found(said):
    assert list(injection.unwanted_faults(said, "role"))
    assert list(injection.unwanted_faults(answer(422, _PROBLEM), "name")) == []


def test_too_much_that_was_taken_or_took_too_long_is_found():
    assert list(injection.oversize_faults(answer(201), 0.1, {413}))
    assert list(injection.oversize_faults(answer(413), 11, {413}))
    assert list(injection.oversize_faults(answer(413), 0.1, {413})) == []


@pytest.mark.parametrize(("created", "kept", "right"), [("é", "é", True), ("e", "é", False), ("é", "?", False)])
def test_a_text_that_changed_is_found(created, kept, right):
    with httpx.Client(base_url="http://x", transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"name": kept}))) as client:
        said = answer(201, {"id": 1, "name": created})
        assert bool(list(injection.kept_faults(client, "/api/suppliers", said, "name", "é"))) is not right
        assert list(injection.kept_faults(client, "/api/suppliers", answer(422, _PROBLEM), "city", "é"))


@pytest.mark.parametrize("cell", ["=1+1", '"=1+1"', "a;=1+1", "a\t=1+1", "a,@SUM(1)", "\uff1d1+1", '"a\r\n"\r\n-1+1', "\t=1"])
def test_a_formula_in_a_cell_is_found(cell):
    assert list(formulas_in("text", cell, "text"))
    assert list(formulas_in("=1+1", "'=1+1", "=1+1")) == []


def test_a_number_that_is_none_any_more_and_a_text_that_comes_back_as_another_are_found():
    assert list(formulas_in(-5, "'-5", -5))
    assert list(formulas_in("=1", "'=1", "'=1"))


# authentication


_PROBLEM_JSON = {"content-type": "application/problem+json"}


@pytest.mark.parametrize("said", [answer(200), answer(503), answer(401, {"code": "unauthorized"}), answer(401, **_PROBLEM_JSON)])
def test_somebody_who_was_let_in_is_found(said):
    assert list(authentication.refusal_faults("forged", said))


def test_a_refusal_in_the_common_form_is_none():
    refused = httpx.Response(401, content=json.dumps({"code": "unauthorized"}), headers=_PROBLEM_JSON)
    assert list(authentication.refusal_faults("forged", refused)) == []


def test_guessing_without_an_end_is_found():
    assert list(authentication.guessing_faults([401] * 30, 200))
    assert list(authentication.guessing_faults([401] * 10 + [429] * 20, 200))
    assert list(authentication.guessing_faults([401] * 11 + [429] * 19, 429))
    assert list(authentication.guessing_faults([401] * 10 + [429] * 20, 429)) == []


def test_a_name_that_is_told_by_words_headers_or_time_is_found():
    wrong, unknown = answer(401, {"detail": "wrong"}), answer(401, {"detail": "unknown"})
    assert list(authentication.wording_faults([wrong], [unknown]))
    assert list(authentication.wording_faults([wrong], [answer(401, {"detail": "wrong"}, **{"x-known": "1"})]))
    assert list(authentication.wording_faults([wrong, unknown], [wrong, unknown]))
    assert list(authentication.wording_faults([wrong], [wrong])) == []
    assert list(authentication.timing_faults([0.030, 0.031, 0.2], [0.003, 0.003, 0.2]))
    assert list(authentication.timing_faults([0.030, 0.031, 0.2], [0.029, 0.033, 0.001])) == []


def test_forgeries_are_what_they_say():
    key = "the right key, of so many characters"
    claims = {"sub": "7", "username": "ann", "generation": 0, "iat": int(time.time()), "exp": int(time.time()) + 60, "jti": "x"}
    genuine = tokens.token({"alg": "HS256", "kid": "genuine"}, claims, key)
    made = {(tried, name): forged for tried, name, forged in tokens.forged(genuine, key)}
    assert genuine not in made.values()
    assert tokens.header_of(made["unsigned", "alg 'none'"])["alg"] == "none"
    assert tokens.claims_of(made["over", "a second ago"])["exp"] < time.time()


# secrets written down


@pytest.mark.parametrize("written", ["{}", "a{}b", "%s"])
@pytest.mark.parametrize("secret", ["pass word & ümlaut", 'quoted "secret" \\ and more'])
def test_a_secret_is_found_however_it_is_written(secret, written):
    needles = leaks.spellings({secret: "a password"})
    for spelling in (secret, json.dumps(secret)[1:-1], quote(secret, safe=""), base64.b64encode(secret.encode()).decode()):
        text = written.replace("{}", spelling).replace("%s", f"GET /api?token={spelling} 200")
        assert list(leaks.leaks(leaks.Source("log file", "a.log", text), needles)), spelling
    assert list(leaks.leaks(leaks.Source("log file", "a.log", "nothing of it"), needles)) == []


def test_a_token_or_a_hash_that_nobody_knows_of_is_found_where_none_is_kept():
    token = tokens.token({"alg": "HS256"}, {"sub": "1234567"}, "key")
    for text in (f"authorization: Bearer {token}", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"):
        assert list(leaks.leaks(leaks.Source("log stream", "x", text), {}))
    assert list(leaks.leaks(leaks.Source("table", "table users", "$argon2id$v=19$m=19456"), {})) == []


# isolation


@pytest.mark.parametrize(
    ("host", "kind", "faults"),
    [
        ("127.0.0.1", socket.SOCK_STREAM, 0),
        ("0.0.0.0", socket.SOCK_STREAM, 1),
        ("::", socket.SOCK_STREAM, 1),
        ("::1", socket.SOCK_STREAM, 0),
        ("0.0.0.0", socket.SOCK_DGRAM, 1),
    ],
)
def test_a_socket_that_others_could_reach_is_found(host, kind, faults):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as server:
        server.bind((host, 0))
        if kind == socket.SOCK_STREAM:
            server.listen()
        mine = [each for each in psutil.Process().net_connections("inet") if each.laddr.port == server.getsockname()[1]]
        assert len([fault for each in mine for fault in isolation.socket_faults("this", each)]) == faults


def test_a_secret_in_the_environment_or_memory_of_a_process_is_found():
    secrets = {f"in-memory-{uuid.uuid4()}": "a", f"in-environment-{uuid.uuid4()}": "b", f"nowhere-{uuid.uuid4()}": "c"}
    in_memory, in_environment, _ = secrets
    code = f"import sys; kept = {in_memory[:20]!r} + {in_memory[20:]!r}; print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, env={"OTHERS": in_environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        held = isolation.Process(child.pid, "the environment of x", "inventory-x")
        environment = isolation.holding_faults(held, [isolation._environment(child.pid)], secrets)
        everything = isolation.holding_faults(held, isolation.memory(child.pid), secrets)
        found = [[fault[-1] for fault in faults] for faults in (environment, everything)]
        child.communicate(b"")
    assert found[0] == ["b"]
    assert sorted(found[1]) == ["a", "b"]


def test_what_a_function_gets_at_is_found_where_nothing_confines_it(tmp_path):
    (tmp_path / "secret").write_text("of somebody else")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        told = intruder.handler({"pids": [other.pid, os.getpid()], "paths": [str(tmp_path / "secret")]}, None)
        other.communicate(b"\n")
    assert told["self"] == os.getpid()
    found = {pid: list(sandbox.process_faults(pid, ways)) for pid, ways in told["processes"].items()}
    assert found.keys() == {str(other.pid)}
    assert f"environment of process {other.pid}" in found[str(other.pid)]
    assert f"signal of process {other.pid}" in found[str(other.pid)]
    ((path, ways),) = told["files"].items()
    assert ways == ["reads", "writes"]
    assert list(sandbox.file_faults(path, ways, own=[])) == [f"reads {path}", f"writes {path}"]
    assert list(sandbox.file_faults(path, ways, own=[str(tmp_path)])) == [f"writes {path}"], "its own it reads"
    assert list(sandbox.file_faults(path, ways, own=[str(tmp_path)[:-1]])) == [f"reads {path}", f"writes {path}"]


def test_the_secrets_of_others_are_all_but_those_of_ones_own_service():
    secrets = {"order": {"o": "of order"}, "product": {"p": "of product"}}
    assert isolation.secrets_of_others(secrets, "inventory-order-consumer") == {"p": "of product"}
    assert isolation.secrets_of_others(secrets, "") == {"o": "of order", "p": "of product"}


def test_what_a_function_gets_and_should_not_is_found_and_what_it_is_refused_and_needs():
    assert list(rights.right_faults("order reads a", "", allowed=False)) == ["order reads a, and is let through"]
    assert list(rights.right_faults("order reads a", "AccessDenied", allowed=True)) == ["order reads a, and is refused: AccessDenied"]
    assert list(rights.right_faults("order reads a", "AccessDenied", allowed=False)) == []
    assert list(rights.right_faults("order reads a", "", allowed=True)) == []


@pytest.mark.parametrize(
    ("code", "refused"), [("AccessDeniedException", True), ("AccessDenied", True), ("ResourceNotFoundException", False)]
)
def test_only_a_refusal_counts_as_one(code, refused):
    def call():
        raise ClientError({"Error": {"Code": code, "Message": ""}}, "GetSecretValue")

    assert bool(rights.refusal(call)) is refused
    assert rights.refusal(lambda: None) == ""


def test_whom_the_template_lets_invoke_is_read_by_whole_names():
    asks = {"Statement": [{"Resource": [{"Fn::Sub": "arn:aws:lambda:here:function:${AWS::StackName}-supplier"}]}]}
    properties = {"FunctionName": {"Fn::Sub": "${AWS::StackName}-product"}, "Policies": [asks]}
    function = {"Type": "AWS::Serverless::Function", "Properties": properties}
    assert rights.may_invoke({"Resources": {"Product": function, "Secret": {"Type": "other"}}}) == {"product": {"supplier"}}


# headers


_GOOD = {
    "content-security-policy": "default-src 'self'; object-src 'none'; base-uri 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"content-security-policy": ""},
        {"content-security-policy": "default-src *; object-src 'none'; base-uri 'self'; frame-ancestors 'none'"},
        {"content-security-policy": _GOOD["content-security-policy"].replace("frame-ancestors 'none'", "")},
        {"content-security-policy": _GOOD["content-security-policy"] + "; script-src 'self' 'unsafe-inline'"},
        {"x-content-type-options": ""},
        {"referrer-policy": "unsafe-url"},
        {"server": "uvicorn/0.1"},
    ],
)
def test_a_missing_or_loose_header_of_the_page_is_found(wrong):
    assert list(headers.page_faults("/", {**_GOOD, **wrong}))
    assert list(headers.page_faults("/", _GOOD)) == []


def test_an_answer_that_may_be_kept_or_read_by_another_origin_is_found():
    good = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    assert list(headers.gateway_faults("x", good)) == []
    assert list(headers.gateway_faults("x", good | {"cache-control": "public"}))
    asked_about = good | {"cache-control": "private, no-cache", "etag": 'W/"x"'}
    assert list(headers.gateway_faults("/api/inventory (200)", asked_about)) == []
    assert list(headers.gateway_faults("/api/inventory (200)", asked_about | {"cache-control": "no-cache"}))
    for path in ("/api/auth/me", "/api/customers/1", "/api/orders"):
        assert list(headers.gateway_faults(f"{path} (200)", asked_about))
    assert list(headers.gateway_faults("x", good | {"x-powered-by": "Werkzeug/3.1"}))
    assert list(headers.origin_faults("http://evil.example", {"access-control-allow-origin": "http://evil.example"}))
    assert list(headers.origin_faults("http://evil.example", {"access-control-allow-origin": "http://localhost:8080"})) == []


# the verdict


def test_a_finding_makes_the_verdict_a_bad_one():
    part = Part("injection")
    part.case("SQL", [])
    good = verdict([part], seed=1, seconds=1)
    part.case("SQL", ["it was understood"])
    bad = verdict([part], seed=1, seconds=1)
    assert (good["clean"], good["cases"], len(tables(good))) == (True, 1, 1)
    assert (bad["clean"], bad["cases"], len(tables(bad))) == (False, 2, 2)
    assert bad["parts"][0]["tried"] == [{"what": "SQL", "cases": 2, "findings": 1}]
