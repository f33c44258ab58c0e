"""What a new interpreter runs (`python -I -S bootstrap.py LIFELINE CONTROL SCRATCH PATH...`) to become an execution environment.

Runs in the function's interpreter, so it imports nothing of ours: it ties its life to the pool's process, puts code, layers and the
runtime on the path as Lambda does, and hands over to awslambdaric. Given a CONTROL socket it offers itself as a template once the
function's module is imported: if nothing stands against it, it stays and forks environments instead of becoming one.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import select
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

F_SETSIG = 10
OWN_TO_AN_ENVIRONMENT = {"AWS_LAMBDA_LOG_STREAM_NAME", "TMPDIR"}
TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
STATELESS_FILES = {"/dev/null", "/dev/random", "/dev/urandom"}


def tie_life_to(lifeline: int) -> int:
    """Let the kernel kill this process group when the pool's process, the only one that can write to `lifeline`, is gone.

    A parent's death would not do: the parent of a forked environment is first its template, which it is to outlive.
    """
    descriptor = os.open(f"/proc/self/fd/{lifeline}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # signals belong to an open file
    fcntl.fcntl(descriptor, F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(descriptor, 0)
    if poll.poll(0):  # it went before the line above
        os._exit(1)
    return descriptor


class WatchedVariables(os._Environ[str]):
    """os.environ while the function is imported: knows which variables were asked for by name, rather than all copied."""

    asked: set[str] = set()  # noqa: RUF012 (there is one os.environ)
    _listed: list[str] = []  # noqa: RUF012

    def __getitem__(self, name: str) -> str:
        if self._listed and self._listed[-1] == name:  # a copy asks for each in the order they were listed
            self._listed.pop()
        else:
            self._listed.clear()
            self.asked.add(name)
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[str]:
        names = list(super().__iter__())
        self._listed[:] = reversed(names)
        return iter(names)


class ImportWatch:
    """Watches an import for what processes forked after it would wrongly have in common."""

    def __init__(self, scratch: str) -> None:
        import random

        self._random = random
        self._scratch = scratch
        self._open_files = _open_files()
        self._mappings = _shared_mappings()
        self._random_state = random.getstate()
        self._drew = False

    def __enter__(self) -> Self:
        self._originals = (os.urandom, self._random.Random.seed)
        os.environ.__class__ = WatchedVariables
        os.urandom = self._random._urandom = self._urandom  # type: ignore[attr-defined]
        self._random.Random.seed = self._seeder(self._random.Random.seed)  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        os.environ.__class__ = os._Environ
        os.urandom = self._random._urandom = self._originals[0]  # type: ignore[attr-defined]
        self._random.Random.seed = self._originals[1]  # type: ignore[method-assign]

    def _urandom(self, size: int, /) -> bytes:
        # multiprocessing makes a key for talking to its own children, which forks may share.
        self._drew |= sys._getframe(1).f_globals.get("__name__") != "multiprocessing.process"
        return self._originals[0](size)

    def _seeder(self, seed: Any) -> Any:
        def noting_seed(generator: Any, a: Any = None, version: int = 2) -> None:
            self._drew |= a is None
            seed(generator, a, version)

        return noting_seed

    def objection(self) -> str:
        """Why this process must not be forked; empty when it may."""
        found = next((what for what in self._shared_by_forks() if what), "")
        return f"its import {found}" if found else ""

    def _shared_by_forks(self) -> Iterator[str]:
        yield "starts a thread" if len(os.listdir("/proc/self/task")) > 1 else ""
        yield "starts a process" if _has_children() else ""
        for _, target in _open_files() - self._open_files:
            yield f"leaves open {target.partition(':')[0]}" if target not in STATELESS_FILES else ""
        yield "leaves memory shared between processes" if _shared_mappings() - self._mappings else ""
        yield "starts a timer" if any(signal.getitimer(timer) != (0.0, 0.0) for timer in TIMERS) else ""
        for name in WatchedVariables.asked & OWN_TO_AN_ENVIRONMENT:
            yield f"asks for {name}"
        yield "draws random numbers" if self._drew or self._random.getstate() != self._random_state else ""
        yield "writes temporary files" if os.listdir(self._scratch) else ""


def _open_files() -> set[tuple[str, str]]:
    """Number and target of each, but for the one that reads the directory."""
    files = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            files.add((descriptor, os.readlink(f"/proc/self/fd/{descriptor}")))
        except FileNotFoundError:
            continue
    return files


def _shared_mappings() -> set[str]:
    with open("/proc/self/maps") as maps:
        return {line for line in maps if line.split()[1][3] == "s"}


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


class Template:
    """What this process is once it has imported the function: forks environments as it is told."""

    def __init__(self, control: socket.socket, lifeline: int, tied: int) -> None:
        self._control = control
        self._lifeline = lifeline
        self._tied = tied
        self._variables = dict(os.environ)

    def offer(self, objection: str) -> None:
        """Tell the pool whether this process can be a template, and be one. Returns in the environments only, of which this process
        is the first and last one when there is an objection.
        """
        try:
            self._control.send(json.dumps({"objection": objection}).encode())
        except OSError:  # the import closed it
            objection = "its import closes files it did not open"
        if objection:
            self._control.close()
        else:
            self._serve()

    def _serve(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.close(null)
        gc.freeze()  # or the first collection in each environment would copy what they share
        while True:
            order, descriptors, _, _ = socket.recv_fds(self._control, 65_536, 1, socket.MSG_CMSG_CLOEXEC)
            if not order:  # the pool has closed it
                os._exit(0)
            (output,) = descriptors
            try:
                pid = _fork_detached()
            except OSError:
                pid = -1
            if pid == 0:
                self._become_environment(output, json.loads(order))
                return
            os.close(output)
            self._control.send(json.dumps({"pid": pid}).encode())

    def _become_environment(self, output: int, own_variables: dict[str, str]) -> None:
        os.setsid()
        tie_life_to(self._lifeline)
        os.close(self._tied)
        self._control.close()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        for name, value in own_variables.items():
            if os.environ.get(name) == self._variables.get(name):  # the import may have set it
                os.environ[name] = value


def _fork_detached() -> int:
    """Fork a process that becomes the pool's child, whatever becomes of this one: 0 in it, its number here, -1 if it cannot be."""
    number, tell = os.pipe()
    between = os.fork()
    if between == 0:
        try:
            pid = os.fork()
        except OSError:
            os._exit(1)
        if pid:
            os.write(tell, b"%d" % pid)
            os._exit(0)
        os.close(tell)
        os.close(number)
        return 0
    os.close(tell)
    pid = int(os.read(number, 20) or -1)
    os.close(number)
    os.waitpid(between, 0)  # from here on the pool can wait for the new process
    return pid


def run(lifeline: int, control: int, scratch: str, path: list[str]) -> None:
    """Become an environment, by way of a template when there is a `control` socket (not -1)."""
    tied = tie_life_to(lifeline)
    sys.path[:0] = [*path, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    sys.modules["runtime_client"] = None  # type: ignore[assignment] # it takes the Runtime API's address when it is loaded
    from awslambdaric import __main__, bootstrap, lambda_runtime_client

    import_handler = bootstrap._get_handler

    def become_ready(name: str) -> Any:
        """What awslambdaric calls to import the function; its session with the Runtime API begins when this returns."""
        if control < 0:
            handler = import_handler(name)
        else:
            template = Template(socket.socket(fileno=control), lifeline, tied)
            with ImportWatch(scratch) as watch:
                handler = import_handler(name)
            template.offer(watch.objection())
        del sys.modules["runtime_client"]
        import runtime_client

        runtime_client.initialize_client(lambda_runtime_client._user_agent())
        lambda_runtime_client.runtime_client = runtime_client
        return handler

    bootstrap._get_handler = become_ready
    sys.argv = ["bootstrap", os.environ["_HANDLER"]]
    __main__.main(sys.argv)


if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
