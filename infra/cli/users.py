"""`inventory users`: who may do what, decided by whoever operates the machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from common.identity import Identity, Role
from common.services import request_event
from infra.cli.context import CommandFailed, output, running_stack_of
from infra.cli.options import AsJson, group
from infra.cli.table import Table
from infra.deploy.deployment import STACK_NAME, client_of

if TYPE_CHECKING:
    from collections.abc import Mapping

app = group("Users: list them, change their roles, disable and enable them.")

# Who may invoke functions on this machine may do anything; the auth service logs what it did under this name.
_OPERATOR = Identity(user_id=0, username="operator", role=Role.ADMIN, token_id="", token_expires=0)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]


@app.command(name="list")
def list_users(context: typer.Context, as_json: AsJson = False) -> None:
    """List all users with their roles."""
    users: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = _ask(context, "GET", "/api/auth/users", query={"after": str(after), "limit": "500"})
        users += page["users"]
        after = page["next_after"]
    if as_json:
        output.print_json(json.dumps(users))
        return
    table = Table("id", "name", "email", "role", "registered (UTC)", "disabled (UTC)")
    for user in users:
        disabled = (user["disabled_at"] or "-")[:19]
        table.add_row(str(user["id"]), escape(user["username"]), escape(user["email"]), user["role"], user["created_at"][:19], disabled)
    table.print(output)


@app.command()
def role(context: typer.Context, name: Name, role: Role, as_json: AsJson = False) -> None:
    """Give a user another role. It takes effect within half a minute."""
    user = _user(context, name)
    _change(context, user, role, disabled=user["disabled_at"] is not None, as_json=as_json)


@app.command()
def disable(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Let a user in no more. Its tokens stop working within half a minute."""
    user = _user(context, name)
    _change(context, user, Role(user["role"]), disabled=True, as_json=as_json)


@app.command()
def enable(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Let a disabled user sign in again."""
    user = _user(context, name)
    _change(context, user, Role(user["role"]), disabled=False, as_json=as_json)


def _user(context: typer.Context, name: str) -> dict[str, Any]:
    found = _ask(context, "GET", "/api/auth/users", query={"q": name, "limit": "500"})["users"]
    user = next((user for user in found if user["username"].lower() == name.lower()), None)
    if user is None:
        raise CommandFailed(f"There is no user {name}. See: inventory users list")
    return dict(user)


def _change(context: typer.Context, user: Mapping[str, Any], role: Role, *, disabled: bool, as_json: bool) -> None:
    standing = {"role": role.value, "disabled": disabled}
    changed = _ask(context, "PUT", "/api/auth/users/{user_id}", path={"user_id": str(user["id"])}, body=standing)
    if as_json:
        output.print_json(json.dumps(changed))
        return
    state = "disabled" if changed["disabled_at"] else "enabled"
    output.print(f"{changed['username']}: {changed['role']}, {state}", markup=False)


def _ask(context: typer.Context, method: str, route: str, **rest: Any) -> dict[str, Any]:
    """The auth function's answer. Raises CommandFailed with what it says against the request."""
    event = request_event(method, route, _OPERATOR, **rest)
    client = client_of(running_stack_of(context), "lambda")
    answer = client.invoke(FunctionName=f"{STACK_NAME}-auth", Payload=json.dumps(event))
    payload = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise CommandFailed(f"The auth function failed: {payload.get('errorMessage')}")
    document = dict(json.loads(payload["body"]))
    if payload["statusCode"] >= 400:
        raise CommandFailed(f"{document['detail']} ({document['code']})")
    return document
