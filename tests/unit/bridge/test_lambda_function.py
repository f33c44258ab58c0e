"""What each kind of answer of Lambda's API means, against an HTTP server of the test's own in its place."""

import http.server
import json
import threading

import pytest

from infra.bridge.invocation import Answered, Broken, Unavailable, Unreachable
from infra.bridge.lambda_function import LambdaFunction, lambda_client
from infra.bridge.settings import BridgeSettings


@pytest.fixture
def api(socket_enabled, monkeypatch):
    """Lambda's API, answering with `api.answer` = (status, headers, body)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            server.asked = (self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            status, headers, body = server.answer
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    lambda_client.cache_clear()
    yield server
    lambda_client.cache_clear()
    server.shutdown()
    server.server_close()


def invoke(api, status, body, **headers):
    api.answer = (status, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(body).encode())
    return LambdaFunction("shop-order-consumer", BridgeSettings())([{"event_id": "a"}])


def function_error(api, kind):
    return invoke(api, 200, {"errorType": kind, "errorMessage": "why"}, X_Amz_Function_Error="Unhandled")


def test_answer_names_the_failures(api):
    outcome = invoke(api, 200, {"batchItemFailures": [{"itemIdentifier": "a", "reason": "poison"}]})
    assert outcome == Answered({"a": "poison"})
    assert api.asked == ("/2015-03-31/functions/shop-order-consumer/invocations", {"events": [{"event_id": "a"}]})


@pytest.mark.parametrize("kind", ["ValueError", "Runtime.ExitError", "Sandbox.Timedout"])
def test_crash_exception_and_time_out_may_be_the_events_fault(api, kind):
    assert function_error(api, kind) == Broken(f"{kind}: why")


def test_function_may_say_that_something_is_unavailable(api):
    assert isinstance(function_error(api, "UnavailableError"), Unavailable)


@pytest.mark.parametrize("kind", ["Runtime.ImportModuleError", "Runtime.UserCodeSyntaxError", "Runtime.HandlerNotFound"])
def test_function_that_cannot_start_is_nobody_s_fault(api, kind):
    assert isinstance(function_error(api, kind), Unreachable)


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "ResourceNotFoundException"), (429, "TooManyRequestsException"), (500, "ServiceException"), (409, "ResourceConflictException")],
)
def test_lambda_that_is_busy_or_knows_no_such_function_is_nobody_s_fault(api, status, code):
    assert isinstance(invoke(api, status, {"message": "why"}, x_amzn_ErrorType=code), Unreachable)


def test_payload_that_lambda_refuses_is_the_events_fault(api):
    assert isinstance(invoke(api, 413, {"message": "why"}, x_amzn_ErrorType="RequestTooLargeException"), Broken)


@pytest.mark.parametrize("body", [None, [], {}, {"batchItemFailures": "all"}, {"batchItemFailures": ["a"]}])
def test_answer_that_is_no_batch_response_is_a_failure(api, body):
    assert isinstance(invoke(api, 200, body), Broken)


def test_lambda_that_is_away_is_nobody_s_fault(api, monkeypatch):
    api.server_close()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert isinstance(LambdaFunction("order", BridgeSettings())([]), Unreachable)
