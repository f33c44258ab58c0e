"""What each function may ask LocalStack for: as it, every secret by every name, every function, and what would give it more rights."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.deploy import template
from infra.deploy.deployment import STACK_NAME, client_of
from tests.security.target import SIGNING_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.security.part import Part
    from tests.security.target import Target

_TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"
_PREFIX = f"{STACK_NAME}-"
_KNOW_THE_SIGNING_KEY = {"auth", "authorizer"}
_PROBE = """
import os

def handler(event, context):
    return {name.lower(): os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}
"""


def attack(target: Target, part: Part, *, thorough: bool = True) -> None:
    """Ask for all of it as every function; `thorough` asks for secrets by their ARNs as well."""
    functions = client_of(target.stack, "lambda").get_paginator("list_functions").paginate().search("Functions[]")
    roles = {each["FunctionName"].removeprefix(_PREFIX): each["Role"] for each in functions}
    secrets = client_of(target.stack, "secretsmanager").list_secrets(MaxResults=100)["SecretList"]
    invoked = may_invoke(template.load(_TEMPLATE))
    for function, role in roles.items():
        credentials = _credentials(target, role)
        manager, lambda_client = (_client(target, service, credentials) for service in ("secretsmanager", "lambda"))
        for secret in secrets:
            allowed = SIGNING_KEY in secret["Name"] and function in _KNOW_THE_SIGNING_KEY
            for name in (secret["Name"], secret["ARN"], secret["ARN"][:-7]) if thorough else (secret["Name"],):
                refused = refusal(lambda: manager.get_secret_value(SecretId=name))  # noqa: B023 - called at once
                part.case("a secret asked for by a function", right_faults(f"{function} reads {name}", refused, allowed=allowed))
        for other in roles:
            refused = refusal(lambda: lambda_client.invoke(FunctionName=_PREFIX + other, InvocationType="DryRun"))  # noqa: B023
            allowed = other in invoked[function]
            part.case("a function invoked by a function", right_faults(f"{function} invokes {other}", refused, allowed=allowed))
        for what, call in _nobody_may(target, credentials, role, next(other for other in roles if other != function), roles):
            part.case("more rights asked for by a function", right_faults(f"{function}: {what}", refusal(call), allowed=False))


def may_invoke(described: template.Template) -> dict[str, set[str]]:
    """Which functions each function of the template may invoke."""
    found = {}
    for resource in described["Resources"].values():
        if resource["Type"] == template.FUNCTION:
            statements = [each for policy in resource["Properties"].get("Policies", []) for each in policy.get("Statement", [])]
            arns = [arn["Fn::Sub"] for statement in statements for arn in statement["Resource"]]
            name = resource["Properties"]["FunctionName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
            found[name] = {arn.partition(":function:${AWS::StackName}-")[2] for arn in arns}
    return found


def refusal(call: Callable[[], Any]) -> str:
    """The code of the error that says no; empty where the call was let through, whatever came of it."""
    try:
        call()
    except ClientError as error:
        code = str(error.response["Error"]["Code"])
        return code if "AccessDenied" in code else ""
    return ""


def right_faults(what: str, refused: str, *, allowed: bool) -> Iterator[str]:
    """Whether somebody got what is not theirs, or not what is."""
    if allowed and refused:
        yield f"{what}, and is refused: {refused}"
    if not allowed and not refused:
        yield f"{what}, and is let through"


def _nobody_may(
    target: Target, credentials: dict[str, str], role: str, other: str, roles: dict[str, str]
) -> Iterator[tuple[str, Callable[[], Any]]]:
    iam, sts, lambda_, s3, logs, manager = (
        _client(target, service, credentials) for service in ("iam", "sts", "lambda", "s3", "logs", "secretsmanager")
    )
    everything = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
    own = role.rpartition("/")[2]
    yield "a list of all secrets", manager.list_secrets
    yield "another's variables", lambda: lambda_.get_function_configuration(FunctionName=_PREFIX + other)
    yield "a list of all functions", lambda_.list_functions
    yield "another's code, changed", lambda: lambda_.update_function_code(FunctionName=_PREFIX + other, ZipFile=b"", DryRun=True)
    yield "another's log", lambda: logs.filter_log_events(logGroupName=f"/aws/lambda/{_PREFIX}{other}")
    yield "a list of buckets", s3.list_buckets
    yield "another role", lambda: sts.assume_role(RoleArn=roles[other], RoleSessionName="other")
    yield "a policy of its own", lambda: iam.put_role_policy(RoleName=own, PolicyName="more", PolicyDocument=everything)
    yield (
        "an administrator's policy",
        lambda: iam.attach_role_policy(RoleName=own, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"),
    )
    yield "a key of a user's", lambda: iam.create_access_key(UserName="root")


def _credentials(target: Target, role: str) -> dict[str, str]:
    """Those that a function with that role has."""
    client, name = client_of(target.stack, "lambda"), target.unique("probe")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("probe.py", _PROBE)
    client.create_function(
        FunctionName=name, Runtime="python3.11", Handler="probe.handler", Role=role, Code={"ZipFile": archive.getvalue()}
    )
    try:
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        found: dict[str, str] = json.load(client.invoke(FunctionName=name)["Payload"])
    finally:
        client.delete_function(FunctionName=name)
    return found


def _client(target: Target, service: str, credentials: dict[str, str]) -> Any:
    addresses = target.stack.addresses()
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    return boto3.client(
        service, endpoint_url=addresses["AWS_ENDPOINT_URL"], region_name=addresses["AWS_DEFAULT_REGION"], config=config, **credentials
    )
