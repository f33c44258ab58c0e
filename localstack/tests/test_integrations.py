"""What a route may have behind it beside a Lambda proxy, through LocalStack's gateway and through the edge."""

from __future__ import annotations

import http.server
import json
import threading
from typing import TYPE_CHECKING

import pytest
from api import ECHO, Api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stack import Answer, LocalStack

NEEDS_NAME = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}


class Upstream(http.server.BaseHTTPRequestHandler):
    """A server somewhere, which says what it was asked for."""

    def do_GET(self) -> None:
        self.send_response(203)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def api(localstack: LocalStack, upstream: str) -> Iterator[Api]:
    api = Api(localstack, "edge")
    echo = localstack.create_function("integrated-echo", ECHO)
    told = localstack.create_function("integrated-told", "handler = lambda event, context: {'told': event}")
    api.route("POST", "/checked", echo).route("POST", "/taken", echo)
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Named"}}}
    needed = {"name": "page", "in": "query", "required": True, "schema": {"type": "string"}}
    validator = {"x-amazon-apigateway-request-validator": "all"}
    api.operation("POST", "/checked", parameters=[needed], requestBody={"required": True, "content": content}, **validator)
    api.route("GET", "/by-variable", "arn:aws:lambda:us-east-1:000000000000:function:${stageVariables.function}")
    api.route(
        "GET",
        "/mapped",
        told,
        type="aws",
        requestTemplates={"application/json": '{"name": "$input.params(\'name\')", "colour": "$stageVariables.colour"}'},
        responses={"default": {"statusCode": "201", "responseTemplates": {"application/json": "$input.json('$.told')"}}},
    )
    api.operation("GET", "/mapped", responses={"201": {"description": ""}})
    integrations = {
        "/passed": {"type": "http_proxy", "httpMethod": "GET", "uri": f"{upstream}/there"},
        "/mocked": {
            "type": "mock",
            "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": '{"mocked": true}'}}},
        },
    }
    for path, integration in integrations.items():
        api.operation("GET", path, responses={"200": {"description": ""}}, **{"x-amazon-apigateway-integration": integration})
    api.document = {
        "x-amazon-apigateway-request-validators": {"all": {"validateRequestBody": True, "validateRequestParameters": True}},
        "x-amazon-apigateway-binary-media-types": ["image/png"],
        "components": {"schemas": {"Named": NEEDS_NAME}},
    }
    api.deploy()
    api.settings(variables__function="integrated-echo", variables__colour="blue")
    yield api
    localstack.client("apigateway").delete_rest_api(restApiId=api.id)


@pytest.fixture(params=["gateway", "edge"])
def ask(request: pytest.FixtureRequest, api: Api) -> object:
    return api.request if request.param == "gateway" else api.stack.request


def _seen(answer: Answer) -> tuple[int, object]:
    return answer.status, answer.json()


def test_a_validator_refuses_what_does_not_fit_the_model_and_what_lacks_a_parameter(ask):
    fits = json.dumps({"name": "ann"})
    assert ask("POST", "/checked?page=1", body=fits, Content_Type="application/json").status == 200
    bodies = (("/checked?page=1", "{}"), ("/checked?page=1", '{"name": 7}'), ("/checked?page=1", "no JSON"))
    for path, body in bodies:
        assert _seen(ask("POST", path, body=body, Content_Type="application/json")) == (400, {"message": "Invalid request body"})
    lacking = ask("POST", "/checked", body=fits, Content_Type="application/json")
    assert _seen(lacking) == (400, {"message": "Missing required request parameters: [page]"})


def test_a_stage_variable_names_the_function(ask):
    status, event = _seen(ask("GET", "/by-variable"))
    assert (status, event["stageVariables"]) == (200, {"function": "integrated-echo", "colour": "blue"})


def test_mapping_templates_make_the_functions_event_and_the_clients_answer(ask):
    assert _seen(ask("GET", "/mapped?name=ann")) == (201, {"name": "ann", "colour": "blue"})


def test_an_http_proxy_passes_on_and_a_mock_answers_by_itself(ask):
    passed = ask("GET", "/passed")
    assert (passed.status, passed.body) == (203, b"/there")
    assert _seen(ask("GET", "/mocked")) == (200, {"mocked": True})


def test_binary_media_types_reach_the_function_in_base64(ask):
    answer = ask("POST", "/taken", body=b"\x89PNG", Content_Type="image/png")
    event = answer.json()
    assert (event["isBase64Encoded"], event["body"]) == (True, "iVBORw==")
