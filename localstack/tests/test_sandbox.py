"""What a function's process can reach of this machine, by each way in which processes come to be."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from harness import Harness, fork_server, left_over, payload
from test_fork_server import Layer, ways

from lambda_environments import PoolLimits, landlock
from lambda_environments.sandbox import SandboxRules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stack import LocalStack

    from lambda_environments import FunctionSpec

CURIOUS = """
    import multiprocessing, os, signal, socket, subprocess, sys, tempfile

    def tried(act):
        try:
            return act()
        except OSError as error:
            return type(error).__name__

    def read(path):
        with open(path, "rb") as file:
            return file.read().decode(errors="replace")

    def write(path):
        with open(path, "w") as file:
            file.write("written")
        return "written"

    def ran(*command):
        done = subprocess.run(command, capture_output=True, text=True)
        return done.stdout.strip() or done.stderr.strip()

    def bound():
        os.chdir(tempfile.gettempdir())  # a socket's path is to be short
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket")
        return "bound"

    def handler(event, context):
        acts = {
            "read": read, "list": os.listdir, "write": write, "signal": lambda pid: os.kill(pid, 0), "unlink": os.unlink,
            "environ": lambda pid: read(f"/proc/{pid}/environ"), "memory": lambda pid: open(f"/proc/{pid}/mem").close(),
            "run": ran, "bound": bound, "pid": os.getpid, "temporary": tempfile.gettempdir,
            "stopped": lambda: ran("sh", "-c", "sleep 60 & kill -9 $! && echo stopped"),
        }
        return {name: tried(lambda: acts[name](*arguments)) for name, *arguments in event}
"""
WITH_LAYER = "    import library\n" + CURIOUS
PLAIN_LIBRARY = "    NAME = 'library'\n"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    rules = SandboxRules(tmp_path / "runtime-directory")
    harness = Harness(tmp_path / "runtime-directory", PoolLimits(per_function=4, drain_seconds=1), fork_server(), rules=rules)
    yield harness
    harness.pool.close()
    assert left_over() == []


@pytest.fixture(params=["fresh", "fork", "layers"])
def curious(request: pytest.FixtureRequest, harness: Harness) -> FunctionSpec:
    """A function whose process came to be in that way."""
    if request.param == "layers":
        layer = Layer(harness.directory / "layer", PLAIN_LIBRARY)
        spec = harness.spec(code=WITH_LAYER, layer_dirs=(layer.directory,))
    else:
        spec = harness.spec(code=CURIOUS, forkable=request.param == "fork")
    harness.warm(spec, [["pid"]])
    assert ways(harness) == ["the function asks for it" if request.param == "fresh" else "fork"]
    assert len(harness.pool.describe()["bases"]) == (request.param == "layers")
    return spec


def asked(harness: Harness, spec: FunctionSpec, *acts: list[Any]) -> dict[str, Any]:
    answers: dict[str, Any] = payload(harness.invoke(spec, acts))
    return answers


def test_a_function_reads_neither_environment_nor_memory_of_the_pools_process_and_cannot_signal_it(harness: Harness, curious: FunctionSpec):
    answers = asked(harness, curious, ["environ", os.getpid()], ["memory", os.getpid()], ["signal", os.getpid()])
    assert answers == {"environ": "PermissionError", "memory": "PermissionError", "signal": "PermissionError"}


def test_a_function_reaches_no_other_functions_process_nor_what_it_was_forked_from(harness: Harness, curious: FunctionSpec):
    other = replace(curious, identity="other", name="other", environment={"PASSWORD": "the other's"})
    pid = asked(harness, other, ["pid"])["pid"]
    assert Path(f"/proc/{pid}").exists()
    described = harness.pool.describe()
    forkers = [each["pid"] for each in (*described["bases"], *described["templates"]) if each.get("function") != curious.name]
    assert bool(forkers) == curious.forkable
    for each in (pid, *forkers):
        answers = asked(harness, curious, ["environ", each], ["memory", each], ["signal", each])
        assert answers == {"environ": "PermissionError", "memory": "PermissionError", "signal": "PermissionError"}


def test_a_function_reads_no_file_but_its_own_and_the_systems(harness: Harness, curious: FunctionSpec, tmp_path: Path):
    secret = tmp_path / "secrets"
    secret.write_text("of somebody else")
    other = harness.spec("other", code="    SECRET = 1\n")
    assert asked(harness, curious, ["read", str(secret)], ["list", str(tmp_path)]) == {"read": "PermissionError", "list": "PermissionError"}
    assert asked(harness, curious, ["read", str(other.code_dir / "app.py")])["read"] == "PermissionError"
    assert asked(harness, curious, ["read", "/etc/shadow"], ["list", "/root"]) == {"read": "PermissionError", "list": "PermissionError"}
    assert asked(harness, curious, ["list", str(curious.code_dir)])["list"] == ["app.py"]
    assert "127.0.0.1" in asked(harness, curious, ["read", "/etc/hosts"])["read"]


def test_a_function_writes_where_its_temporary_files_go_and_nowhere_else(harness: Harness, curious: FunctionSpec, tmp_path: Path):
    where = asked(harness, curious, ["temporary"])["temporary"]
    assert asked(harness, curious, ["write", f"{where}/file"], ["bound"]) == {"write": "written", "bound": "bound"}
    for path in (curious.code_dir / "app.py", curious.code_dir / "more.py", tmp_path / "file", Path(where).parents[1] / "file"):
        assert asked(harness, curious, ["write", str(path)])["write"] == "PermissionError", path
    assert asked(harness, curious, ["unlink", str(curious.code_dir / "app.py")])["unlink"] == "PermissionError"
    assert asked(harness, curious, ["write", "/dev/null"])["write"] == "written"


def test_a_function_runs_programs_which_are_confined_as_it_is(harness: Harness, curious: FunctionSpec, tmp_path: Path):
    (tmp_path / "secret").write_text("of somebody else")
    assert asked(harness, curious, ["run", "echo", "hello"], ["stopped"]) == {"run": "hello", "stopped": "stopped"}
    assert "denied" in asked(harness, curious, ["run", "cat", str(tmp_path / "secret")])["run"]


def test_what_is_given_to_all_is_given_to_each(tmp_path: Path):
    (tmp_path / "model").write_text("weights")
    (tmp_path / "inbox").mkdir()
    readable, writable = {tmp_path / "model"}, {tmp_path / "inbox", tmp_path / "none"}
    rules = SandboxRules(tmp_path / "runtime-directory", frozenset(readable), frozenset(writable))
    harness = Harness(tmp_path / "runtime-directory", PoolLimits(drain_seconds=1), fork_server(), rules=rules)
    try:
        spec = harness.spec(code=CURIOUS)
        model, letter = str(tmp_path / "model"), str(tmp_path / "inbox" / "letter")
        assert asked(harness, spec, ["read", model], ["write", letter]) == {"read": "weights", "write": "written"}
        assert asked(harness, spec, ["write", model])["write"] == "PermissionError"
    finally:
        harness.pool.close()


def test_code_that_was_deployed_is_compiled_once_for_all_as_functions_cannot_keep_what_they_compile(localstack: LocalStack):
    app = "import other\ndef handler(event, context):\n    return other.__cached__\n"
    localstack.create_function("compiled", {"app.py": app, "other.py": "", "broken.py": "def"})
    cached, _ = localstack.invoke("compiled")
    header = Path(cached).read_bytes()[:8]
    assert header[:4] == importlib.util.MAGIC_NUMBER
    assert header[4] == 1, "it knows its source by neither time nor hash: neither changes"


def test_a_function_is_root_in_name_only():
    if os.geteuid() != 0:
        pytest.skip("not root: there is nothing to lose")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import landlock; landlock.confine([], []); print(open('/proc/self/status').read())"
    )
    command = [sys.executable, "-c", script, str(Path(landlock.__file__).parent)]
    status = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    held = {line.split()[0]: int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("CapPrm", "CapEff", "CapInh"))}
    assert all(rights & ~2 == 0 for rights in held.values()), held
    assert "NoNewPrivs:\t1" in status


def test_what_is_confined_runs_as_before(harness: Harness):
    code = textwrap.dedent("""
        import ctypes, hashlib, json, multiprocessing, os, socket, sqlite3, ssl, tempfile, threading, zoneinfo

        def double(number):
            return 2 * number

        def handler(event, context):
            with multiprocessing.get_context("fork").Pool(2) as pool:
                doubled = pool.map(double, [1, 2])
            with tempfile.TemporaryDirectory() as directory:
                os.rename(tempfile.mkdtemp(), directory + "/moved")
                database = sqlite3.connect(directory + "/db")
                (one,) = database.execute("select 1").fetchone()
            with open("/dev/shm/x" + str(os.getpid()), "w") as shared:
                os.unlink(shared.name)
            ssl.create_default_context()
            return [doubled, one, socket.gethostbyname("localhost"), str(zoneinfo.ZoneInfo("Europe/Riga")), os.cpu_count() > 0]
    """)
    spec = harness.spec(code=textwrap.indent(code, "    "), memory_mb=512)
    assert payload(harness.invoke(spec)) == [[2, 4], 1, "127.0.0.1", "Europe/Riga", True]
