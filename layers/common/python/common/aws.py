"""AWS clients, each made once per process."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

# One attempt: whoever calls knows whether its call may be repeated, and a breaker counts what failed.
_CONFIG = Config(connect_timeout=1, read_timeout=10, retries={"total_max_attempts": 1}, tcp_keepalive=True)


@cache
def get_client(service: str) -> Any:
    """The process's client of an AWS service."""
    return boto3.client(service, config=_CONFIG)
