"""Logs as events with key-values, each under the trace id of what it tells about."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from aws_lambda_powertools import Logger

from common.tracing import new_trace_id, under_trace_id

logger = Logger(service="inventory", utc=True, log_uncaught_exceptions=False)

# New ones are 32 hexadecimal digits; events of former versions have others.
_FIT_FOR_TRACE_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


@contextmanager
def trace(*candidates: str | None) -> Iterator[str]:
    """Work and log under the first candidate that is fit for a trace id, or under a new one."""
    chosen = next((c for c in candidates if c and _FIT_FOR_TRACE_ID.fullmatch(c)), None) or new_trace_id()
    logger.append_keys(trace_id=chosen)
    try:
        with under_trace_id(chosen):
            yield chosen
    finally:
        logger.remove_keys(["trace_id"])
