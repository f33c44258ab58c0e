"""The environment pool by itself, for tests of it."""

from __future__ import annotations

import json
import sys
import textwrap
import threading
import uuid
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
from stack import eventually

from lambda_environments import FunctionSpec, Invocation, InvocationResult, LogBatch, PoolLimits, PoolThread
from lambda_environments.environment import EnvironmentSettings
from lambda_environments.fork_server import ForkServer
from lambda_environments.runtime_files import prepare_runtime_dir
from lambda_environments.sandbox import SandboxRules
from lambda_environments.spawn import FreshInterpreter

if TYPE_CHECKING:
    from pathlib import Path

    from lambda_environments.spawn import SpawnStrategy

CODE = """
    import os, subprocess, sys, threading, time

    def handler(event, context):
        for name, value in (event or {}).items():
            if name == "sleep":
                time.sleep(value)
            if name == "until":
                while not os.path.exists(value):
                    time.sleep(0.005)
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


def fresh_interpreter() -> FreshInterpreter:
    return FreshInterpreter(getattr(sys, "_base_executable", sys.executable))


def fork_server(**changes: Any) -> ForkServer:
    return ForkServer(fresh_interpreter(), **({"most": 10, "idle_seconds": 60, "base_idle_seconds": 60, "init_seconds": 10} | changes))


@dataclass
class Held:
    future: Future[InvocationResult]
    path: Path
    name: str

    def let_go(self) -> InvocationResult:
        self.path.touch()
        return self.future.result(30)


class Harness:
    def __init__(
        self, directory: Path, limits: PoolLimits, spawner: SpawnStrategy, init_seconds: float = 10, rules: SandboxRules | None = None
    ) -> None:
        self.directory = directory
        self.logs: list[LogBatch] = []
        self._held: list[Held] = []
        rules = rules or SandboxRules(directory, writable=frozenset({directory}))
        runtime, scratch = prepare_runtime_dir(directory / "runtime"), directory / "scratch"
        settings = EnvironmentSettings(runtime, scratch, init_seconds, self.logs.append, rules)
        self.pool = PoolThread(limits, spawner, settings)

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
            "timeout_seconds": 30.0,
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

    def warm(self, spec: FunctionSpec, event: Any = None) -> None:
        """Leave one environment, idle."""
        self.invoke(spec, event)
        self.idles(spec.name)

    def idles(self, name: str = "function") -> None:
        """Wait until the only environment has asked for more: it has not yet when its answer is there."""
        eventually(lambda: [each["state"] for each in self.environments(name)] == ["idle"], "it idles")

    def queued(self, name: str) -> int:
        return self.pool.describe()["functions"].get(name, {}).get("queued", 0)

    def held(self, spec: FunctionSpec, **event: Any) -> Held:
        """An invocation that runs until it is let go."""
        (running,) = self.all_held(spec, 1, **event)
        return running

    def all_held(self, spec: FunctionSpec, count: int, **event: Any) -> list[Held]:
        paths = [self.directory / str(uuid.uuid4()) for _ in range(count)]
        running = [Held(self.start(spec, {**event, "until": str(path)}), path, spec.name) for path in paths]
        self._held += running
        holding = sum(each.name == spec.name and not each.future.done() for each in self._held)
        eventually(lambda: sum(each["state"] == "busy" for each in self.environments(spec.name)) == holding, "all run", 30)
        return running

    def lines(self) -> list[str]:
        return [event.message for batch in self.logs for event in batch.events]


def payload(result: InvocationResult) -> Any:
    return json.loads(result.payload)


def left_over() -> list[psutil.Process]:
    """Children of this process that a pool started, or adopted, and should have ended; zombies are among them."""

    def of_a_pool(process: psutil.Process) -> bool:
        return process.status() == psutil.STATUS_ZOMBIE or "localstack.runtime.main" not in process.cmdline()

    return [each for each in psutil.Process().children() if of_a_pool(each)]
