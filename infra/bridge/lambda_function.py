"""A deployed consumer function: invoking it through Lambda's API, and what its answer means for the events."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from common.topology import Event
from common.tracing import passed_on
from infra.bridge.invocation import Answered, Broken, Outcome, Unavailable, Unreachable
from infra.bridge.settings import BridgeSettings

# Error types of Lambda's runtimes for a function that cannot start, which no event is to blame for.
# https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html and .../troubleshooting-invocation.html
_CANNOT_START = frozenset(
    {
        "Runtime.ImportModuleError",
        "Runtime.HandlerNotFound",
        "Runtime.MalformedHandlerName",
        "Runtime.UserCodeSyntaxError",
        "Runtime.InvalidEntrypoint",
        "Runtime.InvalidWorkingDir",
        "Runtime.NoSuchHandler",
        "InitError",
        "Extension.InitError",
    }
)
_UNAVAILABLE = "UnavailableError"
# Lambda refuses the payload itself; everything else it refuses is about itself or the function.
_ABOUT_THE_PAYLOAD = frozenset({"RequestTooLargeException", "RequestEntityTooLargeException", "InvalidRequestContentException"})


@cache
def lambda_client(invoke_seconds: float) -> Any:
    """A client that waits so long for an answer. It holds 20 MB: the bridge makes it before it forks, and all children share it."""
    # One attempt: what to try again, and when, is the dispatcher's to say.
    config = Config(
        connect_timeout=1,
        read_timeout=invoke_seconds,
        retries={"total_max_attempts": 1},
        max_pool_connections=1,
        tcp_keepalive=True,
    )
    return boto3.client("lambda", config=config)


class LambdaFunction:
    """A deployed consumer function, invoked through Lambda's API."""

    def __init__(self, name: str, settings: BridgeSettings) -> None:
        self._name = name
        self._client = lambda_client(settings.invoke_seconds)

    def __call__(self, events: Sequence[Event]) -> Outcome:
        """Invoke the function with the events as one batch."""
        with passed_on(events, "deliver", "producer", {"faas.invoked_name": self._name}) as batch:
            outcome = self._invoke(batch.events)
            match outcome:
                case Answered(failures):
                    batch.failed(failures)
                case _:
                    batch.failed(event["event_id"] for event in events)
        return outcome

    def _invoke(self, events: Sequence[Event]) -> Outcome:
        payload = json.dumps({"events": events}, separators=(",", ":")).encode()
        try:
            answer = self._client.invoke(FunctionName=self._name, Payload=payload)
            body = answer["Payload"].read()
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            return Broken(str(error)) if code in _ABOUT_THE_PAYLOAD else Unreachable(str(error))
        except (BotoCoreError, OSError) as error:
            return Unreachable(f"{type(error).__name__}: {error}")
        if "FunctionError" in answer:
            return function_error(body)
        return batch_response(body)


def function_error(body: bytes) -> Outcome:
    """What the payload of a function error says: `{"errorType", "errorMessage", "stackTrace"}`."""
    document = _document(body)
    kind = str(document.get("errorType", ""))
    reason = f"{kind}: {document.get('errorMessage', '')}" if document else body[:500].decode(errors="replace")
    if kind in _CANNOT_START:
        return Unreachable(reason)
    # awslambdaric names the class alone, others with its module.
    if kind.rpartition(".")[2] == _UNAVAILABLE:
        return Unavailable(reason)
    return Broken(reason)


def batch_response(body: bytes) -> Outcome:
    """What a function answered: `{"batchItemFailures": [{"itemIdentifier", "reason"}]}`, as for Lambda's queues."""
    document = _document(body)
    failures = document.get("batchItemFailures")
    if not isinstance(failures, list) or not all(isinstance(item, dict) for item in failures):
        return Broken(f"the function's answer is no batch response: {body[:500].decode(errors='replace')}")
    return Answered({str(item.get("itemIdentifier")): str(item.get("reason") or "no reason given") for item in failures})


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
