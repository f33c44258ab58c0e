"""The product's kind of SAM template, through change sets, and what is then in force."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from sam import CODE, TEMPLATE, Deployment

if TYPE_CHECKING:
    from stack import LocalStack

ORIGIN = "http://localhost:8080"


@pytest.fixture(scope="module")
def deployment(localstack: LocalStack) -> Deployment:
    deployment = Deployment(localstack)
    deployment.create()
    return deployment


def test_a_request_passes_authorizer_function_and_layer(deployment: Deployment):
    answer = deployment.request("GET", "/api/products/1", Authorization="Bearer good")
    assert answer.status == 200, answer.body
    body = answer.json()
    authorizer = body["authorizer"]
    assert (authorizer["principalId"], authorizer["username"], authorizer["type"]) == ("7", "ada", "TOKEN")
    assert (body["greeting"], body["colour"], body["resource"]) == ("hello", "blue", "/api/products/{product_id}")
    secret = deployment.stack.client("secretsmanager").get_secret_value(SecretId=body["secret_arn"])["SecretString"]
    assert (len(body["secret"]), json.loads(secret)) == (40, {"key": body["secret"]})
    assert "Logging error" not in deployment.stack.log.read_text(), "LocalStack's log is one to be read"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "good"}, {"Authorization": "Bearer bad"}], ids=["none", "invalid", "refused"])
def test_no_good_token_is_401_in_the_templates_shape_with_cors(deployment: Deployment, headers: dict[str, str]):
    answer = deployment.request("GET", "/api/products/1", **headers)
    assert (answer.status, answer.headers["Content-Type"]) == (401, "application/problem+json")
    problem = answer.json()
    assert problem.pop("trace_id") == answer.headers["x-amzn-RequestId"]
    assert problem == {"type": "about:blank", "title": "Unauthorized", "status": 401, "code": "unauthorized", "detail": "Unauthorized"}
    assert (answer.headers["Access-Control-Allow-Origin"], answer.headers["WWW-Authenticate"]) == (ORIGIN, "Bearer")


def test_a_request_authorizer_needs_no_cache_to_work(deployment: Deployment):
    answer = deployment.request("GET", "/api/tenant?tenant=1", Authorization="Bearer good")
    assert (answer.status, answer.json()["authorizer"]["type"]) == (200, "REQUEST")


def test_an_unknown_route_is_404_in_the_templates_shape(deployment: Deployment):
    for method, path in (("GET", "/nowhere"), ("DELETE", "/api/products")):
        answer = deployment.request(method, path)
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (404, ORIGIN)
        assert (answer.json()["code"], answer.json()["detail"]) == ("not_found", f"no {method} /live{path}")


def test_a_preflight_is_answered_without_a_token_from_the_templates_cors(deployment: Deployment):
    answer = deployment.request("OPTIONS", "/api/products", Origin=ORIGIN, Access_Control_Request_Method="POST")
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]


def test_method_settings_throttle_the_method_they_name_and_no_other(deployment: Deployment):
    statuses = [deployment.request("POST", "/api/login", body="{}").status for _ in range(6)]
    assert statuses == [200, 200, 200, 429, 429, 429]
    answer = deployment.request("POST", "/api/login", body="{}")
    problem = answer.json()
    assert (problem["code"], problem["detail"], answer.headers["Content-Type"]) == (
        "THROTTLED",
        "Too Many Requests",
        "application/problem+json",
    )
    assert deployment.request("POST", "/api/products", Authorization="Bearer good", body="{}").status == 200


def test_an_update_changes_code_layer_variables_routes_and_settings(deployment: Deployment):
    before = deployment.outputs
    template = TEMPLATE.read_text().replace("Path: /api/tenant", "Path: /api/tenants").replace('title":"Not Found', 'title":"Nothing Here')
    template = template.replace("ThrottlingBurstLimit: 3", "ThrottlingBurstLimit: 1").replace(
        'ResourcePath: "/*"', "ResourcePath: /api/products"
    )
    layer = deployment.put("layer-2.zip", {"python/common/__init__.py": "greeting = 'goodbye'"})
    code = deployment.put("code-2.zip", {"product/__init__.py": "", "product/app.py": CODE.replace('"resource"', '"route"')})
    deployment.deploy(template, Bucket="artifacts", LayerKey=layer, CodeKey=code, Colour="red")
    assert deployment.outputs == before
    stage = deployment.stack.client("apigateway").get_stage(restApiId=deployment.outputs["ApiId"], stageName="live")
    assert set(stage["methodSettings"]) == {"~1api~1products/*", "~1api~1login/POST"}
    body = deployment.request("GET", "/api/products/1", Authorization="Bearer good").json()
    assert (body["greeting"], body["colour"], body["route"]) == ("goodbye", "red", "/api/products/{product_id}")
    assert deployment.request("GET", "/api/tenants?tenant=1", Authorization="Bearer good").status == 200
    assert deployment.request("GET", "/api/tenant?tenant=1", Authorization="Bearer good").json()["title"] == "Nothing Here"
    assert [deployment.request("POST", "/api/login", body="{}").status for _ in range(2)] == [200, 429]
