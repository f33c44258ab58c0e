"""The answers Lambda gives when a function's process does not: their wording is AWS's."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime

RESPONSE_LIMIT_BYTES = 6_291_556  # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html


def _error(error_type: str, message: str) -> bytes:
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()


def timeout_message(request_id: str, timeout_seconds: float) -> str:
    """The line Lambda writes to the log and answers with when the time is up."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{now} {request_id} Task timed out after {timeout_seconds:.2f} seconds"


def timed_out(message: str) -> bytes:
    return _error("Sandbox.Timedout", message)


def describe_exit(exit_status: int) -> str:
    """`exit_status` as subprocess reports it: negative is the signal that ended the process."""
    if exit_status >= 0:
        return f"exit status {exit_status}"
    known = {signal.SIGKILL: "killed", signal.SIGSEGV: "segmentation fault", signal.SIGABRT: "aborted", signal.SIGTERM: "terminated"}
    number = -exit_status
    return f"signal: {known.get(signal.Signals(number), signal.strsignal(number) or str(number))}"


def exited(request_id: str, exit_status: int) -> bytes:
    return _error("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited with error: {describe_exit(exit_status)}")


def could_not_start(request_id: str, reason: str) -> bytes:
    return _error("Runtime.InvalidEntrypoint", f"RequestId: {request_id} Error: {reason}")


def response_too_large() -> bytes:
    message = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT_BYTES} bytes)."
    return _error("Function.ResponseSizeTooLarge", message)
