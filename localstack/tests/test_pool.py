"""The environment pool by itself: no LocalStack, no gateway."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from stack import eventually

import lambda_environments
from lambda_environments import FunctionSpec, Invocation, InvocationResult, LogBatch, PoolLimits, PoolSaturatedError, PoolThread
from lambda_environments.environment import EnvironmentSettings
from lambda_environments.runtime_files import prepare_runtime_dir
from lambda_environments.spawn import FreshInterpreter

if TYPE_CHECKING:
    from collections.abc import Iterator

CODE = """
    import os, subprocess, sys, threading, time

    def handler(event, context):
        for name, value in (event or {}).items():
            if name == "sleep":
                time.sleep(value)
            if name == "write":
                sys.stdout.write(value)
                sys.stdout.flush()
            if name == "allocate":
                block = bytearray(value * 1024 * 1024)
                time.sleep(5)
            if name == "exit":
                os._exit(value)
            if name == "child":
                return subprocess.Popen(["sleep", "60"]).pid
            if name == "when":
                return time.monotonic_ns()
            if name == "size":
                return "x" * value
            if name == "context":
                return [context.client_context.custom, context.get_remaining_time_in_millis(), os.environ["_X_AMZN_TRACE_ID"]]
        return os.getpid()
"""


class Harness:
    def __init__(self, directory: Path, limits: PoolLimits, init_seconds: float = 10) -> None:
        self.directory = directory
        self.logs: list[LogBatch] = []
        settings = EnvironmentSettings(prepare_runtime_dir(directory / "runtime"), directory / "scratch", init_seconds, self.logs.append)
        python = getattr(sys, "_base_executable", sys.executable)
        self.pool = PoolThread(limits, FreshInterpreter(python), settings)

    def spec(self, name: str = "function", code: str = CODE, revision: str = "1", **changes: Any) -> FunctionSpec:
        code_dir = self.directory / name / revision
        if not code_dir.exists():
            code_dir.mkdir(parents=True)
            (code_dir / "app.py").write_text(textwrap.dedent(code))
        values = {
            "identity": f"{name}@{revision}",
            "name": name,
            "version": "$LATEST",
            "handler": "app.handler",
            "code_dir": code_dir,
            "layer_dirs": (),
            "environment": {},
            "timeout_seconds": 5.0,
            "memory_mb": 128,
            "account": "000000000000",
            "region": "us-east-1",
            "log_group": f"/aws/lambda/{name}",
        }
        return FunctionSpec(**(values | changes))

    def invoke(self, spec: FunctionSpec, event: Any = None, **changes: Any) -> InvocationResult:
        return self.pool.invoke(spec, Invocation(json.dumps(event).encode(), str(uuid.uuid4()), "arn", **changes))

    def start(self, spec: FunctionSpec, event: Any = None) -> Future[InvocationResult]:
        future: Future[InvocationResult] = Future()

        def run() -> None:
            try:
                future.set_result(self.invoke(spec, event))
            except BaseException as error:  # noqa: BLE001 (it is handed on)
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future

    def environments(self, name: str = "") -> list[dict[str, Any]]:
        return [each for each in self.pool.describe()["environments"] if name in ("", each["function"])]

    def warm(self, spec: FunctionSpec) -> None:
        """Leave one environment, idle."""
        self.invoke(spec)
        eventually(lambda: [each["state"] for each in self.environments(spec.name)] == ["idle"], "it idles")

    def queued(self, name: str) -> int:
        return self.pool.describe()["functions"].get(name, {}).get("queued", 0)

    def lines(self) -> list[str]:
        return [event.message for batch in self.logs for event in batch.events]


@pytest.fixture
def harness(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Harness]:
    harness = Harness(tmp_path, getattr(request, "param", PoolLimits(drain_seconds=1)))
    yield harness
    harness.pool.close()
    assert not [each for each in psutil.Process().children() if "bootstrap.py" in " ".join(each.cmdline())]


def limited(**limits: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("harness", [PoolLimits(**({"drain_seconds": 1} | limits))], indirect=True, ids=["limits"])


def payload(result: InvocationResult) -> Any:
    return json.loads(result.payload)


def test_the_package_imports_neither_localstack_nor_anything_of_an_http_gateway():
    allowed = {"lambda_environments", "httptools", "awslambdaric", *sys.stdlib_module_names}
    for file in Path(lambda_environments.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= allowed, file.name


def test_the_function_gets_its_deadline_client_context_and_trace(harness: Harness):
    result = harness.invoke(harness.spec(), {"context": 1}, client_context='{"custom": {"a": "b"}}', trace_id="Root=1-2-3")
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
    running = harness.start(spec, {"sleep": 2})
    eventually(lambda: harness.environments()[0]["state"] == "busy", "the only environment is busy")
    waiting = []
    for number in range(5):
        waiting.append(harness.start(spec, {"when": True}))
        eventually(lambda: harness.queued("function") == number + 1, "it queues")  # noqa: B023
    assert running.result(10).function_error is None
    # By the function's own clock: the answers are told by threads, which may overtake each other.
    served = [int(future.result(10).payload or b"") for future in waiting]
    assert served == sorted(served)


@limited(per_function=1, queue_seconds=1.5)
def test_an_invocation_that_queued_for_too_long_is_refused_and_the_environment_serves_on(harness: Harness):
    spec = harness.spec()
    harness.warm(spec)
    running = harness.start(spec, {"sleep": 3})
    eventually(lambda: harness.environments()[0]["state"] == "busy", "the only environment is busy")
    with pytest.raises(PoolSaturatedError, match=r"within 1\.5 s"):
        harness.invoke(spec)
    assert running.result(10).function_error is None
    assert harness.invoke(spec).function_error is None


@limited(total=2)
def test_at_the_total_bound_another_functions_idle_environment_gives_way(harness: Harness):
    for name in ("a", "b", "c"):
        assert harness.invoke(harness.spec(name)).function_error is None
    eventually(lambda: {each["function"] for each in harness.environments()} == {"b", "c"}, "the one idle longest is gone")


@limited(total=1)
def test_functions_that_wait_for_one_another_do_not_deadlock_at_the_total_bound(harness: Harness):
    first = harness.start(harness.spec("a"), {"sleep": 1})
    eventually(lambda: harness.environments("a") and harness.environments("a")[0]["state"] == "busy", "a runs")
    assert harness.invoke(harness.spec("b")).function_error is None
    assert not first.done()


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


def test_an_import_that_never_ends_is_ended(tmp_path: Path):
    harness = Harness(tmp_path, PoolLimits(drain_seconds=1), init_seconds=0.5)
    result = harness.invoke(harness.spec(code="import time; time.sleep(60)"))
    assert payload(result)["errorType"] == "Sandbox.Timedout"
    eventually(lambda: harness.environments() == [], "the process is gone")
    harness.pool.close()


def test_every_waiting_invocation_of_a_function_that_cannot_start_is_answered(harness: Harness):
    spec = harness.spec(code="import os; os._exit(1)")
    with ThreadPoolExecutor(12) as threads:
        results = list(threads.map(lambda _: harness.invoke(spec), range(12)))
    assert {payload(result)["errorType"] for result in results} == {"Runtime.ExitError"}


def test_an_interpreter_that_does_not_exist_is_an_answer_too(tmp_path: Path):
    settings = EnvironmentSettings(prepare_runtime_dir(tmp_path / "runtime"), tmp_path / "scratch", 5, lambda _: None)
    harness = Harness(tmp_path, PoolLimits(drain_seconds=1))
    pool = PoolThread(PoolLimits(drain_seconds=1), FreshInterpreter("/nowhere/python"), settings)
    result = pool.invoke(harness.spec(), Invocation(b"{}", "id", "arn"))
    assert payload(result)["errorType"] == "Runtime.InvalidEntrypoint"
    pool.close()
    harness.pool.close()


def test_what_a_function_started_ends_with_it(harness: Harness):
    child = payload(harness.invoke(harness.spec(), {"child": 1}))
    harness.invoke(harness.spec(), {"exit": 1})
    eventually(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie", "the child is gone")


def test_an_answer_over_6_mb_is_an_error_and_the_environment_lives_on(harness: Harness):
    pid = payload(harness.invoke(harness.spec()))
    result = harness.invoke(harness.spec(), {"size": 6_300_000})
    assert payload(result)["errorType"] == "Function.ResponseSizeTooLarge"
    assert payload(harness.invoke(harness.spec())) == pid


def test_a_new_revision_gets_new_environments_and_the_old_ones_finish_first(harness: Harness):
    old, new = harness.spec(revision="1"), harness.spec(revision="2")
    pid = payload(harness.invoke(old))
    running = harness.start(old, {"sleep": 0.5})
    eventually(lambda: harness.environments()[0]["state"] == "busy", "the old revision runs")
    harness.pool.retire(old.identity)
    assert payload(harness.invoke(new)) != pid
    assert payload(running.result(10)) == pid
    eventually(lambda: [each["retired"] for each in harness.environments()] == [False], "the old environment is gone")
    assert harness.invoke(old).function_error is None, "an invocation that was late still runs"
    eventually(lambda: len(harness.environments()) == 1, "and leaves nothing behind")


def test_lines_are_logged_whole_in_order_and_without_an_end_of_line(harness: Harness):
    harness.invoke(harness.spec(), {"write": "one\ntwo\n\nthree é \U0001f600 without end"})
    eventually(lambda: any(line.startswith("REPORT") for line in harness.lines()), "the log arrived")
    start, *written, end, report = harness.lines()
    assert start.startswith("START RequestId: ")
    assert written == ["one\n", "two\n", "\n", "three é \U0001f600 without end\n"]
    assert end.startswith("END RequestId: ")
    assert "Init Duration: " in report


def test_a_long_running_function_is_logged_while_it_runs(harness: Harness):
    running = harness.start(harness.spec(), {"write": "begun\n", "sleep": 2})
    eventually(lambda: "begun\n" in harness.lines(), "the line arrived")
    assert not running.done()
    assert running.result(10).function_error is None


def test_the_tail_is_of_this_invocation_and_4_kb_at_most(harness: Harness):
    harness.invoke(harness.spec(), {"write": "before\n"})
    result = harness.invoke(harness.spec(), {"write": "".join(f"line {number}\n" for number in range(5000))})
    tail = result.log_tail().decode()
    assert len(tail) == 4096
    assert "line 4999\nEND RequestId" in tail
    assert "before" not in tail


def test_invoking_after_close_is_refused_and_close_waits_for_what_runs(tmp_path: Path):
    harness = Harness(tmp_path, PoolLimits(drain_seconds=5))
    running = harness.start(harness.spec(), {"sleep": 0.5})
    eventually(lambda: any(each["state"] == "busy" for each in harness.environments()), "it runs")
    harness.pool.close()
    assert running.result(1).function_error is None


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


def test_environments_die_with_a_parent_that_is_killed(tmp_path: Path):
    script = f"""
        import sys, time
        sys.path[:0] = {[str(Path(__file__).parent), str(Path(lambda_environments.__file__).parents[1])]!r}
        from pathlib import Path
        from test_pool import Harness, PoolLimits
        harness = Harness(Path({str(tmp_path)!r}), PoolLimits())
        harness.start(harness.spec(), {{"sleep": 60}})
        while not any(each["state"] == "busy" for each in harness.environments()):
            time.sleep(0.01)
        print(harness.environments()[0]["pid"], flush=True)
        time.sleep(60)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert psutil.Process(pid).status() != "zombie"
    assert os.getpgid(pid) != os.getpgid(parent.pid), "a signal to the parent's group is not the function's"
    parent.kill()
    parent.wait()
    parent.stdout.close()
    eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", "the environment is gone", 3)


def test_a_warm_invocation_takes_a_few_milliseconds_at_most(harness: Harness):
    spec = harness.spec()
    harness.invoke(spec)
    times = []
    for _ in range(200):
        started = time.perf_counter()
        harness.invoke(spec)
        times.append(time.perf_counter() - started)
    assert sorted(times)[100] < 0.005
