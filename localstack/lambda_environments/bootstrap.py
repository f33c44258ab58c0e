"""What a new interpreter runs (`python -I -S bootstrap.py LIFELINE CONTROL ORDER`) to become an execution environment.

Runs in the function's interpreter, so it imports nothing of ours: it ties its life to the pool's process, puts code, layers and the
runtime on the path as Lambda does, and hands over to awslambdaric. Given a CONTROL socket it offers itself as a template once the
function's module is imported: if nothing stands against it, it stays and forks environments instead of becoming one. An ORDER with
modules to preload makes it a base: it imports them and forks processes that each import a function. An ORDER with a sandbox is obeyed
before anything else of the function's, or of its layers', runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import importlib.util
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DESCRIPTORS = 1024  # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
F_SETSIG = 10
MESSAGE_BYTES = 262_144
DEBUGGER_LOOK_SECONDS = 0.1
OWN_TO_AN_ENVIRONMENT = {"AWS_LAMBDA_LOG_STREAM_NAME", "TMPDIR"}
NOT_SHARED = {*OWN_TO_AN_ENVIRONMENT, "AWS_LAMBDA_RUNTIME_API", "HOME"}
TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
TRACE_ID = "_X_AMZN_TRACE_ID"
SHARED_DRAWS = {"multiprocessing.process", "opentelemetry.context"}
"""Modules that draw what forks may share: a key for talking to their own children, names for what a context holds."""
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


def tell_trace_id(trace_id: str | None) -> None:
    """What awslambdaric calls before each invocation.

    Only Python's own table of variables is told: the C library keeps every value that a variable ever had, and here each is another.
    """
    variables, name = os.environ._data, os.environ.encodekey(TRACE_ID)  # type: ignore[attr-defined]
    if trace_id is None:
        variables.pop(name, None)
    else:
        variables[name] = os.environ.encodevalue(trace_id)


def listen_for_debugger(port: int, path: str, *, wait: bool) -> None:
    """Let a debugger attach from here on."""
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # it would warn of the standard library's frozen modules
    sys.path.insert(0, path)
    import debugpy

    sys.path.remove(path)
    while not _can_listen(port):  # the environment before this one, of what was saved before, is about to end
        time.sleep(DEBUGGER_LOOK_SECONDS)
    # In this process: an adapter of its own would be one more to outlive it.
    debugpy.listen(("127.0.0.1", port), in_process_debug_adapter=True)
    if wait:
        debugpy.wait_for_client()


def _can_listen(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def load_landlock() -> Any:
    """The module beside this one: not by an import, as its name may be the function's."""
    file = os.path.join(os.path.dirname(os.path.abspath(__file__)), "landlock.py")
    spec = importlib.util.spec_from_file_location("lambda_environments.landlock", file)
    assert spec is not None
    assert spec.loader is not None
    landlock = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(landlock)
    return landlock


class WatchedVariables(os._Environ[str]):
    """os.environ during an import: knows which variables were asked for by name, rather than all copied, and which were changed."""

    asked: set[str] = set()  # noqa: RUF012 (there is one os.environ)
    changed: dict[str, str] = {}  # noqa: RUF012
    """And by which file."""
    ask: Callable[[str], str | None] | None = None
    """Where those that this process was not given are told, one by one."""
    told: dict[str, str | None] = {}  # noqa: RUF012
    """What was told."""
    _listed: list[str] = []  # noqa: RUF012

    def __getitem__(self, name: str) -> str:
        if self._listed and self._listed[-1] == name:  # a copy asks for each in the order they were listed
            self._listed.pop()
        else:
            self._listed.clear()
            self.asked.add(name)
        try:
            return super().__getitem__(name)
        except KeyError:
            if WatchedVariables.ask is None or name in self.told or name in self.changed:
                raise
            value = self.told[name] = WatchedVariables.ask(name)
            if value is None:
                raise
            super().__setitem__(name, value)
            return value

    def __setitem__(self, name: str, value: str) -> None:
        self.changed[name] = _caller()
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        self.changed[name] = _caller()
        super().__delitem__(name)

    def __iter__(self) -> Iterator[str]:
        names = list(super().__iter__())
        self._listed[:] = reversed(names)
        return iter(names)


def _caller() -> str:
    """The file of the code that changes a variable, through whichever method of a mapping."""
    frame = sys._getframe(2)
    while frame.f_code.co_filename.startswith("<frozen") and frame.f_back:
        frame = frame.f_back
    return frame.f_code.co_filename


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
        WatchedVariables.asked.clear()
        WatchedVariables.changed.clear()
        WatchedVariables.told.clear()

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
        caller = sys._getframe(1)
        if caller.f_globals.get("__name__") == "uuid" and caller.f_back:
            caller = caller.f_back
        self._drew |= caller.f_globals.get("__name__") not in SHARED_DRAWS
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


class Forking:
    """What this process is once it has imported enough: forks others as the pool orders."""

    def __init__(self, control: socket.socket, lifeline: int, tied: int) -> None:
        self._control = control
        self._lifeline = lifeline
        self._tied = tied

    def offer(self, **message: Any) -> bool:
        """Tell the pool what this process has to offer; False when it does not listen."""
        try:
            self._control.send(json.dumps(message).encode())
        except OSError:  # the import closed it
            return False
        return True

    def decline(self) -> None:
        self._control.close()

    def ask(self, name: str) -> str | None:
        """A variable of the function that this process was started for, which it was not given: it may be a secret."""
        try:
            self._control.send(json.dumps({"ask": name}).encode())
            value: str | None = json.loads(self._control.recv(MESSAGE_BYTES))["value"]
        except (OSError, ValueError):  # the import closed it: then this is no base, as it will say
            return None
        return value

    def serve(self) -> tuple[dict[str, Any], list[int]]:
        """Fork one process for each order. Returns in those, with the order and the descriptors it came with, never in this one."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.close(null)
        gc.freeze()  # or the first collection in each of them would copy what they share
        while True:
            # The order itself is for the new process to read: what this one had read, all others would have in their memory.
            message, descriptors, _, _ = socket.recv_fds(self._control, 16, 3, socket.MSG_CMSG_CLOEXEC)
            if not message:  # the pool has closed it
                os._exit(0)
            try:
                forked = self._fork_detached()
            except OSError:
                forked = False
            if forked is None:
                order = descriptors.pop(0)
                self._become_another(descriptors.pop(0))
                with open(order, "rb") as file:
                    return json.loads(file.read()), descriptors
            for descriptor in descriptors:
                os.close(descriptor)
            if not forked:
                self._tell(-1)

    def _fork_detached(self) -> bool | None:
        """Fork a process that becomes the pool's child, whatever becomes of this one: None in it, here whether it has told its number.

        It tells that itself: if this process died in between, the pool would start another in its place, and know nothing of it.
        """
        told, tell = os.pipe()
        between = os.fork()
        if between == 0:
            between = os.getpid()
            try:
                pid = os.fork()
            except OSError:
                os._exit(1)
            if pid:
                os._exit(0)
            os.setsid()
            while os.getppid() == between:  # until the pool can wait for this process
                os.sched_yield()
            try:
                self._tell(os.getpid())
            except OSError:  # the pool has closed it
                os._exit(0)
            os.write(tell, b"1")
            os.close(tell)
            os.close(told)  # not before: who forked this process may be gone
            return None
        os.close(tell)
        has_told = bool(os.read(told, 1))  # before the next one is forked: the pool goes by their order
        os.close(told)
        os.waitpid(between, 0)
        return has_told

    def _tell(self, pid: int) -> None:
        self._control.send(json.dumps({"pid": pid}).encode())

    def _become_another(self, output: int) -> None:
        """A life, an output of its own."""
        tied = tie_life_to(self._lifeline)
        os.dup2(tied, self._tied, inheritable=False)
        os.close(tied)
        self._control.close()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)


class Process:
    """What this process becomes: first the base of many functions, perhaps, then the template of one, or straight its environment."""

    def __init__(self, lifeline: int, control: int, order: dict[str, Any]) -> None:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        if most == resource.RLIM_INFINITY or most > DESCRIPTORS:
            resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        self._lifeline = lifeline
        self._tied = tie_life_to(lifeline)
        self._control = control
        self._order = order
        self._landlock = load_landlock() if "sandbox" in order else None  # what is confined could not read it
        self._standard_path = sys.path[:]
        self._read_by_bases: set[str] = set()
        self._set_by_bases: dict[str, str | None] = {}

    def run(self) -> None:
        self._take_up_order()
        while "preload" in self._order:
            self._be_base()
        from awslambdaric import __main__, bootstrap

        self._import_handler = bootstrap._get_handler
        bootstrap._get_handler = self._become_ready
        bootstrap.update_xray_env_variable = tell_trace_id
        if "debugger" in self._order:
            listen_for_debugger(**self._order["debugger"])
        sys.argv = ["bootstrap", os.environ["_HANDLER"]]
        __main__.main(sys.argv)

    def _take_up_order(self) -> None:
        users = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
        sys.path[:] = [*self._order["path"], *users, *self._standard_path]
        if "bytecode" in self._order:
            sys.pycache_prefix, sys.dont_write_bytecode = self._order["bytecode"], True
        if self._landlock is not None:
            self._landlock.confine(**self._order["sandbox"])
        sys.modules["runtime_client"] = None  # type: ignore[assignment] # it takes the Runtime API's address when it is loaded

    def _be_base(self) -> None:
        """Import what functions have in common. Returns in the processes that are forked: each for a function, or a base of fewer."""
        forking = self._forking()
        given: dict[str, str | None] = {**(self._order.get("variables") or os.environ)}
        WatchedVariables.ask = forking.ask
        with ImportWatch(self._order["scratch"]) as watch:
            from awslambdaric import bootstrap

            # Before layers are imported: what they put on the root logger's handler when they find it there, they do not otherwise.
            bootstrap._setup_logging(bootstrap._AWS_LAMBDA_LOG_FORMAT, bootstrap._AWS_LAMBDA_LOG_LEVEL, bootstrap.StandardLogSink())
            bootstrap._setup_logging = lambda *_: None
            for name in self._order["preload"]:
                with contextlib.suppress(Exception):  # the function's own import will raise it, and say so
                    importlib.import_module(name)
        WatchedVariables.ask = None
        given |= WatchedVariables.told
        read = {name: given.get(name) for name in WatchedVariables.asked - NOT_SHARED}
        if not forking.offer(objection=watch.objection(), read=read):
            os._exit(0)
        self._read_by_bases |= WatchedVariables.asked
        self._set_by_bases |= {name: os.environ.get(name) for name in WatchedVariables.changed}
        self._order, controls = forking.serve()
        (self._control,) = controls or (-1,)
        self._change_variables(self._order["variables"])
        os.chdir(self._order["variables"]["LAMBDA_TASK_ROOT"])
        self._take_up_order()

    def _change_variables(self, variables: dict[str, str]) -> None:
        """To those of another function, with what the layers imported so far would have set."""
        coerced = {name: os.environ[name] for name in ("LC_CTYPE",) if name in os.environ}  # by the interpreter when it started
        os.environ.clear()
        os.environ.update(coerced | variables)
        for name, value in self._set_by_bases.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        time.tzset()

    def _become_ready(self, name: str) -> Any:
        """What awslambdaric calls to import the function; its session with the Runtime API begins when this returns."""
        from awslambdaric import lambda_runtime_client

        handler = self._import_handler(name) if self._control < 0 else self._be_template(name)
        del sys.modules["runtime_client"]
        import runtime_client

        runtime_client.initialize_client(lambda_runtime_client._user_agent())
        lambda_runtime_client.runtime_client = runtime_client
        return handler

    def _be_template(self, name: str) -> Any:
        """Import the function. Returns in its environments, of which this process is the first and last one if it must not fork."""
        forking = self._forking()
        variables = dict(os.environ)
        with ImportWatch(self._order["scratch"]) as watch:
            handler = self._import_handler(name)
        objection = watch.objection()
        code = os.environ["LAMBDA_TASK_ROOT"] + os.sep
        own_changes = {variable for variable, file in WatchedVariables.changed.items() if file.startswith(code)}
        conflict = min(own_changes & self._read_by_bases, default="")
        told = forking.offer(objection=objection, conflict=conflict)
        if told and conflict:  # to be imported anew, without a base
            os._exit(0)
        if objection or not told:
            forking.decline()
            return handler
        own_variables, _ = forking.serve()
        for variable, value in own_variables.items():
            if os.environ.get(variable) == variables.get(variable):  # the import may have set it
                os.environ[variable] = value
        return handler

    def _forking(self) -> Forking:
        return Forking(socket.socket(fileno=self._control), self._lifeline, self._tied)


if __name__ == "__main__":
    Process(int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])).run()
