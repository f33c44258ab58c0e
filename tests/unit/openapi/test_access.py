"""Who may do what: the grants of the edge and the table of the documentation say what stands beside the routes."""

import importlib.util
import json
import re

import pytest

from authorizer import app as authorizer
from common.identity import Identity, Role
from common.operations import Operation
from infra.openapi.__main__ import GRANTS_PATH, ROLES_PATH
from infra.openapi.access import grants, grants_text, table_text
from infra.openapi.document import deployed_operations
from infra.stack.instance import PROJECT_DIR

STAGE = "arn:aws:execute-api:us-east-1:000000000000:abcdefghij/prod"
OPERATIONS = deployed_operations(PROJECT_DIR / "template.yaml")
GUARDED = [operation for operation in OPERATIONS if not operation.public]


def policy_of(role):
    identity = Identity(user_id=1, username="ann", role=role, token_id="t", token_expires=0)
    return authorizer._policy(identity, f"{STAGE}/GET/api/products")["policyDocument"]


def gateway_policy():
    """The plugin's own evaluation of policies, which runs where LocalStack does and imports nothing of it."""
    path = PROJECT_DIR / "localstack" / "localstack_process_runtime" / "policy.py"
    spec = importlib.util.spec_from_file_location("policy", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


POLICY = gateway_policy()
INVOKE = "execute-api:Invoke"


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("operation", GUARDED, ids=lambda operation: f"{operation.method} {operation.path}")
def test_the_edge_lets_in_whom_the_route_names_and_nobody_else(operation, role):
    for value in ("7", "health", "x%2Fy"):
        asked = f"{STAGE}/{operation.method}{re.sub(r'{.*?}', value, operation.path)}"
        allowed = POLICY.decide(policy_of(role), INVOKE, asked) is POLICY.Decision.ALLOW
        assert allowed == role.may_act_as(operation.role)


@pytest.mark.parametrize("role", Role)
def test_the_edge_lets_nobody_call_what_is_no_route(role):
    for asked in ("GET/", "GET/api", "PATCH/api/products", "POST/admin", "DELETE/api/auth/users/1", "GET/prod/api/auth/users"):
        assert POLICY.decide(policy_of(role), INVOKE, f"{STAGE}/{asked}") is POLICY.Decision.IMPLICIT_DENY


def test_policies_are_as_small_as_api_gateway_demands():
    for role in Role:
        assert len(json.dumps(policy_of(role))) < 6000  # of 8 KB, with longer names and ids to come


def test_the_authorizers_grants_are_up_to_date():
    assert GRANTS_PATH.read_text(encoding="utf-8") == grants_text(OPERATIONS), "run: make openapi"


def test_the_table_of_roles_is_up_to_date():
    assert ROLES_PATH.read_text(encoding="utf-8") == table_text(OPERATIONS), "run: make openapi"


def test_grants_that_would_let_in_too_many_are_refused():
    def operation(path, role):
        return Operation("x", "GET", path, "x", "", role, None, None, None, 204, (), repeatable=False)

    with pytest.raises(ValueError, match="do not fit"):
        grants([operation("/api/things/{name}", Role.VIEWER), operation("/api/things/secrets", Role.ADMIN)])


def test_who_may_do_what_is_as_decided():
    """The few that are not told by the method: whoever changes this list changes who may do what."""
    higher = {(o.method, o.path): o.role for o in GUARDED if o.role in (Role.MANAGER, Role.ADMIN)}
    assert higher == {
        ("POST", "/api/suppliers/import"): Role.MANAGER,
        ("POST", "/api/customers/import"): Role.MANAGER,
        ("POST", "/api/products/import"): Role.MANAGER,
        ("POST", "/api/inventory/corrections"): Role.MANAGER,
        ("POST", "/api/system/dead-letters/{dead_letter_id}/replay"): Role.MANAGER,
        ("GET", "/api/auth/users"): Role.ADMIN,
        ("PUT", "/api/auth/users/{user_id}"): Role.ADMIN,
    }
    own = {o.path for o in GUARDED if o.method != "GET" and o.role is Role.VIEWER}
    assert own == {"/api/auth/logout", "/api/auth/password", "/api/auth/validate"}
