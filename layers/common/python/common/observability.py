"""Logs as events with key-values, and the one trace id that follows a request to its last consumer."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from aws_lambda_powertools import Logger

logger = Logger(service="inventory", utc=True, log_uncaught_exceptions=False)

_trace_id: ContextVar[str] = ContextVar("trace_id", default="")
_FIT_FOR_TRACE_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


def current_trace_id() -> str:
    """The trace id of what is being done now; a fresh one where nothing began a trace."""
    if not _trace_id.get():
        _trace_id.set(str(uuid.uuid4()))
    return _trace_id.get()


@contextmanager
def trace(*candidates: str | None) -> Iterator[str]:
    """Work under the first candidate that is fit for a trace id, or under a new one."""
    chosen = next((c for c in candidates if c and _FIT_FOR_TRACE_ID.fullmatch(c)), None) or str(uuid.uuid4())
    token = _trace_id.set(chosen)
    logger.append_keys(trace_id=chosen)
    try:
        yield chosen
    finally:
        logger.remove_keys(["trace_id"])
        _trace_id.reset(token)
