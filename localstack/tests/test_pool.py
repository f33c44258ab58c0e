"""The environment pool by itself: no LocalStack, no gateway."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from harness import CODE, Harness, fork_server, fresh_interpreter, left_over, payload
from stack import eventually, free_ports

import lambda_environments
from lambda_environments import Debugger, Invocation, PoolLimits, PoolSaturatedError
from lambda_environments.fork_server import ForkServer
from lambda_environments.spawn import FreshInterpreter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_environments.spawn import EnvironmentProcess, Launch, SpawnStrategy


@pytest.fixture(params=[fork_server, fresh_interpreter], ids=["fork", "fresh"])
def spawner(request: pytest.FixtureRequest) -> SpawnStrategy:
    """Both ways to start a process keep every promise of the pool."""
    return request.param()


@pytest.fixture
def harness(tmp_path: Path, spawner: SpawnStrategy, request: pytest.FixtureRequest) -> Iterator[Harness]:
    harness = Harness(tmp_path, getattr(request, "param", PoolLimits(drain_seconds=1)), spawner)
    yield harness
    harness.pool.close()
    assert left_over() == []


def limited(**limits: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("harness", [PoolLimits(**({"drain_seconds": 1} | limits))], indirect=True, ids=["limits"])


def test_the_package_imports_neither_localstack_nor_anything_of_an_http_gateway():
    allowed = {"lambda_environments", "httptools", "uvloop", "awslambdaric", "runtime_client", "debugpy", *sys.stdlib_module_names}
    for file in Path(lambda_environments.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= allowed, file.name


def test_the_trace_id_of_each_invocation_is_told_without_the_c_library_keeping_it(harness: Harness):
    code = """
        import ctypes, os

        getenv = ctypes.CDLL(None).getenv
        getenv.restype = ctypes.c_char_p

        def handler(event, context):
            return [os.environ.get("_X_AMZN_TRACE_ID"), getenv(b"_X_AMZN_TRACE_ID"), getenv(b"AWS_REGION").decode()]
    """
    spec = harness.spec(code=textwrap.dedent(code))
    for trace_id in ("Root=1-2-3", "Root=4-5-6"):
        assert payload(harness.invoke(spec, trace_id=trace_id)) == [trace_id, None, spec.region]


def test_the_function_gets_its_deadline_client_context_and_trace(harness: Harness):
    result = harness.invoke(
        harness.spec(timeout_seconds=5.0), {"context": 1}, client_context='{"custom": {"a": "b"}}', trace_id="Root=1-2-3"
    )
    custom, remaining, trace = payload(result)
    assert custom == {"a": "b"}
    assert 4000 < remaining <= 5000
    assert trace == "Root=1-2-3"


@limited(per_function=2, total=10)
def test_at_the_functions_bound_invocations_queue_in_order_and_none_fails(harness: Harness):
    spec = harness.spec()
    with ThreadPoolExecutor(20) as threads:
        results = list(threads.map(lambda _: harness.invoke(spec, {"sleep": 0.02}), range(20)))
    assert all(result.function_error is None for result in results)
    assert len({payload(result) for result in results}) <= 2
    assert len(harness.environments()) <= 2


@limited(per_function=1)
def test_the_queue_is_first_come_first_served(harness: Harness):
    spec = harness.spec()
    harness.warm(spec)
    running = harness.held(spec)
    waiting = []
    for number in range(5):
        waiting.append(harness.start(spec, {"when": True}))
        eventually(lambda: harness.queued("function") == number + 1, "it queues")  # noqa: B023
    assert running.let_go().function_error is None
    # By the function's own clock: the answers are told by threads, which may overtake each other.
    served = [int(future.result(10).payload or b"") for future in waiting]
    assert served == sorted(served)


@limited(per_function=1, queue_seconds=1.5)
def test_an_invocation_that_queued_for_too_long_is_refused_and_the_environment_serves_on(harness: Harness):
    spec = harness.spec()

    def served() -> bool:
        with contextlib.suppress(PoolSaturatedError):
            return harness.invoke(spec).function_error is None
        return False

    eventually(served, "an environment is there: its start may take longer than anybody queues", 30)
    harness.idles()
    running = harness.held(spec)
    with pytest.raises(PoolSaturatedError, match=r"within 1\.5 s"):
        harness.invoke(spec)
    assert running.let_go().function_error is None
    assert harness.invoke(spec).function_error is None


def test_whatever_keeps_an_environment_from_starting_is_the_answer(harness: Harness, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise SystemError("nobody thought of this")

    monkeypatch.setattr(harness.pool.pool._spawner, "spawn", broken)
    result = harness.invoke(harness.spec())
    assert result.function_error == "Unhandled"
    assert b"nobody thought of this" in result.payload
    monkeypatch.undo()
    assert harness.invoke(harness.spec()).function_error is None


@limited(total=2)
def test_at_the_total_bound_another_functions_idle_environment_gives_way(harness: Harness):
    for name in ("a", "b", "c"):
        harness.warm(harness.spec(name))
    eventually(lambda: {each["function"] for each in harness.environments()} == {"b", "c"}, "the one idle longest is gone")


@limited(total=1)
def test_functions_that_wait_for_one_another_do_not_deadlock_at_the_total_bound(harness: Harness):
    first = harness.held(harness.spec("a"))
    assert harness.invoke(harness.spec("b")).function_error is None
    assert first.let_go().function_error is None


@limited(idle_seconds=0.2)
def test_an_idle_environment_ends_after_its_time(harness: Harness):
    pid = payload(harness.invoke(harness.spec()))
    eventually(lambda: harness.environments() == [], "it is reaped")
    assert not psutil.pid_exists(pid)


def test_more_memory_than_configured_ends_the_process(harness: Harness):
    result = harness.invoke(harness.spec(), {"allocate": 300})
    assert payload(result)["errorType"] == "Runtime.ExitError"
    assert payload(result)["errorMessage"].endswith("signal: killed")
    assert result.duration_ms < 3000
    assert "Error Type: Runtime.OutOfMemory" in result.log_lines[-1]
    assert harness.invoke(harness.spec()).function_error is None


@pytest.mark.parametrize("status", [0, 3])
def test_a_process_that_exits_is_answered_at_once(harness: Harness, status: int):
    result = harness.invoke(harness.spec(), {"exit": status})
    assert payload(result)["errorMessage"].endswith(f"Runtime exited with error: exit status {status}")


def test_a_process_that_exits_while_it_imports_is_answered_at_once(harness: Harness):
    result = harness.invoke(harness.spec(code="import os; os._exit(7)"))
    assert (result.function_error, payload(result)["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert payload(result)["errorMessage"].endswith("exit status 7")


def test_an_exception_while_importing_comes_with_its_type_and_trace(harness: Harness):
    result = harness.invoke(harness.spec(code="raise RuntimeError('not configured')"))
    answer = payload(result)
    assert (answer["errorType"], answer["errorMessage"]) == ("RuntimeError", "not configured")
    assert "not configured" in "".join(answer["stackTrace"])


def test_an_import_that_never_ends_is_ended(tmp_path: Path, spawner: SpawnStrategy):
    harness = Harness(tmp_path, PoolLimits(drain_seconds=1), spawner, init_seconds=0.5)
    with contextlib.closing(harness.pool):
        result = harness.invoke(harness.spec(code="import time; time.sleep(60)"))
        assert payload(result)["errorType"] == "Sandbox.Timedout"
        eventually(lambda: harness.environments() == [], "the process is gone")


def test_every_waiting_invocation_of_a_function_that_cannot_start_is_answered(harness: Harness):
    spec = harness.spec(code="import os; os._exit(1)")
    with ThreadPoolExecutor(12) as threads:
        results = list(threads.map(lambda _: harness.invoke(spec), range(12)))
    assert {payload(result)["errorType"] for result in results} == {"Runtime.ExitError"}


@pytest.mark.parametrize("forks", [True, False])
def test_an_interpreter_that_does_not_exist_is_an_answer_too(tmp_path: Path, forks: bool):
    missing = FreshInterpreter("/nowhere/python")
    spawner = ForkServer(missing, most=1, idle_seconds=1, base_idle_seconds=1, init_seconds=1) if forks else missing
    harness = Harness(tmp_path, PoolLimits(drain_seconds=1), spawner)
    with contextlib.closing(harness.pool):
        assert payload(harness.invoke(harness.spec()))["errorType"] == "Runtime.InvalidEntrypoint"


def test_what_a_function_started_ends_with_it(harness: Harness):
    child = payload(harness.invoke(harness.spec(), {"child": 1}))
    harness.invoke(harness.spec(), {"exit": 1})
    eventually(lambda: ended(child), "the child is gone")


def test_what_a_function_started_in_a_session_of_its_own_ends_with_it_and_nothing_else_does(harness: Harness):
    code = """
        import os, subprocess

        def handler(event, context):
            if event:
                os._exit(1)
            return subprocess.Popen(["sleep", "60"], start_new_session=True).pid
    """
    spec, other = harness.spec(code=code), harness.spec("other", code=code)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as own:
        child, others = payload(harness.invoke(spec)), payload(harness.invoke(other))
        harness.invoke(spec, {"exit": 1})
        eventually(lambda: not psutil.pid_exists(child), "the child is gone, and waited for")
        assert own.poll() is None
        assert psutil.pid_exists(others)
        own.kill()


def test_what_ends_after_its_parent_is_waited_for_while_its_environment_lives(harness: Harness):
    code = """
        import os, subprocess

        def handler(event, context):
            subprocess.run(["sh", "-c", "true &"])
            return os.getpid()
    """
    spec = harness.spec(code=code)
    pids = {payload(harness.invoke(spec)) for _ in range(5)}
    eventually(lambda: all(process.status() != psutil.STATUS_ZOMBIE for process in psutil.Process().children()), "none is a zombie")
    assert psutil.pid_exists(pids.pop())


def test_an_answer_over_6_mb_is_an_error_and_the_environment_lives_on(harness: Harness):
    pid = payload(harness.invoke(harness.spec()))
    harness.idles()
    result = harness.invoke(harness.spec(), {"size": 6_300_000})
    assert payload(result)["errorType"] == "Function.ResponseSizeTooLarge"
    harness.idles()
    assert payload(harness.invoke(harness.spec())) == pid


def test_a_new_revision_gets_new_environments_and_the_old_ones_finish_first(harness: Harness):
    old, new = harness.spec(revision="1"), harness.spec(revision="2")
    pid = payload(harness.invoke(old))
    harness.idles()
    running = harness.held(old)
    harness.pool.retire(old.identity)
    assert payload(harness.invoke(new)) != pid
    assert payload(running.let_go()) == pid
    eventually(lambda: [each["retired"] for each in harness.environments()] == [False], "the old environment is gone")
    assert harness.invoke(old).function_error is None, "an invocation that was late still runs"
    eventually(lambda: len(harness.environments()) == 1, "and leaves nothing behind")


def test_what_waits_for_a_debugger_ends_with_its_revision(harness: Harness, tmp_path: Path):
    stand_in = tmp_path / "debugger" / "debugpy.py"
    stand_in.parent.mkdir()
    stand_in.write_text(textwrap.dedent(DEBUGGER))
    (port,) = free_ports(1)
    spec = harness.spec(forkable=False, debugger=Debugger(port, stand_in.parent, wait=True))
    waiting, prepared = harness.start(spec), harness.pool.prepare(spec)
    eventually(lambda: listens(port), "it waits for a debugger")
    harness.pool.retire(spec.identity)
    with pytest.raises(PoolSaturatedError, match="debugs"):
        waiting.result(10)
    assert prepared.result(10) is None
    eventually(lambda: harness.environments() == [], "it is gone")
    assert not listens(port)
    with pytest.raises(PoolSaturatedError, match="debugs"):
        harness.invoke(spec)


DEBUGGER = """
    import socket, time

    def listen(address, in_process_debug_adapter):
        global server
        server = socket.create_server(address)

    def wait_for_client():
        time.sleep(600)
"""


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_closing_refuses_what_no_process_has_read(tmp_path: Path, spawner: SpawnStrategy):
    harness = Harness(tmp_path, PoolLimits(drain_seconds=0.1), spawner)
    spec = harness.spec()
    with contextlib.closing(harness.pool):
        harness.warm(spec)
        os.kill(eventually(lambda: harness.environments()[0]["pid"], "its process is known"), signal.SIGSTOP)
        unread = harness.start(spec)
        eventually(lambda: harness.environments()[0]["state"] == "busy", "it is handed to the one that does not read")
    with pytest.raises(PoolSaturatedError, match="shut down"):
        unread.result(10)


def test_closing_answers_what_runs_in_a_process_whose_number_is_not_told_yet(
    tmp_path: Path, spawner: SpawnStrategy, monkeypatch: pytest.MonkeyPatch
):
    harness = Harness(tmp_path, PoolLimits(drain_seconds=0.1), spawner)
    spawn = spawner.spawn

    async def slowly(launch: Launch) -> EnvironmentProcess:
        process = await spawn(launch)
        try:
            await asyncio.sleep(600)
        finally:
            process.kill()
            process.reap()
        return process

    monkeypatch.setattr(spawner, "spawn", slowly)
    with contextlib.closing(harness.pool):
        running = harness.held(harness.spec())
    assert payload(running.future.result(10))["errorType"] == "Runtime.ExitError"


def test_lines_are_logged_whole_in_order_and_without_an_end_of_line(harness: Harness):
    harness.invoke(harness.spec(), {"write": "one\ntwo\n\nthree é \U0001f600 without end"})
    eventually(lambda: any(line.startswith("REPORT") for line in harness.lines()), "the log arrived")
    start, *written, end, report = harness.lines()
    assert start.startswith("START RequestId: ")
    assert written == ["one\n", "two\n", "\n", "three é \U0001f600 without end\n"]
    assert end.startswith("END RequestId: ")
    assert "Init Duration: " in report


def test_a_long_running_function_is_logged_while_it_runs(harness: Harness):
    running = harness.held(harness.spec(), write="begun\n")
    eventually(lambda: "begun\n" in harness.lines(), "the line arrived")
    assert running.let_go().function_error is None


def test_the_tail_is_of_this_invocation_and_4_kb_at_most(harness: Harness):
    harness.invoke(harness.spec(), {"write": "before\n"})
    result = harness.invoke(harness.spec(), {"write": "".join(f"line {number}\n" for number in range(5000))})
    tail = result.log_tail().decode()
    assert len(tail) == 4096
    assert "line 4999\nEND RequestId" in tail
    assert "before" not in tail


def test_invoking_after_close_is_refused_and_close_waits_for_what_runs(tmp_path: Path, spawner: SpawnStrategy):
    harness = Harness(tmp_path, PoolLimits(drain_seconds=5), spawner)
    with contextlib.closing(harness.pool), ThreadPoolExecutor() as threads:
        running = harness.held(harness.spec())
        closing = threads.submit(harness.pool.close)
        eventually(lambda: _refused(harness), "no more is taken")
        assert running.let_go().function_error is None
        closing.result(10)


def _refused(harness: Harness) -> bool:
    try:
        harness.pool.invoke(harness.spec(), Invocation(b"{}", "id", "arn"), timeout_seconds=0.01)
    except PoolSaturatedError:
        return True
    except TimeoutError:
        return False
    return False


@limited(per_function=3)
def test_no_invocation_hangs_whatever_dies(harness: Harness):
    """Environments are killed at random moments under load: every invocation is answered, with a value or as Lambda would."""
    spec = harness.spec()
    stop = threading.Event()

    def kill() -> None:
        while not stop.is_set():
            for environment in harness.environments():
                if environment["pid"] and environment["invocations"] % 3 == 2:
                    try:
                        os.kill(environment["pid"], signal.SIGKILL)
                    except ProcessLookupError:
                        continue
            stop.wait(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with ThreadPoolExecutor(6) as threads:
            futures = [threads.submit(harness.invoke, spec, {"sleep": 0.005}) for _ in range(150)]
            results = [future.result(30) for future in futures]
    finally:
        stop.set()
        killer.join()
    errors = {payload(result)["errorType"] for result in results if result.function_error}
    assert errors == {"Runtime.ExitError"}
    assert harness.invoke(spec).function_error is None


def test_an_idle_environment_that_is_just_being_killed_fails_no_invocation(harness: Harness):
    """A process of some size takes a while to die, and looks alive meanwhile."""
    spec = harness.spec(code="block = bytearray(100_000_000)\n" + textwrap.dedent(CODE), memory_mb=1024)
    for _ in range(5):
        pid = payload(harness.invoke(spec))
        eventually(lambda: harness.environments()[0]["state"] == "idle", "it idles")
        os.kill(pid, signal.SIGKILL)
        result = harness.invoke(spec)
        assert result.function_error is None, result.payload


def ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("spawner", ["fork_server", "fresh_interpreter"])
def test_everything_dies_with_a_parent_that_is_killed(tmp_path: Path, spawner: str):
    """Environments, their template, and what they started."""
    script = f"""
        import sys, time
        sys.path[:0] = {[str(Path(__file__).parent), str(Path(lambda_environments.__file__).parents[1])]!r}
        from pathlib import Path
        from harness import Harness, PoolLimits, eventually, {spawner}, payload
        harness = Harness(Path({str(tmp_path)!r}), PoolLimits(), {spawner}())
        child = payload(harness.invoke(harness.spec(), {{"child": 1}}))
        harness.held(harness.spec())
        eventually(lambda: all(each["pid"] for each in harness.environments()), "their processes are known")
        processes = [each["pid"] for kind in ("environments", "templates") for each in harness.pool.describe()[kind]]
        print(*processes, child, flush=True)
        time.sleep(60)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    try:
        with parent.stdout:
            pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == (3 if spawner == "fork_server" else 2)
        assert all(os.getpgid(pid) != os.getpgid(parent.pid) for pid in pids), "a signal to the parent's group is not the function's"
    finally:
        parent.kill()
        parent.wait()
    for pid in pids:
        eventually(lambda: ended(pid), f"{pid} is gone")  # noqa: B023

    def reaped() -> bool:
        """They are this process's by now, if an earlier test made it a subreaper."""
        for orphan in left_over():
            with contextlib.suppress(psutil.TimeoutExpired):
                orphan.wait(0)
        return not left_over()

    eventually(reaped, "nothing is left")


def test_a_warm_invocation_takes_a_few_milliseconds_at_most(harness: Harness):
    spec = harness.spec()
    harness.invoke(spec)
    times = []
    for _ in range(200):
        started = time.perf_counter()
        harness.invoke(spec)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.005, "what it takes; all else is the machine's"


@limited(queue_seconds=0.5)
def test_whoever_comes_while_no_descriptor_is_left_is_refused_in_time_and_served_afterwards(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
):
    def none_left(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    spec = harness.spec()
    with monkeypatch.context() as exhausted:
        exhausted.setattr("lambda_environments.environment.OutputPipe", none_left)
        with pytest.raises(PoolSaturatedError):
            harness.invoke(spec)
    monkeypatch.setattr(harness.pool.pool, "limits", replace(harness.pool.pool.limits, queue_seconds=30))
    assert harness.invoke(spec).function_error is None
    assert harness.queued(spec.name) == 0
