"""Which permissions a call needs: actions, by the names policies know them by, and the ARNs of what they are done to.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from localstack.services.lambda_.api_utils import function_locators_from_arn
from localstack.services.plugins import SERVICE_PLUGINS
from moto.secretsmanager.models import secretsmanager_backends

from localstack_process_runtime.policy import ANY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from localstack.aws.api import RequestContext


class Permission(NamedTuple):
    action: str
    resource: str | None
    """An ARN; `*` where the action has no resource; None where it has one that is not known here."""
    named: str = ""
    """What the caller calls it, where AWS's refusal does so too."""


PREFIXES = {"monitoring": "cloudwatch", "email": "ses", "tagging": "tag"}
"""Of actions, where it is not the name that requests are signed for."""


def needed(context: RequestContext) -> Iterator[Permission]:
    """All of these, for the call that was parsed."""
    signed_for = context.service.signing_name
    prefix = PREFIXES.get(signed_for, signed_for)
    of_service = SERVICES.get(prefix)
    if of_service is None:
        yield Permission(f"{prefix}:{context.operation.name}", None)
    else:
        yield from of_service(context, context.operation.name, context.service_request or {})


@cache
def started(service: str) -> None:
    """What was kept of a service is loaded as it starts, which otherwise is when it is asked: after this."""
    SERVICE_PLUGINS.require(service)


def _arn(context: RequestContext, service: str, resource: str) -> str:
    return f"arn:{context.partition}:{service}:{context.region}:{context.account_id}:{resource}"


def _secretsmanager(context: RequestContext, operation: str, request: Mapping[str, Any]) -> Iterator[Permission]:
    if operation == "BatchGetSecretValue":
        yield Permission("secretsmanager:BatchGetSecretValue", ANY)
        for each in request.get("SecretIdList") or ():
            yield Permission("secretsmanager:GetSecretValue", _secret(context, each), each)
    elif secret := request.get("SecretId"):
        yield Permission(f"secretsmanager:{operation}", _secret(context, secret), secret)
    elif operation == "CreateSecret":
        yield Permission("secretsmanager:CreateSecret", _arn(context, "secretsmanager", f"secret:{request.get('Name', '')}-xxxxxx"))
    else:
        yield Permission(f"secretsmanager:{operation}", ANY)


def _secret(context: RequestContext, identifier: str) -> str:
    """Name, ARN, and ARN without its last six characters all mean the whole ARN."""
    started("secretsmanager")
    stored = secretsmanager_backends[context.account_id][context.region].secrets.get(identifier)
    if stored is not None:
        return str(stored.arn)
    return identifier if identifier.startswith("arn:") else _arn(context, "secretsmanager", f"secret:{identifier}")


def _lambda(context: RequestContext, operation: str, request: Mapping[str, Any]) -> Iterator[Permission]:
    names = {
        "Invoke": "InvokeFunction",
        "InvokeAsync": "InvokeFunction",
        "InvokeWithResponseStream": "InvokeFunction",
        "GetLayerVersionByArn": "GetLayerVersion",
    }
    resource = ANY
    if (function := request.get("FunctionName")) and operation != "CreateEventSourceMapping":
        name, qualifier, account, region = function_locators_from_arn(function)
        parts = (name or function, request.get("Qualifier") or qualifier)
        named = "function:" + ":".join(part for part in parts if part)
        resource = f"arn:{context.partition}:lambda:{region or context.region}:{account or context.account_id}:{named}"
    elif layer := request.get("LayerName"):
        version = request.get("VersionNumber")
        whole = layer if layer.startswith("arn:") else _arn(context, "lambda", f"layer:{layer}")
        resource = f"{whole}:{version}" if version else whole
    elif mapping := request.get("UUID"):
        resource = _arn(context, "lambda", f"event-source-mapping:{mapping}")
    else:
        resource = request.get("Resource") or request.get("Arn") or request.get("CodeSigningConfigArn") or ANY
    yield Permission(f"lambda:{names.get(operation, operation)}", resource)
    if operation in ("CreateFunction", "UpdateFunctionConfiguration") and (role := request.get("Role")):
        yield Permission("iam:PassRole", role)


def _logs(context: RequestContext, operation: str, request: Mapping[str, Any]) -> Iterator[Permission]:
    groups = request.get("logGroupNames") or [request.get("logGroupName") or request.get("logGroupNamePrefix") or ""]
    given = [*(request.get("logGroupIdentifiers") or ()), request.get("logGroupIdentifier"), request.get("resourceArn")]
    arns = [arn for arn in given if arn and arn.startswith("arn:")]
    for arn in arns or [_arn(context, "logs", f"log-group:{group}:log-stream:{request.get('logStreamName') or ''}") for group in groups]:
        yield Permission(f"logs:{operation}", arn)


def _ssm(context: RequestContext, operation: str, request: Mapping[str, Any]) -> Iterator[Permission]:
    if "Parameter" not in operation or operation == "DescribeParameters":
        yield Permission(f"ssm:{operation}", ANY if operation == "DescribeParameters" else None)
        return
    for name in request.get("Names") or [request.get("Name") or request.get("Path") or ""]:
        path = name.partition(":")[0] if not name.startswith("arn:") else name
        yield Permission(f"ssm:{operation}", path if path.startswith("arn:") else _arn(context, "ssm", f"parameter/{path.lstrip('/')}"))


OF_OBJECTS = {
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteObjects": "DeleteObject",
    "HeadObject": "GetObject",
    "ListParts": "ListMultipartUploadParts",
    "SelectObjectContent": "GetObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
}
OF_BUCKETS = {
    "HeadBucket": "ListBucket",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
}


def _s3(context: RequestContext, operation: str, request: Mapping[str, Any]) -> Iterator[Permission]:
    bucket = f"arn:{context.partition}:s3:::{request.get('Bucket', '')}"
    keys = [each["Key"] for each in (request.get("Delete") or {}).get("Objects") or ()]
    if key := request.get("Key"):
        keys.append(key)
    if not keys:
        action = OF_BUCKETS.get(operation, operation)
        yield Permission(f"s3:{action}", bucket if request.get("Bucket") else ANY)
        return
    action = OF_OBJECTS.get(operation, operation)
    if request.get("VersionId") and action in ("GetObject", "DeleteObject"):
        action += "Version"
    for each in keys:
        yield Permission(f"s3:{action}", f"{bucket}/{each}")
    if source := request.get("CopySource"):
        path = unquote(source.partition("?")[0]).lstrip("/")
        yield Permission("s3:GetObject", path if path.startswith("arn:") else f"arn:{context.partition}:s3:::{path}")


def _sqs(context: RequestContext, operation: str, request: Mapping[str, Any]) -> Iterator[Permission]:
    queue = request.get("QueueName") or urlsplit(request.get("QueueUrl") or "").path.rpartition("/")[2]
    action = operation.removesuffix("Batch")  # they are many of the same
    yield Permission(f"sqs:{action}", _arn(context, "sqs", queue) if queue else ANY)


def _sns(context: RequestContext, operation: str, request: Mapping[str, Any]) -> Iterator[Permission]:
    members = ("TopicArn", "TargetArn", "ResourceArn", "SubscriptionArn", "PlatformApplicationArn", "EndpointArn")
    arn = next((request[member] for member in members if request.get(member)), ANY)
    if operation == "CreateTopic":
        arn = _arn(context, "sns", request.get("Name", ""))
    yield Permission(f"sns:{operation.removesuffix('Batch')}", arn)


def _sts(context: RequestContext, operation: str, request: Mapping[str, Any]) -> Iterator[Permission]:  # noqa: ARG001 (as the others)
    if operation != "GetCallerIdentity":  # which nobody can be denied
        yield Permission(f"sts:{operation}", request.get("RoleArn") or ANY)


def _dynamodb(context: RequestContext, operation: str, request: Mapping[str, Any]) -> Iterator[Permission]:
    def on(action: str, table: str) -> Permission:
        arn = table if table.startswith("arn:") else _arn(context, "dynamodb", f"table/{table}")
        index = request.get("IndexName")
        return Permission(f"dynamodb:{action}", f"{arn}/index/{index}" if index else arn)

    of_transactions = {
        "Put": "PutItem",
        "Update": "UpdateItem",
        "Delete": "DeleteItem",
        "ConditionCheck": "ConditionCheckItem",
        "Get": "GetItem",
    }
    if operation.startswith("Transact"):
        for item in request.get("TransactItems") or ():
            for kind, of_item in item.items():
                yield on(of_transactions[kind], of_item["TableName"])
    elif operation in ("BatchGetItem", "BatchWriteItem"):
        for table in request.get("RequestItems") or ():
            yield on(operation, table)
    elif table := request.get("TableName") or request.get("ResourceArn"):
        yield on(operation, table)
    else:
        yield Permission(f"dynamodb:{operation}", None)


def _apigateway(context: RequestContext, operation: str, request: Mapping[str, Any]) -> Iterator[Permission]:  # noqa: ARG001 (as the others)
    """Its actions are HTTP's methods."""
    resource = f"arn:{context.partition}:apigateway:{context.region}::{context.request.path}"
    yield Permission(f"apigateway:{context.operation.http['method']}", resource)


SERVICES: dict[str, Callable[[RequestContext, str, Mapping[str, Any]], Iterator[Permission]]] = {
    "apigateway": _apigateway,
    "dynamodb": _dynamodb,
    "lambda": _lambda,
    "logs": _logs,
    "s3": _s3,
    "secretsmanager": _secretsmanager,
    "sns": _sns,
    "sqs": _sqs,
    "ssm": _ssm,
    "sts": _sts,
}
