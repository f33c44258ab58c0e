"""Every route, asked of its function by every role: the function itself refuses whom the gateway would."""

import json

import pytest

from common.identity import Role
from infra.openapi.document import deployed_operations
from infra.stack.instance import PROJECT_DIR
from tests.gateway import CONTEXT, Gateway, app_of, proxy_event, signed_in

OPERATIONS = [operation for operation in deployed_operations(PROJECT_DIR / "template.yaml") if not operation.public]


def ask(operation, user):
    """Status and code of what the function answers to a request that names nothing and brings nothing."""
    path = operation.path.format_map(_Anything())
    parameters = dict.fromkeys(_names(operation.path), "2147483647")
    body = "{}" if operation.body else None
    event = proxy_event(operation.method, operation.path, path, parameters, {}, body, {}, user)
    answer = app_of(path)(event, CONTEXT)
    return answer["statusCode"], json.loads(answer["body"] or "{}").get("code")


class _Anything(dict):
    def __missing__(self, name):
        return "2147483647"


def _names(path):
    return [part.strip("{}") for part in path.split("/") if part.startswith("{")]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
def test_a_function_serves_those_its_route_names_and_nobody_else(api: Gateway, operation):
    for role in Role:
        status, code = ask(operation, signed_in(role))
        if role.may_act_as(operation.role):
            assert status not in (401, 403) or code in {"unauthorized", "wrong_password"}, (role, status, code)
            assert status < 500, (role, status, code)
        else:
            assert (status, code) == (403, "access_denied"), role
    assert ask(operation, {})[0] == 401
    assert ask(operation, signed_in(Role.ADMIN) | {"role": "root"})[0] == 401
