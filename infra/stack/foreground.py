"""Single servers without a supervisor, for as long as a `with` block lasts: what integration tests need."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from infra.stack.logs import tail
from infra.stack.ports import ensure_free
from infra.stack.process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.stack.instance import Stack


class StartFailed(Exception):
    """A server did not come up; its text ends with the server's last words."""


@contextmanager
def running(stack: Stack, *names: str) -> Iterator[None]:
    """Run the named servers of `stack`; all are started at once and then waited for."""
    started: list[tuple[str, ServerProcess]] = []
    try:
        for name in names:
            started.append((name, start(stack, name)))  # noqa: PERF401 - what started before a failure must be stopped
        for name, process in started:
            wait_until_healthy(stack, name, process)
        yield
    finally:
        for name, process in reversed(started):
            process.stop(stack.servers[name].stop_timeout)


def start(stack: Stack, name: str) -> ServerProcess:
    """Start one server of `stack`, without waiting for it."""
    server = stack.servers[name]
    ensure_free(server.ports)
    server.prepare()
    return ServerProcess.start(
        name,
        server.command,
        environment={**server.environment, **server.late_environment()},
        directory=server.directory,
        log=stack.logs_dir / f"{name}.log",
        run_dir=stack.run_dir,
    )


def wait_until_healthy(stack: Stack, name: str, process: ServerProcess) -> None:
    """Return when the server serves; raise StartFailed when it died or its time is up."""
    server = stack.servers[name]
    started = time.monotonic()
    while not server.is_up(time.monotonic() - started):
        alive = process.alive()
        if not alive or time.monotonic() - started > server.start_timeout:
            what = "is not up in time" if alive else f"ended with exit code {process.exit_code}"
            words = "\n".join(tail(stack.logs_dir / f"{name}.log", 20))
            raise StartFailed(f"{name} {what}:\n{words}")
        time.sleep(0.05)
