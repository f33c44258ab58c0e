"""Invocations that pass LocalStack's chain of handlers by are answered as it answers them."""

from __future__ import annotations

import gzip
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from stack import LocalStack, archive, eventually
from test_roles import CREDENTIALS, TRUST, policy, statement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ECHO = """
    import os, time

    def handler(event, context):
        if isinstance(event, dict) and "until" in event:
            open(event["until"] + ".begun", "w").close()
            while not os.path.exists(event["until"]):
                time.sleep(0.01)
        if event == "fail":
            raise ValueError("no such thing")
        return {"event": event, "arn": context.invoked_function_arn, "version": context.function_version}
"""
ARN = "arn:aws:lambda:us-east-1:000000000000:function:direct"
NEW_EACH_TIME = frozenset({"x-amzn-requestid", "date"})
LOCALSTACKS_OWN = frozenset({"x-localstack", "x-amz-request-id", "content-type"})
"""The content type it makes text, where AWS and what goes directly say JSON."""


@pytest.fixture(scope="module")
def direct(localstack: LocalStack) -> Iterator[str]:
    """A function with a version and an alias."""
    localstack.create_function("direct", ECHO, Timeout=60)
    client = localstack.client("lambda")
    client.publish_version(FunctionName="direct")
    client.create_alias(FunctionName="direct", Name="live", FunctionVersion="1")
    eventually(lambda: client.get_function_configuration(FunctionName="direct", Qualifier="1")["State"] == "Active", "it is active")
    localstack.create_function("stopped", ECHO)
    client.put_function_concurrency(FunctionName="stopped", ReservedConcurrentExecutions=0)
    yield "direct"
    for name in ("direct", "stopped"):
        client.delete_function(FunctionName=name)


class Caller:
    """One that sees answers as they come."""

    def __init__(self, localstack: LocalStack, headers: dict[str, str] | None = None, **credentials: str) -> None:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"} | credentials
        config = Config(retries={"max_attempts": 0}, read_timeout=30, parameter_validation=False)
        self._localstack = localstack
        self._headers = headers or {}
        self._client = boto3.client("lambda", endpoint_url=f"http://127.0.0.1:{localstack.port}", config=config, **keys)
        self._client.meta.events.register("before-sign.lambda.Invoke", self._add_headers)

    def _add_headers(self, request: Any, **_: Any) -> None:
        for name, value in self._headers.items():
            request.headers[name] = value

    def invoke(self, name: str = "direct", payload: bytes = b'{"a": "\xc3\xa4"}', **arguments: Any) -> tuple[int, dict[str, str], Any]:
        """Status, headers and body, without what is new each time."""
        try:
            answer = self._client.invoke(FunctionName=name, Payload=payload, **arguments)
            body = answer["Payload"].read().decode()
        except self._client.exceptions.ClientError as error:
            answer, body = error.response, json.dumps(error.response["Error"])
        told = answer["ResponseMetadata"]
        headers = {key: value for key, value in told["HTTPHeaders"].items() if key not in NEW_EACH_TIME | LOCALSTACKS_OWN}
        for id_ in (told.get("RequestId"), told["HTTPHeaders"].get("x-amzn-requestid")):
            body = body.replace(str(id_), "<id>")
        return told["HTTPStatusCode"], headers, body

    def took_localstacks_way(self, name: str = "direct", payload: bytes = b"1", **arguments: Any) -> bool:
        """LocalStack writes a line about every call that it answers."""
        before = self._lines()
        self.invoke(name, payload, **arguments)
        return self._lines() > before

    def _lines(self) -> int:
        return self._localstack.log.read_text().count("AWS lambda.Invoke => ")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({}, id="plain"),
        pytest.param({"payload": b'"fail"'}, id="a function's error"),
        pytest.param({"Qualifier": "live"}, id="an alias"),
        pytest.param({"Qualifier": "1"}, id="a version"),
        pytest.param({"Qualifier": "$LATEST"}, id="latest"),
        pytest.param({"name": ARN}, id="an ARN"),
        pytest.param({"name": f"{ARN}:live"}, id="an alias's ARN"),
        pytest.param({"InvocationType": "RequestResponse"}, id="synchronous, said so"),
        pytest.param({"payload": json.dumps("x" * 1_000_000).encode()}, id="a megabyte"),
    ],
)
def test_what_goes_directly_is_answered_the_same(localstack: LocalStack, direct: str, arguments: dict[str, Any]):
    assert direct
    usual, unusual = Caller(localstack), Caller(localstack, {"X-Unusual": "1"})
    assert not usual.took_localstacks_way(**arguments)
    assert unusual.took_localstacks_way(**arguments)
    assert usual.invoke(**arguments) == unusual.invoke(**arguments)


@pytest.mark.parametrize(
    ("status", "arguments"),
    [
        pytest.param(200, {"LogType": "Tail"}, id="a log tail"),
        pytest.param(200, {"ClientContext": "e30="}, id="a client context"),
        pytest.param(202, {"InvocationType": "Event"}, id="an event"),
        pytest.param(204, {"InvocationType": "DryRun"}, id="a dry run"),
        pytest.param(200, {"payload": b""}, id="no payload"),
        pytest.param(400, {"payload": b"\xff"}, id="no text"),
        pytest.param(404, {"name": "nobody"}, id="no such function"),
        pytest.param(404, {"Qualifier": "no-such-alias"}, id="no such alias"),
        pytest.param(404, {"Qualifier": "7"}, id="no such version"),
        pytest.param(429, {"name": "stopped"}, id="no concurrency"),
        pytest.param(413, {"payload": json.dumps("x" * 6_291_456).encode()}, id="too large"),
    ],
)
def test_what_is_unusual_or_might_be_refused_goes_localstacks_way(
    localstack: LocalStack, direct: str, status: int, arguments: dict[str, Any]
):
    assert direct
    caller = Caller(localstack)
    assert caller.took_localstacks_way(**arguments)
    assert caller.invoke(**arguments)[0] == status


@pytest.mark.parametrize(
    ("headers", "payload", "status"),
    [
        pytest.param({"Origin": "http://elsewhere.example"}, b'"a page"', 403, id="a page elsewhere"),
        pytest.param({"Content-Encoding": "gzip"}, gzip.compress(b'"zipped"'), 200, id="compressed"),
    ],
)
def test_headers_that_change_what_is_meant_are_minded(
    localstack: LocalStack, direct: str, headers: dict[str, str], payload: bytes, status: int
):
    answer = Caller(localstack, headers).invoke(direct, payload)
    assert answer[0] == status
    assert status != 200 or json.loads(answer[2])["event"] == "zipped"


def test_another_region_has_other_functions(localstack: LocalStack, direct: str):
    assert Caller(localstack, region_name="eu-west-1").invoke(direct)[0] == 404


def test_a_region_that_there_is_not_is_localstacks_to_judge(localstack: LocalStack, direct: str):
    assert Caller(localstack, region_name="mars-north-1").took_localstacks_way(direct)
    assert "could not be invoked directly" not in localstack.log.read_text()


def test_a_function_invokes_whom_its_role_lets_it_directly_and_is_refused_the_others(localstack: LocalStack, direct: str):
    iam = localstack.client("iam")
    role = iam.create_role(RoleName="caller-role", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    document = policy(statement("lambda:InvokeFunction", ARN))
    iam.put_role_policy(RoleName="caller-role", PolicyName="own", PolicyDocument=document)
    localstack.create_function("caller", CREDENTIALS, Role=role)
    caller = Caller(localstack, **localstack.invoke("caller")[0])
    assert not caller.took_localstacks_way()
    assert caller.invoke()[0] == 200
    status, _, body = caller.invoke("caller")
    assert (status, json.loads(body)["Code"]) == (403, "AccessDeniedException")
    assert caller.invoke(Qualifier="live")[0] == 403
    iam.put_role_policy(RoleName="caller-role", PolicyName="own", PolicyDocument=policy(statement("lambda:InvokeFunction", "*", "Deny")))
    assert caller.invoke()[0] == 403
    forged = Caller(localstack, **localstack.invoke("caller")[0] | {"aws_session_token": "another"})
    assert forged.invoke()[0] == 403


def test_an_update_is_seen_at_once(localstack: LocalStack):
    localstack.create_function("changing", "handler = lambda event, context: 'one'")
    caller = Caller(localstack)
    assert caller.invoke("changing")[2] == '"one"'
    localstack.client("lambda").update_function_code(
        FunctionName="changing", ZipFile=archive({"app.py": "handler = lambda event, context: 'two'"})
    )
    localstack.wait_active("changing")
    assert caller.invoke("changing")[2] == '"two"'
    localstack.client("lambda").delete_function(FunctionName="changing")
    assert caller.invoke("changing")[0] == 404


def test_a_client_that_leaves_is_missed_by_nobody(localstack: LocalStack):
    localstack.create_function("left", ECHO, Timeout=60)
    gate = localstack.writable / "left"
    with socket.create_connection(("127.0.0.1", localstack.port)) as connection:
        scope = "Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0"
        body = json.dumps({"until": str(gate)}).encode()
        head = (
            f"POST /2015-03-31/functions/left/invocations HTTP/1.1\r\nHost: localhost\r\nAuthorization: AWS4-HMAC-SHA256 {scope}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        eventually(gate.with_suffix(".begun").exists, "it runs")
    gate.touch()
    eventually(lambda: localstack.invocations("left") == 1, "it has ended")
    assert Caller(localstack).invoke("left")[0] == 200
    assert "Traceback" not in localstack.log.read_text().partition("could not be invoked directly")[2]


def test_whom_the_pool_has_no_place_for_is_told_the_same_either_way(tmp_path: Path):
    stack = LocalStack(tmp_path, PROCESS_RUNTIME_MAX_PER_FUNCTION="1", PROCESS_RUNTIME_QUEUE_SECONDS="0.5")
    gate = stack.writable / "held"
    try:
        stack.wait()
        stack.create_function("direct", ECHO, Timeout=60)
        eventually(lambda: Caller(stack).invoke()[0] == 200, "an environment is there: its start may take longer than anybody queues", 30)
        eventually(lambda: [each["state"] for each in stack.environments("direct")] == ["idle"], "it idles")
        with ThreadPoolExecutor() as clients:
            running = clients.submit(Caller(stack).invoke, payload=json.dumps({"until": str(gate)}).encode())
            eventually(gate.with_suffix(".begun").exists, "it runs")
            usual, unusual = (Caller(stack, headers).invoke() for headers in ({}, {"X-Unusual": "1"}))
            gate.touch()
            assert usual == unusual
            assert (usual[0], json.loads(usual[2])["Code"]) == (429, "TooManyRequestsException")
            assert running.result()[0] == 200
    finally:
        stack.stop()


def test_many_at_once_all_get_their_own_answer(localstack: LocalStack, direct: str):
    caller = Caller(localstack)
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda number: json.loads(caller.invoke(direct, str(number).encode())[2])["event"], range(200)))
    assert answers == list(range(200))
