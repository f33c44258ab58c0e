"""Who may do what, told from the roles that stand beside the routes: to the authorizer as grants, to people as a table."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from common.identity import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.operations import Operation

_INTRODUCTION = """# Roles

Made by `make openapi` of what stands beside each route; [security.md](security.md) says how it is enforced.

Each role may do all that the one to its left may. Whoever registers first becomes admin, everybody else clerk; an admin changes that
on the page under Users, or an operator with `inventory users`.

"""


def grants(operations: Sequence[Operation]) -> dict[str, list[str]]:
    """By role, the ends of the ARNs it may invoke, as `GET/api/products*`.

    Routes of a method that begin with the same two words are one grant where the role may call them all: API Gateway takes
    8 KB of policy. Raises ValueError where a grant would let in who may not.
    """
    groups: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        if operation.role is not None:
            groups[f"{operation.method}{_beginning(operation.path)}*"].append(operation)
    found = {}
    for role in Role:
        allowed: list[str] = []
        for group, members in sorted(groups.items()):
            mine = [_arn_end(member) for member in members if role.may_act_as(member.role or role)]
            allowed += [group] if len(mine) == len(members) else sorted(mine)
        found[role.value] = allowed
    _check(found, operations)
    return found


def grants_text(operations: Sequence[Operation]) -> str:
    """The grants as they are kept beside the authorizer."""
    return json.dumps(grants(operations), indent=1) + "\n"


def table_text(operations: Sequence[Operation]) -> str:
    """The table of roles and endpoints, as a page of the documentation."""
    cells = {(operation.path, operation.method): _cells(operation.role) for operation in operations}
    # No function's, but the gateway is asked whether the token is one.
    cells["/api/events", "GET"] = _cells(Role.VIEWER)
    rows = [[f"`{method} {path}`", *cells[path, method]] for path, method in sorted(cells)]
    lines = [["", *(role.value for role in Role)], ["---", *(":---:" for _ in Role)], *rows]
    return _INTRODUCTION + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(needed: Role | None) -> list[str]:
    if needed is None:
        return ["no token" for _ in Role]
    return ["✓" if role.may_act_as(needed) else "" for role in Role]


def _beginning(path: str) -> str:
    """`/api/<word>` of a path."""
    return "/".join(path.split("/")[:3])


def _arn_end(operation: Operation) -> str:
    return operation.method + re.sub(r"\{\w+\}", "*", operation.path)


def _check(found: dict[str, list[str]], operations: Sequence[Operation]) -> None:
    for operation in operations:
        if operation.role is None:
            continue
        asked = operation.method + re.sub(r"\{\w+\}", "7", operation.path)
        for role in Role:
            if any(fnmatchcase(asked, grant) for grant in found[role]) != role.may_act_as(operation.role):
                raise ValueError(f"the grants of {role} do not fit {operation.method} {operation.path}")
