"""`python -m infra.containers PART`: one part of an instance whose other parts run in containers of their own.

It is the part that `make up` would have started, with the same command and settings; only where the others are is another thing,
which the environment says (infra.stack.placement).
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from infra.deploy.hot_reload import HotReload
from infra.stack import Ports, Stack, bridge
from infra.stack.forwarding import forwarder_key

if TYPE_CHECKING:
    from types import FrameType

THE_CONTAINER = 1
"""LocalStack's first process as it sees it: what holds for as long as that lives holds until its container stops."""

_LOOK_SECONDS = 0.3


def main() -> int:
    """The exit code of the part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    part = parser.parse_args().part
    signal.signal(signal.SIGTERM, _end)
    return PARTS[part](Stack(Path(os.environ["RUN_DIR"]), Ports()))


def keys(_stack: Stack) -> int:
    """Have the key that LocalStack and the page's server are both given, before there is either."""
    forwarder_key(Path(os.environ["FORWARDING_DIR"]))
    return 0


def deploy(stack: Stack) -> int:
    """Run migrations and deployment, in this order, to their end; the first that fails is the last."""
    for job in stack.jobs.values():
        done = subprocess.run(job.command, env=dict(job.environment), cwd=job.directory, check=False)
        if done.returncode:
            return done.returncode
    return 0


def become_bridge(stack: Stack) -> int:
    """Run the bridge in this process's stead."""
    server = bridge.bridge(stack)
    assert server is not None
    os.chdir(server.directory)
    os.execve(server.command[0], server.command, {**server.environment, **server.late_environment()})  # noqa: S606


def hot_reload(stack: Stack) -> int:
    """Have functions run from the sources mounted into LocalStack's container, and say what becomes of each save, until SIGTERM."""
    reload = HotReload(stack, process=THE_CONTAINER)
    reload.begin()
    print("functions from their sources: what is saved in functions/ and layers/common answers on the next request", flush=True)  # noqa: T201
    try:
        while True:
            time.sleep(_LOOK_SECONDS)
            try:
                for news in reload.news():
                    print(news, flush=True)  # noqa: T201  # a command
            except (httpx.HTTPError, BotoCoreError, ClientError):
                continue  # LocalStack may be away for a moment
    finally:
        reload.end()


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


PARTS = {"keys": keys, "deploy": deploy, "bridge": become_bridge, "hot-reload": hot_reload}

if __name__ == "__main__":
    sys.exit(main())
