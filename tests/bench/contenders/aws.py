"""Deploys the trivial function and its authorizer to whatever speaks AWS's APIs."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import boto3
from botocore.config import Config

from tests.bench.contenders.contender import TRIVIAL

ROLE = "arn:aws:iam::000000000000:role/function"
STAGE = "bench"
URI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations"


def deploy(endpoint: str) -> str:
    """A REST API with `/plain` and `/guarded`, whose authorizer's answers are kept for 300 s. Returns the API's id."""

    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}, read_timeout=60),
        )

    functions = client("lambda")
    code = {"ZipFile": _archive()}
    arns = {
        name: functions.create_function(
            FunctionName=f"bench-{name}", Runtime="python3.11", Role=ROLE, Handler=f"app.{name}", Code=code, Timeout=10, MemorySize=256
        )["FunctionArn"]
        for name in ("handler", "authorizer")
    }
    for arn in arns.values():
        functions.get_waiter("function_active_v2").wait(FunctionName=arn, WaiterConfig={"Delay": 1})
    gateway = client("apigateway")
    api = gateway.create_rest_api(name="bench")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    authorizer = gateway.create_authorizer(
        restApiId=api,
        name="ada",
        type="TOKEN",
        authorizerUri=URI.format(arns["authorizer"]),
        identitySource="method.request.header.Authorization",
        authorizerResultTtlInSeconds=300,
    )["id"]
    guarded = {"authorizationType": "CUSTOM", "authorizerId": authorizer}
    for part, authorization in (("plain", {"authorizationType": "NONE"}), ("guarded", guarded)):
        resource = gateway.create_resource(restApiId=api, parentId=root, pathPart=part)["id"]
        method = {"restApiId": api, "resourceId": resource, "httpMethod": "GET"}
        gateway.put_method(**method, **authorization)
        gateway.put_integration(**method, type="AWS_PROXY", integrationHttpMethod="POST", uri=URI.format(arns["handler"]))
    gateway.create_deployment(restApiId=api, stageName=STAGE)
    return str(api)


def _archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.write(TRIVIAL / "app.py", "app.py")
    return buffer.getvalue()
