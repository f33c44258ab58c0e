"""What AWS does and this does not, and what happens instead: the lines of the README's table that say no."""

from __future__ import annotations

import io
import json
import os
import platform
import socket
import stat
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from api import ECHO, Api
from botocore.exceptions import ClientError
from stack import ROLE, LocalStack, archive, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = """
    import os, platform, socket, sys, tempfile

    def handler(event, context):
        if "connect" in event:
            socket.create_connection(("127.0.0.1", event["connect"])).close()
            return "connected"
        if "allocate" in event:
            with tempfile.TemporaryFile() as file:
                os.posix_fallocate(file.fileno(), 0, event["allocate"])
                return "allocated"
        if "exists" in event:
            return [os.path.exists(path) for path in event["exists"]]
        return {
            "python": list(sys.version_info[:2]), "machine": platform.machine(), "cpus": len(os.sched_getaffinity(0)),
            "variables": dict(os.environ), "initialization": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
        }
"""


@pytest.fixture(scope="module")
def here(localstack: LocalStack) -> str:
    localstack.create_function("here", HERE)
    return "here"


def _refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return str(refused.value)


def test_a_function_of_any_runtime_is_run_by_localstacks_python(localstack: LocalStack):
    localstack.create_function("newer", HERE, Runtime="python3.13")
    found = localstack.invoke("newer", {})[0]
    ours = sys.version_info[:2]
    assert (found["python"], found["variables"]["AWS_EXECUTION_ENV"]) == (list(ours), "AWS_Lambda_python{}.{}".format(*ours))
    localstack.create_function("of-node", {"index.js": "exports.handler = async () => 1"}, Runtime="nodejs22.x", Handler="index.handler")
    answer, response = localstack.invoke("of-node", {})
    assert (response["FunctionError"], answer["errorType"]) == ("Unhandled", "Runtime.ImportModuleError")


def test_a_container_image_is_a_failed_function_which_cannot_be_invoked(localstack: LocalStack):
    client = localstack.client("lambda")
    image = "000000000000.dkr.ecr.us-east-1.amazonaws.com/function:latest"
    client.create_function(FunctionName="image", PackageType="Image", Code={"ImageUri": image}, Role=ROLE)
    eventually(lambda: client.get_function_configuration(FunctionName="image")["State"] == "Failed", "it has failed", 30)
    assert "container image" in client.get_function_configuration(FunctionName="image")["StateReason"]
    assert "currently in the following state: Failed" in _refused(client.invoke, FunctionName="image")


def test_an_architecture_is_accepted_and_the_machines_own_is_what_functions_run_on(localstack: LocalStack):
    other = "x86_64" if platform.machine() == "aarch64" else "arm64"
    localstack.create_function("other-architecture", HERE, Architectures=[other])
    assert localstack.invoke("other-architecture", {})[0]["machine"] == platform.machine()


def test_layers_are_not_merged_into_opt_and_extensions_do_not_run(localstack: LocalStack, here: str):
    ran = localstack.writable / "extension-ran"
    extension = f"#!/bin/sh\ntouch {ran}\n"
    content = {"extensions/watch": extension, "bin/tool": extension, "data.txt": "hello", "python/in_layer.py": "found = True"}
    client = localstack.client("lambda")
    layer = client.publish_layer_version(LayerName="merged", Content={"ZipFile": archive(content)})["LayerVersionArn"]
    code = "import os, in_layer\nhandler = lambda event, context: [in_layer.found, os.path.exists('/opt/data.txt'), os.environ['PATH']]"
    localstack.create_function("merged", code, Layers=[layer])
    found, in_opt, path = localstack.invoke("merged", {})[0]
    assert (found, in_opt) == (True, False)
    assert "/opt" not in path
    assert localstack.invoke(here, {"exists": ["/var/task", "/var/runtime"]})[0] == [False, False]
    assert not ran.exists()


def test_a_symbolic_link_in_an_archive_becomes_a_file(localstack: LocalStack):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr("app.py", "import os\nhandler = lambda event, context: [os.path.islink('link'), open('link').read()]")
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        zipped.writestr(link, "app.py")
    client = localstack.client("lambda")
    settings = {"Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE}
    client.create_function(FunctionName="linked", Code={"ZipFile": buffer.getvalue()}, **settings)
    localstack.wait_active("linked")
    assert localstack.invoke("linked", {})[0] == [False, "app.py"]


def test_answers_are_not_streamed_and_the_old_asynchronous_call_is_not_there(localstack: LocalStack, here: str):
    client = localstack.client("lambda")
    assert "not yet been emulated" in _refused(client.invoke_with_response_stream, FunctionName=here, Payload=b"{}")
    assert "not yet been emulated" in _refused(client.invoke_async, FunctionName=here, InvokeArgs=b"{}")


def test_provisioned_concurrency_and_snapstart_are_accepted_and_start_nothing(localstack: LocalStack):
    client = localstack.client("lambda")
    localstack.create_function("provisioned", HERE, Runtime="python3.13", SnapStart={"ApplyOn": "PublishedVersions"})
    version = {"FunctionName": "provisioned", "Qualifier": client.publish_version(FunctionName="provisioned")["Version"]}
    eventually(lambda: client.get_function_configuration(**version)["State"] == "Active", "the version is active", 30)
    client.put_provisioned_concurrency_config(**version, ProvisionedConcurrentExecutions=2)
    eventually(lambda: client.get_provisioned_concurrency_config(**version)["Status"] == "READY", "it is said to be ready", 30)
    assert localstack.environments("provisioned") == []
    assert localstack.invoke("provisioned", {}, Qualifier="1")[0]["initialization"] == "on-demand"


def test_tracing_is_accepted_and_makes_no_segments(localstack: LocalStack):
    localstack.create_function("traced", HERE, TracingConfig={"Mode": "Active"})
    variables = localstack.invoke("traced", {})[0]["variables"]
    assert variables["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert "AWS_XRAY_DAEMON_ADDRESS" not in variables
    assert "not yet been emulated" in _refused(localstack.client("xray").batch_get_traces, TraceIds=["1-0-0"])


def test_cloudwatch_has_no_metrics_of_functions(localstack: LocalStack, here: str):
    localstack.invoke(here, {})
    assert localstack.client("cloudwatch").list_metrics(Namespace="AWS/Lambda")["Metrics"] == []
    assert localstack.introspect()["functions"][here]["invocations"] > 0, "the pool counts them"


def test_a_function_has_the_machines_network_processors_and_disk(localstack: LocalStack):
    localstack.create_function("least", HERE, MemorySize=128, EphemeralStorage={"Size": 512})
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert localstack.invoke("least", {"connect": server.getsockname()[1]})[0] == "connected"
    assert localstack.invoke("least", {})[0]["cpus"] == len(os.sched_getaffinity(0))
    assert localstack.invoke("least", {"allocate": 600 << 20})[0] == "allocated"


def test_limits_of_settings_and_of_asynchronous_events_are_not_lambdas(localstack: LocalStack, here: str):
    localstack.create_function("beyond", HERE, Timeout=901, Environment={"Variables": {"AWS_LAMBDA_FUNCTION_NAME": "mine", "LANG": "C"}})
    variables = localstack.invoke("beyond", {})[0]["variables"]
    assert (variables["AWS_LAMBDA_FUNCTION_NAME"], variables["LANG"]) == ("beyond", "C")
    event = {"exists": ["x" * 2_000_000]}  # Lambda takes 1 MB
    assert localstack.invoke(here, event, InvocationType="Event")[1]["StatusCode"] == 202
    assert "exceeded the 4KB limit" in _refused(
        localstack.client("lambda").update_function_configuration, FunctionName=here, Environment={"Variables": {"A": "x" * 5000}}
    )


def test_a_file_system_is_accepted_and_not_mounted(localstack: LocalStack):
    access_point = "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0"
    localstack.create_function("mounted", HERE, FileSystemConfigs=[{"Arn": access_point, "LocalMountPath": "/mnt/files"}])
    assert localstack.invoke("mounted", {"exists": ["/mnt/files"]})[0] == [False]


@pytest.fixture(scope="module")
def api(localstack: LocalStack) -> Iterator[Api]:
    """Everything that is to keep a request out, or from reaching the function: and does not."""
    api = Api(localstack, "edge")
    echo = localstack.create_function("kept-out", ECHO)
    pools = {"type": "cognito_user_pools", "providerARNs": ["arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_pool"]}
    key = {"type": "apiKey", "name": "Authorization", "in": "header"}
    api.authorizers["signed"] = key | {"x-amazon-apigateway-authtype": "awsSigv4"}
    api.authorizers["pool"] = key | {"x-amazon-apigateway-authtype": "cognito_user_pools", "x-amazon-apigateway-authorizer": pools}
    api.route("GET", "/signed", echo, "signed").route("GET", "/pool", echo, "pool").route("GET", "/free", echo)
    nobody = {"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"}
    api.document = {"x-amazon-apigateway-policy": {"Version": "2012-10-17", "Statement": [nobody]}}
    api.deploy()
    yield api
    localstack.client("apigateway").delete_rest_api(restApiId=api.id)


@pytest.mark.parametrize("path", ["/signed", "/pool"])
def test_methods_with_an_iam_or_cognito_authorizer_are_open(localstack: LocalStack, api: Api, path: str):
    assert (api.request("GET", path).status, localstack.request("GET", path).status) == (200, 200)


def test_resource_policies_of_apis_and_functions_are_not_asked(localstack: LocalStack, api: Api):
    assert "Deny" in localstack.client("apigateway").get_rest_api(restApiId=api.id)["policy"]
    assert "ResourceNotFound" in _refused(localstack.client("lambda").get_policy, FunctionName="kept-out")
    assert (api.request("GET", "/free").status, localstack.request("GET", "/free").status) == (200, 200)


def test_a_stage_has_neither_cache_nor_access_log(localstack: LocalStack, api: Api):
    api.settings(cacheClusterEnabled="true", cacheClusterSize="0.5", **{"*__*__caching__enabled": "true"})
    api.settings(
        accessLogSettings__format="$context.requestId",
        accessLogSettings__destinationArn="arn:aws:logs:us-east-1:000000000000:log-group:access",
    )
    before = localstack.invocations("kept-out")
    for _ in range(2):
        assert (api.request("GET", "/free").status, localstack.request("GET", "/free").status) == (200, 200)
    assert localstack.invocations("kept-out") == before + 4
    assert localstack.client("logs").describe_log_groups(logGroupNamePrefix="access")["logGroups"] == []


def test_a_domain_name_with_mutual_tls_is_kept_and_answers_nowhere(localstack: LocalStack, api: Api):
    client = localstack.client("apigateway")
    certificate = {"regionalCertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/one"}
    client.create_domain_name(domainName="api.example.org", mutualTlsAuthentication={"truststoreUri": "s3://trusted/ca.pem"}, **certificate)
    client.create_base_path_mapping(domainName="api.example.org", restApiId=api.id, stage=api.stage)
    assert localstack.request("GET", "/free", port=localstack.port, Host=f"api.example.org:{localstack.port}").status == 404
    assert localstack.request("GET", "/free", Host="whatever.example.org").status == 200, "the edge answers for any name"


def test_the_edge_serves_the_default_account_only(localstack: LocalStack):
    keys = {"aws_access_key_id": "111111111111", "aws_secret_access_key": "test"}
    client = boto3.client("apigateway", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{localstack.port}", **keys)
    mock = {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "responses": {"default": {"statusCode": "200"}},
    }
    operation = {"responses": {"200": {"description": ""}}, "x-amazon-apigateway-integration": mock}
    document = {"openapi": "3.0.1", "info": {"title": "edge", "version": "1"}, "paths": {"/elsewhere": {"get": operation}}}
    api = client.import_rest_api(body=json.dumps(document).encode())["id"]
    client.create_deployment(restApiId=api, stageName="live")
    assert localstack.request("GET", f"/_aws/execute-api/{api}/live/elsewhere", port=localstack.port).status == 200
    assert localstack.request("GET", "/elsewhere").status != 200
    client.delete_rest_api(restApiId=api)


@pytest.mark.parametrize(
    ("service", "call", "arguments"),
    [
        ("apigatewayv2", "create_api", {"Name": "http", "ProtocolType": "HTTP"}),
        ("apigatewayv2", "create_api", {"Name": "socket", "ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.body.action"}),
        ("wafv2", "list_web_acls", {"Scope": "REGIONAL"}),
        ("cognito-idp", "list_user_pools", {"MaxResults": 1}),
    ],
    ids=["HTTP APIs", "WebSocket APIs", "WAF", "Cognito"],
)
def test_a_service_that_is_not_there_says_so(localstack: LocalStack, service: str, call: str, arguments: dict[str, Any]):
    assert "not yet been emulated" in _refused(getattr(localstack.client(service), call), **arguments)


def test_an_authorizer_as_a_resource_of_its_own_is_passed_over(localstack: LocalStack):
    resources = {
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "with-authorizer"}},
        "Authorizer": {
            "Type": "AWS::ApiGateway::Authorizer",
            "Properties": {
                "RestApiId": {"Ref": "Api"},
                "Name": "own",
                "Type": "TOKEN",
                "IdentitySource": "method.request.header.Authorization",
            },
        },
    }
    client = localstack.client("cloudformation")
    client.create_stack(StackName="own-authorizer", TemplateBody=json.dumps({"Resources": resources}))

    def status() -> str:
        return client.describe_stacks(StackName="own-authorizer")["Stacks"][0]["StackStatus"]

    eventually(lambda: not status().endswith("IN_PROGRESS"), "it has ended", 40)
    assert status() == "CREATE_COMPLETE", "LocalStack passes over types that it does not know"
    api = client.describe_stack_resource(StackName="own-authorizer", LogicalResourceId="Api")["StackResourceDetail"]["PhysicalResourceId"]
    assert localstack.client("apigateway").get_authorizers(restApiId=api)["items"] == []
    client.delete_stack(StackName="own-authorizer")
