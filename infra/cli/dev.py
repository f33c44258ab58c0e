"""`inventory dev`: functions and page from their sources, for whoever works on them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import typer
from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.context import CommandFailed, output, supervised_stack_of
from infra.deploy.hot_reload import HotReload
from infra.ending import end_as_by_ctrl_c
from infra.stack.ports import LOOPBACK, Ports, ensure_free

_USUAL_PORT = 5173
_LOOK_SECONDS = 0.3


def dev(context: typer.Context) -> None:
    """Run functions and page from their sources: a save answers on the next request. Ctrl-C ends it; the system goes on."""
    stack = supervised_stack_of(context)
    port = _USUAL_PORT + stack.ports.page - Ports.page
    ensure_free({"page from its sources": port})
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    npm = shutil.which("npm", path=path)
    if npm is None:
        raise CommandFailed("There is no npm. Install it with: make page")
    hot_reload = HotReload(stack)
    end_as_by_ctrl_c()
    hot_reload.begin()
    output.print("functions from their sources: functions/ and layers/common; what is saved there answers on the next request")
    output.print(f"page from its sources: http://{LOOPBACK}:{port}")
    addresses = {"API_URL": stack.gateway_url, "EVENTS_URL": stack.live_events_url, "PAGE_PORT": str(port)}
    page = subprocess.Popen(
        [npm, "run", "--silent", "dev"],
        cwd=stack.project_dir / "frontend",
        env={**os.environ, **addresses, "PATH": path},
        stdin=subprocess.DEVNULL,
        process_group=0,  # npm keeps SIGTERM to itself
    )
    try:
        while page.poll() is None:
            tell_news(hot_reload)
            with contextlib.suppress(subprocess.TimeoutExpired):
                page.wait(_LOOK_SECONDS)
    except KeyboardInterrupt:
        pass
    finally:
        if page.poll() is None:
            os.killpg(page.pid, signal.SIGTERM)
            page.wait()
        with contextlib.suppress(httpx.HTTPError):
            hot_reload.end()
    if page.returncode and page.returncode not in _ENDED_BY_HAND:
        raise typer.Exit(page.returncode)


_ENDED_BY_HAND = {-15, 143}
"""SIGTERM, as a process tells it and as a shell does."""


def tell_news(hot_reload: HotReload) -> None:
    # LocalStack may be away for a moment, and comes back with nothing switched on.
    with contextlib.suppress(httpx.HTTPError, BotoCoreError, ClientError):
        for reload in hot_reload.news():
            if reload.changed or reload.error:
                output.print(str(reload), style="red" if reload.error else None, markup=False)
