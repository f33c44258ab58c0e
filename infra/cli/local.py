"""`inventory local`: one service alone under `chalice local`, for a debugger."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError

from infra.cli.context import CommandFailed, output, supervised_stack_of
from infra.cli.debug import debugger_port
from infra.cli.options import flag
from infra.deploy.deployment import STACK_NAME, client_of
from infra.stack.instance import PROJECT_DIR
from infra.stack.ports import LOOPBACK, ensure_free

# Those that `chalice local` knows how to run.
SERVICES = tuple(sorted(path.parts[-3] for path in (PROJECT_DIR / "functions").glob("*/.chalice/config.json")))


def local(
    context: typer.Context,
    service: Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.", metavar="SERVICE")],
    debug: Annotated[bool, flag("--debug", help="Let a debugger attach, on port 5678 and PORT_OFFSET.")] = False,
) -> None:
    """Run one service alone, on its own port, against the running MySQL and Redis. Ctrl-C ends it.

    Its code is that of functions/SERVICE as it is now, its settings are those of the deployed function; the other services are
    the deployed ones.
    """
    if service not in SERVICES:
        raise CommandFailed(f"There is no service {service}. There are: {', '.join(SERVICES)}")
    stack = supervised_stack_of(context)
    port = stack.ports.as_mapping()[service]
    ensure_free({service: port})
    environment = {**stack.environment(), **deployed_settings(stack, service)}
    output.print(f"{service} alone: http://{LOOPBACK}:{port}")
    debugger: list[str] = []
    if debug:
        listening = debugger_port(stack)
        ensure_free({"debugger": listening})
        debugger = [sys.executable, "-X", "frozen_modules=off", "-m", "debugpy", "--listen", f"{LOOPBACK}:{listening}"]
        output.print(f"it waits for a debugger: {LOOPBACK}:{listening}")
    os.chdir(stack.project_dir / "functions" / service)
    chalice = str(Path(sys.executable).with_name("chalice"))
    # No reloader: it would run the service in a child process, away from the debugger.
    command = [*debugger, chalice, "local", "--host", LOOPBACK, "--port", str(port), "--no-autoreload"]
    os.execve(command[0], command, environment)  # noqa: S606


def deployed_settings(stack: Any, service: str) -> dict[str, str]:
    """The deployed function's own settings; who may call, it asks the deployed authorizer."""
    try:
        deployed = client_of(stack, "lambda").get_function_configuration(FunctionName=f"{STACK_NAME}-{service}")
    except ClientError as error:
        raise CommandFailed(f"{service} is not deployed. See: inventory status") from error
    return dict(deployed.get("Environment", {}).get("Variables", {}))
