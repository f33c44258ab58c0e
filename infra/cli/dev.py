"""`inventory dev`: the page from its sources, for whoever works on it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import typer  # noqa: TC002 - typer reads annotations when it runs

from infra.cli.context import CommandFailed, output, running_stack_of
from infra.stack.ports import LOOPBACK, Ports, ensure_free

_USUAL_PORT = 5173


def dev(context: typer.Context) -> None:
    """Serve the page from its sources, changed in the browser as they are edited. Ctrl-C ends it; the system goes on."""
    stack = running_stack_of(context)
    port = _USUAL_PORT + stack.ports.page - Ports.page
    ensure_free({"page from its sources": port})
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    npm = shutil.which("npm", path=path)
    if npm is None:
        raise CommandFailed("There is no npm. Install it with: make page")
    addresses = {"API_URL": stack.gateway_url, "EVENTS_URL": stack.live_events_url, "PAGE_PORT": str(port)}
    output.print(f"page from its sources: http://{LOOPBACK}:{port}")
    os.chdir(stack.project_dir / "frontend")
    os.execve(npm, [npm, "run", "--silent", "dev"], {**os.environ, **addresses, "PATH": path})  # noqa: S606
