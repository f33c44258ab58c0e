"""IAM policies, evaluated: what an authorizer returns, for one method, and what a role has, for one call.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import logging
import re
from enum import Enum, auto
from functools import lru_cache
from typing import Any

LOG = logging.getLogger(__name__)
ANY = "*"


class PolicyError(ValueError):
    """It is no policy: what AWS answers with a configuration error."""


class Decision(Enum):
    ALLOW = auto()
    EXPLICIT_DENY = auto()
    IMPLICIT_DENY = auto()


def decide(policy: Any, action: str, resource: str | None) -> Decision:
    """Whether `policy` lets the caller do `action` to `resource`; a Deny wins over every Allow. Raises PolicyError.

    With None for a resource that is not known, an Allow for any will do, and only a Deny for all counts.
    """
    if not isinstance(policy, dict) or "Statement" not in policy:
        raise PolicyError("a policy document is an object with a Statement")
    decision = Decision.IMPLICIT_DENY
    for statement in _several(policy["Statement"]):
        effect = _effect(statement)
        if not _matches(statement, "Action", action, ignore_case=True):
            continue
        if (resource is not None or effect == "Deny") and not _matches(statement, "Resource", resource or ANY):
            continue
        if effect == "Deny":
            return Decision.EXPLICIT_DENY
        if statement.get("Condition"):
            LOG.warning("the Condition of an Allow is not evaluated, so it allows nothing: %s", statement)
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
    """Whether the value is among what the element names, or not among what its negation names."""
    if element in statement:
        return _is_among(statement[element], element, value, ignore_case=ignore_case)
    if f"Not{element}" in statement:
        return not _is_among(statement[f"Not{element}"], f"Not{element}", value, ignore_case=ignore_case)
    raise PolicyError(f"a statement needs {element}")


def _is_among(named: Any, element: str, value: str, *, ignore_case: bool) -> bool:
    patterns = _several(named)
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise PolicyError(f"{element} is a string or a list of strings")
    return any(_pattern(pattern, ignore_case=ignore_case).fullmatch(value) for pattern in patterns)


@lru_cache(maxsize=4096)
def _pattern(pattern: str, *, ignore_case: bool) -> re.Pattern[str]:
    """`*` stands for any characters, slashes too, `?` for exactly one."""
    wildcards = {"*": ".*", "?": "."}
    expression = "".join(wildcards.get(character) or re.escape(character) for character in pattern)
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0))
