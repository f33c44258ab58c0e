"""`inventory auth`: the key that tokens are signed with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer  # noqa: TC002 - typer reads annotations when it runs

from common.auth import TOKEN_SECONDS
from infra.cli.context import CommandFailed, output, running_stack_of
from infra.cli.options import flag, group
from infra.deploy.deployment import STACK_NAME, client_of
from infra.files import write_secret

app = group("Signing in: the key that tokens are signed with.")

_SECRET = "JwtSecret"  # noqa: S105 - its logical id in the template


@app.callback()
def _several() -> None:
    """A group, however few commands it has."""


@app.command()
def rotate_key(
    context: typer.Context,
    sign_everybody_out: Annotated[
        bool, flag("--sign-everybody-out", help="Rotate twice, as after a theft: no token counts any more.")
    ] = False,
) -> None:
    """Sign new tokens with a new key. Tokens of the former key stay good, so nobody is signed out.

    Only two keys count at a time, so that a second rotation has to wait until no token of the key before is left: six hours.
    """
    stack = running_stack_of(context)
    secrets = client_of(stack, "secretsmanager")
    resource = client_of(stack, "cloudformation").describe_stack_resource(StackName=STACK_NAME, LogicalResourceId=_SECRET)
    secret_id = resource["StackResourceDetail"]["PhysicalResourceId"]
    in_use_until = _rotated_at(secrets, secret_id) + timedelta(seconds=TOKEN_SECONDS)
    if not sign_everybody_out and in_use_until > datetime.now(UTC):
        raise CommandFailed(
            f"Tokens of the key before may be in use until {in_use_until:%Y-%m-%d %H:%M} UTC: a rotation now would sign their users out.\n"
            "If that is what you want: --sign-everybody-out"
        )
    for _ in range(2 if sign_everybody_out else 1):
        value = secrets.get_random_password(PasswordLength=64, ExcludePunctuation=True)["RandomPassword"]
        secrets.put_secret_value(SecretId=secret_id, SecretString=value)
    write_secret(stack.secrets_dir / _SECRET, value)
    what = "everybody has to sign in anew, within five minutes" if sign_everybody_out else "nobody is signed out"
    output.print(f"A new key signs tokens within five minutes, as long as functions keep the former one; {what}.")


def _rotated_at(secrets: Any, secret_id: str) -> datetime:
    """When the key before the present one was replaced; long ago where there is none."""
    versions = secrets.list_secret_version_ids(SecretId=secret_id)["Versions"]
    if not any("AWSPREVIOUS" in version.get("VersionStages", ()) for version in versions):
        return datetime.fromtimestamp(0, UTC)
    present = secrets.get_secret_value(SecretId=secret_id)
    return datetime.fromtimestamp(present["CreatedDate"].timestamp(), UTC)
