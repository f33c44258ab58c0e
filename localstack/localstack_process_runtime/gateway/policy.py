"""The IAM policy an authorizer returns, evaluated for one method.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
"""

from __future__ import annotations

import logging
import re
from enum import Enum, auto
from functools import lru_cache
from typing import Any

LOG = logging.getLogger(__name__)
INVOKE = "execute-api:Invoke"


class PolicyError(ValueError):
    """It is no policy: what AWS answers with a configuration error."""


class Decision(Enum):
    ALLOW = auto()
    EXPLICIT_DENY = auto()
    IMPLICIT_DENY = auto()


def decide(policy: Any, method_arn: str) -> Decision:
    """Whether `policy` lets the caller invoke the method; a Deny wins over every Allow. Raises PolicyError."""
    if not isinstance(policy, dict) or "Statement" not in policy:
        raise PolicyError("a policy document is an object with a Statement")
    decision = Decision.IMPLICIT_DENY
    for statement in _several(policy["Statement"]):
        effect = _effect(statement)
        if not _matches(statement, "Action", INVOKE, ignore_case=True) or not _matches(statement, "Resource", method_arn):
            continue
        if effect == "Deny":
            return Decision.EXPLICIT_DENY
        if statement.get("Condition"):
            LOG.warning("the Condition of an authorizer's Allow is not evaluated, so it allows nothing: %s", statement)
        else:
            decision = Decision.ALLOW
    return decision


def _effect(statement: Any) -> str:
    if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError("a statement is an object whose Effect is Allow or Deny")
    return str(statement["Effect"])


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _matches(statement: dict[str, Any], element: str, value: str, *, ignore_case: bool = False) -> bool:
    if element not in statement:
        raise PolicyError(f"a statement needs {element}")
    patterns = _several(statement[element])
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise PolicyError(f"{element} is a string or a list of strings")
    return any(_pattern(pattern, ignore_case=ignore_case).fullmatch(value) for pattern in patterns)


@lru_cache(maxsize=4096)
def _pattern(pattern: str, *, ignore_case: bool) -> re.Pattern[str]:
    """`*` stands for any characters, slashes too, `?` for exactly one."""
    wildcards = {"*": ".*", "?": "."}
    expression = "".join(wildcards.get(character) or re.escape(character) for character in pattern)
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0))
