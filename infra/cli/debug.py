"""`inventory debug`: a debugger on a deployed function."""

from __future__ import annotations

import contextlib
import importlib.util
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import httpx
import typer

from infra.cli.context import CommandFailed, output, supervised_stack_of
from infra.cli.dev import tell_news
from infra.cli.invoke import function_name
from infra.cli.options import flag
from infra.deploy.hot_reload import HotReload
from infra.ending import end_as_by_ctrl_c
from infra.stack.ports import LOOPBACK, Ports, ensure_free, listener

if TYPE_CHECKING:
    from infra.stack import Stack

USUAL_PORT = 5678
_LOOK_SECONDS = 0.3


def debug(
    context: typer.Context,
    function: Annotated[str, typer.Argument(help="Its name (product, order-consumer, authorizer), or its logical id in template.yaml.")],
    port: Annotated[int | None, typer.Option(help="Where the debugger is to attach; 5678 and PORT_OFFSET unless said.")] = None,
    wait: Annotated[bool, flag("--wait", help="Import the function only when a debugger has attached, to stop in its import.")] = False,
) -> None:
    """Have a deployed function wait for a debugger, until Ctrl-C: one environment of it, that no time-out ends.

    All functions run from their sources meanwhile, as with `inventory dev`; after a save the debugger has to attach again.
    """
    stack = supervised_stack_of(context)
    name = function_name(stack, function)
    where = port or debugger_port(stack)
    ensure_free({"debugger": where})
    hot_reload = HotReload(stack, debuggers={name: {"port": where, "path": str(_debugpy_alone(stack)), "wait": wait}})
    end_as_by_ctrl_c()
    hot_reload.begin()
    try:
        while listener(where) is None:
            _look(hot_reload)
        output.print(f"{name} waits for a debugger: {LOOPBACK}:{where}. Ctrl-C ends it.")
        while True:
            _look(hot_reload)
    except KeyboardInterrupt:
        output.print(f"{name} runs as it was deployed.")
    finally:
        with contextlib.suppress(httpx.HTTPError):
            hot_reload.end()


def _look(hot_reload: HotReload) -> None:
    tell_news(hot_reload)
    time.sleep(_LOOK_SECONDS)


def debugger_port(stack: Stack) -> int:
    """Where debuggers attach to this instance unless said otherwise."""
    return USUAL_PORT + stack.ports.page - Ports.page


def _debugpy_alone(stack: Stack) -> Path:
    """A directory with debugpy and nothing else of this environment, which is not the functions'."""
    found = importlib.util.find_spec("debugpy")
    if found is None or found.origin is None:
        raise CommandFailed("There is no debugpy. Install it with: make install")
    link = stack.run_dir / "debugger" / "debugpy"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(Path(found.origin).parent)
    return link.parent
