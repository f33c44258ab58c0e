"""Invoking a deployed function from inside LocalStack, straight into the pool: no HTTP client, no second pass through the gateway."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from localstack.aws.api.lambda_ import InvocationType
from localstack.services.lambda_.api_utils import qualified_lambda_arn, qualifier_is_alias
from localstack.services.lambda_.invocation.lambda_models import Invocation, InvocationResult
from localstack.services.lambda_.invocation.models import lambda_stores
from localstack.services.plugins import SERVICE_PLUGINS
from localstack.utils.strings import long_uid
from localstack.utils.xray.trace_header import TraceHeader

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.version_manager import LambdaVersionManager

FUNCTION_ARN = re.compile(r"arn:[^:]+:lambda:(?P<region>[^:]+):(?P<account>\d+):function:(?P<name>[^:]+)(?::(?P<qualifier>.+))?")


class FunctionNotFoundError(LookupError):
    """The ARN names no function, version or alias that can be invoked."""


def version_manager(function_arn: str) -> LambdaVersionManager:
    """Whoever runs the version that the ARN means now; an alias with weights draws one.

    Asked on threads that everything else waits for, so it does not wait for Lambda to start: there are no functions before.
    """
    if not SERVICE_PLUGINS.is_running("lambda"):
        raise FunctionNotFoundError(function_arn)
    qualified_arn = _version_arn(function_arn) or _aliased(function_arn)
    manager = _provider().lambda_service.lambda_running_versions.get(qualified_arn)
    if manager is None:
        raise FunctionNotFoundError(function_arn)
    return manager


@lru_cache(maxsize=4096)
def _version_arn(function_arn: str) -> str | None:
    """The ARN of the version it names; None where an alias decides, each time anew."""
    region, account, name, qualifier = _parts(function_arn)
    return None if qualifier_is_alias(qualifier) else str(qualified_lambda_arn(name, qualifier, account, region))


def _parts(function_arn: str) -> tuple[str, str, str, str]:
    match = FUNCTION_ARN.fullmatch(function_arn)
    if match is None:
        raise FunctionNotFoundError(function_arn)
    region, account, name, qualifier = match.group("region", "account", "name", "qualifier")
    return region, account, name, qualifier or "$LATEST"


def _aliased(function_arn: str) -> str:
    region, account, name, qualifier = _parts(function_arn)
    function = lambda_stores[account][region].functions.get(name)
    alias = function.aliases.get(qualifier) if function is not None else None
    if alias is None:
        raise FunctionNotFoundError(function_arn)
    return str(qualified_lambda_arn(name, _drawn(alias), account, region))


def _drawn(alias: Any) -> str:
    if alias.routing_configuration:
        version, weight = next(iter(alias.routing_configuration.version_weights.items()))
        if random.random() < weight:  # noqa: S311 (a traffic split)
            return str(version)
    return str(alias.function_version)


@cache
def _provider() -> Any:
    return SERVICE_PLUGINS.require("lambda")._provider  # noqa: SLF001 (LocalStack offers no other way to a provider)


def stop_event_pollers() -> None:
    """Tell the pollers of asynchronous invocations to end, all at once: LocalStack waits up to 2 s for each, a few at a time."""
    if SERVICE_PLUGINS.is_running("lambda"):
        for manager in list(_provider().lambda_service.event_managers.values()):
            if manager.poller is not None:
                manager.poller._shutdown_event.set()  # noqa: SLF001 (its `stop` waits)


def invoke(function_arn: str, payload: bytes, trace_id: str, timeout_seconds: float | None = None) -> InvocationResult:
    """Run the function once and wait.

    Raises FunctionNotFoundError, TimeoutError when `timeout_seconds` pass first (the function runs on), and LocalStack's service
    exceptions, among them TooManyRequestsException.
    """
    manager = version_manager(function_arn)
    invocation = Invocation(
        payload=payload,
        invoked_arn=function_arn,
        client_context=None,
        invocation_type=InvocationType.RequestResponse,
        invoke_time=datetime.now(UTC),
        request_id=long_uid(),
        trace_context={"aws_trace_header": TraceHeader.from_header_str(trace_id)},
    )
    run = getattr(manager, "run", None)  # another executor than ours has LocalStack's own manager
    return run(invocation, timeout_seconds) if run else manager.invoke(invocation=invocation)
