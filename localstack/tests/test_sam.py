"""The product's kind of SAM template, through change sets, and what is then in force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stack import Answer, LocalStack, archive, eventually

ORIGIN = "http://localhost:8080"
TEMPLATE = Path(__file__).with_name("template.yaml")
CODE = """
    import json, os

    from common import greeting

    def app(event, context):
        authorizer = event["requestContext"].get("authorizer")
        body = {"greeting": greeting, "colour": os.environ["COLOUR"], "secret": os.environ["SECRET_ARN"], "authorizer": authorizer}
        return {"statusCode": 200, "body": json.dumps(body | {"resource": event["requestContext"]["resourcePath"]})}

    def authorize(event, context):
        token = event.get("authorizationToken") or event["headers"]["Authorization"]
        if token != "Bearer good":
            raise Exception("Unauthorized")
        statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        return {"principalId": "7", "policyDocument": policy, "context": {"username": "ada", "type": event["type"]}}
"""


class Deployment:
    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        self.outputs: dict[str, str] = {}
        stack.client("s3").create_bucket(Bucket="artifacts")

    def put(self, key: str, files: dict[str, str]) -> str:
        self.stack.client("s3").put_object(Bucket="artifacts", Key=key, Body=archive(files))
        return key

    def deploy(self, template: str, **parameters: str) -> None:
        client = self.stack.client("cloudformation")
        values = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        kind = "UPDATE" if self.outputs else "CREATE"
        name = kind.lower()
        capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
        arn = client.create_change_set(
            StackName="sam", ChangeSetName=name, ChangeSetType=kind, TemplateBody=template, Parameters=values, Capabilities=capabilities
        )["Id"]
        eventually(lambda: client.describe_change_set(ChangeSetName=arn)["Status"] == "CREATE_COMPLETE", "the change set is made", 20)
        client.execute_change_set(ChangeSetName=arn)

        def complete() -> dict[str, Any] | None:
            stack = client.describe_stacks(StackName="sam")["Stacks"][0]
            failed = stack["StackStatus"].endswith(("FAILED", "ROLLBACK_COMPLETE"))
            assert not failed, [
                each for each in client.describe_stack_events(StackName="sam")["StackEvents"] if "FAILED" in each["ResourceStatus"]
            ]
            # LocalStack says that it is complete a moment before it tells the outputs.
            return stack if stack["StackStatus"] == f"{kind}_COMPLETE" and "Outputs" in stack else None

        stack = eventually(complete, "the stack is deployed", 40)
        self.outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    def request(self, method: str, path: str, **arguments: Any) -> Answer:
        path = f"/_aws/execute-api/{self.outputs['ApiId']}/live{path}"
        return self.stack.request(method, path, port=self.stack.port, **arguments)


@pytest.fixture(scope="module")
def deployment(localstack: LocalStack) -> Deployment:
    deployment = Deployment(localstack)
    layer = deployment.put("layer-1.zip", {"python/common/__init__.py": "greeting = 'hello'"})
    code = deployment.put("code-1.zip", {"product/__init__.py": "", "product/app.py": CODE})
    deployment.deploy(TEMPLATE.read_text(), Bucket="artifacts", LayerKey=layer, CodeKey=code)
    return deployment


def test_a_request_passes_authorizer_function_and_layer(deployment: Deployment):
    answer = deployment.request("GET", "/api/products/1", Authorization="Bearer good")
    assert answer.status == 200, answer.body
    body = answer.json()
    authorizer = body["authorizer"]
    assert (authorizer["principalId"], authorizer["username"], authorizer["type"]) == ("7", "ada", "TOKEN")
    assert (body["greeting"], body["colour"], body["resource"]) == ("hello", "blue", "/api/products/{product_id}")
    secret = deployment.stack.client("secretsmanager").get_secret_value(SecretId=body["secret"])["SecretString"]
    assert len(secret) == 40


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
