"""Environments forked from a template: what they share, what they do not, and who gets an interpreter of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import sys
import textwrap
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from harness import CODE, Harness, fork_server, left_over, payload
from stack import eventually

from lambda_environments import FunctionSpec, InvocationResult, PoolLimits

if TYPE_CHECKING:
    from collections.abc import Iterator

# Imports leave a line in a file beside the code, so that they can be counted.
COUNTED = """
    import os, sys, time
    with open(os.path.join(os.environ["LAMBDA_TASK_ROOT"], "imports"), "a") as imports:
        print("imported", file=imports)
"""
HANDLER = """
    def handler(event, context):
        import random, uuid
        while event and not os.path.exists(event["until"]):
            time.sleep(0.005)
        return {
            "pid": os.getpid(), "parent": os.getppid(), "session": os.getsid(0), "stdin": os.read(0, 1).decode(),
            "variables": dict(os.environ), "random": random.random(), "uuid": str(uuid.uuid4()), "log_stream": context.log_stream_name,
        }
"""


@pytest.fixture
def harness(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Harness]:
    changes = getattr(request, "param", {})
    harness = Harness(tmp_path, PoolLimits(per_function=20, drain_seconds=1, starting_per_function=4), fork_server(**changes))
    yield harness
    harness.pool.close()
    assert left_over() == []


def templates(**changes: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("harness", [changes], indirect=True, ids=["templates"])


def at_once(harness: Harness, spec: FunctionSpec, count: int) -> list[InvocationResult]:
    """Results of as many invocations, each in an environment of its own."""
    return [each.let_go() for each in harness.all_held(spec, count)]


def ways(harness: Harness, name: str = "function") -> list[str]:
    """How the processes of a function's environments came to be, and why not by a fork."""

    def known() -> list[dict[str, Any]]:
        """None yet while one may ask for work before the template has told its number."""
        found = harness.environments(name)
        return found if all(each["pid"] for each in found) else []

    return [each.get("why_not_forked", each["spawned"]) for each in eventually(known, "their processes are known")]


def imports(spec: FunctionSpec) -> int:
    return len((spec.code_dir / "imports").read_text().splitlines())


def test_the_environments_of_a_function_are_forked_from_one_import_and_share_nothing_else(harness: Harness):
    spec = harness.spec(code=COUNTED + HANDLER, environment={"COLOUR": "blue"})
    environments = [payload(result) for result in at_once(harness, spec, 4)]
    assert imports(spec) == 1
    eventually(lambda: ways(harness) == ["fork"] * 4, "all are forked")
    (template,) = harness.pool.describe()["templates"]
    assert (template["function"], template["state"], template["forks"]) == ("function", "ready", 4)
    for name in ("pid", "session", "random", "uuid", "log_stream"):
        assert len({each[name] for each in environments}) == 4, name
    assert {each["parent"] for each in environments} == {os.getpid()}
    assert all(each["session"] == each["pid"] for each in environments)
    for name in ("AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "HOME", "TMPDIR"):
        assert len({each["variables"][name] for each in environments}) == 4, name
    for name in ("COLOUR", "LAMBDA_TASK_ROOT", "AWS_LAMBDA_FUNCTION_NAME"):
        assert len({each["variables"][name] for each in environments}) == 1, name
    assert all(each["log_stream"] == each["variables"]["AWS_LAMBDA_LOG_STREAM_NAME"] for each in environments)


def test_one_invocation_starts_one_environment_though_it_may_ask_for_work_before_the_template_has_told_its_number(harness: Harness):
    for name in "abcdefgh":
        pid = payload(harness.invoke(harness.spec(name)))
        eventually(lambda: [each["pid"] for each in harness.environments(name)] == [pid], "it is the only one")  # noqa: B023
        assert [each["forks"] for each in harness.pool.describe()["templates"] if each["function"] == name] == [1]


def test_a_cold_start_does_not_wait_for_the_import_again(harness: Harness):
    spec = harness.spec(code=COUNTED + HANDLER)
    harness.warm(spec)
    held = harness.held(spec)
    result = harness.invoke(spec)
    assert result.cold_start
    assert imports(spec) == 1
    held.let_go()


def test_variables_are_the_functions_own_while_it_is_imported_and_stay_as_the_import_set_them(harness: Harness):
    code = """
        import os
        SEEN = os.environ["COLOUR"], os.environ["AWS_LAMBDA_FUNCTION_NAME"], os.environ["_HANDLER"], os.getcwd()
        os.environ["ADDED"] = "yes"
        os.environ["HOME"] = "/srv"
        handler = lambda event, context: [os.getpid(), *SEEN, os.environ["ADDED"], os.environ["HOME"]]
    """
    for name in ("first", "second"):
        spec = harness.spec(name, code=code, environment={"COLOUR": f"blue of {name}"})
        for _ in range(2):
            pid, *seen = payload(harness.invoke(spec))
            assert seen == [f"blue of {name}", name, "app.handler", str(spec.code_dir), "yes", "/srv"]
            os.kill(pid, signal.SIGKILL)


UNFIT = {
    "starts a thread": "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "starts a process": "import subprocess; CHILD = subprocess.Popen(['sleep', '60'])",
    "leaves open socket": "import socket; CONNECTION = socket.create_server(('127.0.0.1', 0))",
    "leaves open pipe": "READ, WRITE = os.pipe()",
    "leaves open /etc/hosts": "HOSTS = open('/etc/hosts')",
    "leaves open anon_inode": "import asyncio, select; LOOP = select.epoll()",
    "leaves memory shared": "import mmap; SHARED = mmap.mmap(-1, 4096)",
    "starts a timer": "import signal; signal.setitimer(signal.ITIMER_REAL, 600)",
    "draws random numbers": "import uuid; INSTANCE = uuid.uuid4()",
    "draws random numbers, seeded": "import random; random.seed(42)",
    "draws random numbers, for a generator": "import random; GENERATOR = random.Random()",
    "draws random numbers, as a secret": "import secrets; TOKEN = secrets.token_hex()",
    "asks for TMPDIR": "import tempfile; DIRECTORY = tempfile.gettempdir()",
    "asks for AWS_LAMBDA_LOG_STREAM_NAME": "STREAM = os.environ['AWS_LAMBDA_LOG_STREAM_NAME']",
    "writes temporary files": "open(os.path.expanduser('~/file'), 'w').close()",
}


def test_code_that_cannot_live_with_a_fork_gets_interpreters_of_its_own(harness: Harness):
    for number, (why, code) in enumerate(UNFIT.items()):
        name = f"unfit-{number}"
        spec = harness.spec(name, code=f"{COUNTED}    {code}\n{HANDLER}")
        results = at_once(harness, spec, 2)
        assert [result.function_error for result in results] == [None, None], results[0].payload
        assert all(way.startswith(f"its import {why.partition(',')[0]}") for way in ways(harness, name)), ways(harness, name)
        assert [each["spawned"] for each in harness.environments(name)] == ["fresh", "fresh"]
        assert imports(spec) == 2, "the first one's import is not done twice"
        assert name not in {each["function"] for each in harness.pool.describe()["templates"]}
        harness.pool.retire(spec.identity)


def test_usual_things_to_do_while_imported_do_not_stand_against_a_fork(harness: Harness):
    code = """
        import base64, concurrent.futures, hashlib, json, logging, multiprocessing, pathlib, random, ssl, subprocess
        import tempfile, threading, uuid
        logging.getLogger().setLevel(logging.INFO)
        logging.info("loading")
        COPY = {**os.environ}
        LOCK = threading.Lock()
        POOL = concurrent.futures.ThreadPoolExecutor()
        CONTEXT = ssl.create_default_context()
        GENERATOR = random.Random(7)
        FILE = pathlib.Path(__file__).read_text()
        NULL = open(os.devnull, "w")
        for name, value in os.environ.items():
            print(name)
        print(subprocess.run(["true"]))
    """
    spec = harness.spec(code=COUNTED + code + HANDLER)
    result = harness.invoke(spec)
    assert result.function_error is None, result.payload
    assert ways(harness) == ["fork"]


def test_a_function_may_ask_for_interpreters_of_its_own(harness: Harness):
    spec = harness.spec(forkable=False)
    at_once(harness, spec, 2)
    assert [each["spawned"] for each in harness.environments()] == ["fresh", "fresh"]
    assert harness.pool.describe()["templates"] == []


def test_what_an_import_prints_is_in_the_log_of_every_environment(harness: Harness):
    spec = harness.spec(code="import sys\nprint('imported'); sys.stderr.write('without an end')\n" + CODE.replace("\n    ", "\n"))
    at_once(harness, spec, 3)
    eventually(lambda: sum(line.startswith("REPORT") for line in harness.lines()) == 3, "the logs arrived")
    streams: dict[str, list[str]] = {}
    for batch in harness.logs:
        streams.setdefault(batch.stream, []).extend(event.message for event in batch.events)
    assert [lines[:2] for lines in streams.values()] == [["imported\n", "without an end\n"]] * 3


def test_environments_outlive_their_template_and_the_next_one_gets_another(harness: Harness):
    spec = harness.spec(code=COUNTED + HANDLER)
    held = harness.held(spec)
    assert ways(harness) == ["fork"]
    (template,) = harness.pool.describe()["templates"]
    os.kill(template["pid"], signal.SIGKILL)
    eventually(lambda: not psutil.pid_exists(template["pid"]), "the template is gone, and waited for")
    second = payload(harness.invoke(spec))
    (other,) = harness.pool.describe()["templates"]
    assert (other["pid"] != template["pid"], imports(spec)) == (True, 2)
    first = payload(held.let_go())
    assert first["pid"] != second["pid"]
    assert payload(harness.invoke(spec))["pid"] in (first["pid"], second["pid"])


def test_a_template_that_ends_as_soon_as_it_has_forked_leaves_nothing_unknown(harness: Harness):
    code = "import os\nos.register_at_fork(after_in_parent=lambda: os._exit(1))\n" + textwrap.dedent(CODE)
    pid = payload(harness.invoke(harness.spec(code=code)))
    assert ways(harness) == ["fork"]
    assert [each["pid"] for each in harness.environments()] == [pid]


@templates(idle_seconds=0.2)
def test_a_template_that_nothing_was_forked_from_for_long_is_ended(harness: Harness):
    spec = harness.spec()
    pid = payload(harness.invoke(spec))
    eventually(lambda: harness.pool.describe()["templates"] == [], "the template is gone")
    assert payload(harness.invoke(spec)) == pid


@templates(most=2)
def test_templates_are_bounded_and_the_one_not_used_for_longest_gives_way(harness: Harness):
    for name in ("a", "b", "c"):
        harness.invoke(harness.spec(name))
    eventually(lambda: {each["function"] for each in harness.pool.describe()["templates"]} == {"b", "c"}, "two are left")


def test_a_failed_import_that_leaves_a_process_blocks_nobody(harness: Harness):
    code = """
        import os, time
        if not os.fork():
            time.sleep(60)
            os._exit(0)
        raise RuntimeError("not configured")
    """
    spec = harness.spec(code=code)
    for _ in range(2):
        assert payload(harness.invoke(spec))["errorType"] == "RuntimeError"
    eventually(lambda: harness.environments() == harness.pool.describe()["templates"] == [], "all of it has ended")


def test_the_template_of_a_retired_revision_is_ended(harness: Harness):
    old = harness.spec(revision="1")
    held = harness.held(old)
    harness.pool.retire(old.identity)
    eventually(lambda: harness.pool.describe()["templates"] == [], "the template is gone")
    held.let_go()
    assert harness.invoke(old).function_error is None, "an invocation that was late still runs"
    eventually(lambda: harness.pool.describe()["templates"] == harness.environments() == [], "and leaves nothing behind")


# Bases: what functions with the same layers have in common.

LIBRARY = """
    import os
    with open(os.path.join(os.path.dirname(__file__), "imports"), "a") as imports:
        print("imported", file=imports)
    COLOUR = os.environ.get("COLOUR")
    os.environ["LIBRARIES"] = os.environ.get("LIBRARIES", "") + "library;"
"""
USER = """
    import library
    import os, sys
    def handler(event, context):
        while event and not os.path.exists(event["until"]):
            pass
        return {
            "colour": library.COLOUR, "path": sys.path, "directory": os.getcwd(), "argv": sys.argv, "modules": sorted(sys.modules),
            "variables": {name: value for name, value in os.environ.items() if name not in PRIVATE},
        }
    PRIVATE = {"AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "HOME", "TMPDIR", "_X_AMZN_TRACE_ID"}
"""


class Layer:
    """With an installed package named `library`."""

    def __init__(self, directory: Path, code: str = LIBRARY) -> None:
        self.directory = directory
        self.package = directory / "python" / "library"
        self.package.mkdir(parents=True)
        (directory / "python" / "library-1.0.dist-info").mkdir()
        (self.package / "__init__.py").write_text(textwrap.dedent(code))

    @property
    def imports(self) -> int:
        return len((self.package / "imports").read_text().splitlines())


@pytest.fixture
def layer(tmp_path: Path) -> Layer:
    return Layer(tmp_path / "layer")


def test_functions_with_the_same_layers_import_them_once(harness: Harness, layer: Layer):
    for name in ("first", "second", "third"):
        spec = harness.spec(name, code=USER, layer_dirs=(layer.directory,), environment={"NAME": name})
        answer = payload(harness.invoke(spec))
        assert answer["variables"]["NAME"] == answer["variables"]["AWS_LAMBDA_FUNCTION_NAME"] == name
        assert answer["variables"]["LIBRARIES"] == "library;", "what the layer sets is set for each"
        assert ways(harness, name) == ["fork"]
    described = harness.pool.describe()
    assert layer.imports == 1
    assert [(each["packages"], each["forks"]) for each in described["bases"]] == [(["library"], 3)]
    assert [each["spawned"] for each in described["templates"]] == ["layers"] * 3


def test_a_forked_environment_cannot_be_told_from_one_that_was_not(harness: Harness, layer: Layer):
    spec = harness.spec(code=USER, layer_dirs=(layer.directory,), environment={"COLOUR": "blue", "PYTHONPATH": "/srv/more"})
    forked = payload(harness.invoke(spec))
    fresh = payload(harness.invoke(dataclasses.replace(spec, identity="fresh", forkable=False)))
    extra = set(forked.pop("modules")) - set(fresh.pop("modules"))
    assert forked == fresh
    assert extra <= sys.stdlib_module_names


def test_a_function_whose_variables_the_layers_would_read_otherwise_has_nothing_of_anothers_base(harness: Harness, layer: Layer):
    for name, colour in (("first", "blue"), ("second", "red"), ("third", "blue")):
        spec = harness.spec(name, code=USER, layer_dirs=(layer.directory,), environment={"COLOUR": colour})
        assert payload(harness.invoke(spec))["colour"] == colour
    assert layer.imports == 2


def test_a_function_has_nothing_of_the_variables_of_another_that_was_forked_from_the_same_base(harness: Harness, layer: Layer):
    secrets = {name: f"secret-of-{name}-{uuid.uuid4()}" for name in ("first", "second", "third")}
    specs = {
        name: harness.spec(name, code=USER, layer_dirs=(layer.directory,), environment={"PASSWORD": secret})
        for name, secret in secrets.items()
    }
    for name, spec in specs.items():
        assert payload(harness.invoke(spec))["variables"]["PASSWORD"] == secrets[name]
        assert ways(harness, name) == ["fork"]
    described = harness.pool.describe()
    assert [each["forks"] for each in described["bases"]] == [3]
    for process in (*described["bases"], *described["templates"], *harness.environments()):
        own = secrets.get(process.get("function", ""), "")
        others = [secret for secret in secrets.values() if secret != own]
        assert [secret for secret in others if secret.encode() in memory_of(process["pid"])] == [], process


def test_a_layer_is_told_what_it_asks_for_and_a_copy_of_all_variables_holds_no_more(harness: Harness, tmp_path: Path):
    code = LIBRARY + "    COPY = dict(os.environ)\n    HAD = 'PASSWORD' in COPY, 'COLOUR' in COPY\n"
    layer = Layer(tmp_path / "copying", code)
    spec = harness.spec(code=USER.replace("library.COLOUR", "[library.COLOUR, library.HAD]"), layer_dirs=(layer.directory,))
    spec = dataclasses.replace(spec, environment={"PASSWORD": "x", "COLOUR": "blue"})
    assert payload(harness.invoke(spec))["colour"] == ["blue", [False, True]]
    assert ways(harness) == ["fork"]


@pytest.mark.parametrize("forkable", [True, False])
def test_a_layer_finds_the_root_loggers_one_handler_when_it_is_imported(harness: Harness, tmp_path: Path, forkable: bool):
    layer = Layer(
        tmp_path / "logging", "    import logging\n    HANDLERS = [type(each).__name__ for each in logging.getLogger().handlers]\n"
    )
    code = """
        import library, logging
        def handler(event, context):
            logging.getLogger().warning("said once")
            return library.HANDLERS, [type(each).__name__ for each in logging.getLogger().handlers]
    """
    spec = harness.spec(code=code, layer_dirs=(layer.directory,), forkable=forkable)
    assert payload(harness.invoke(spec)) == [["LambdaLoggerHandler"], ["LambdaLoggerHandler"]]
    eventually(lambda: any("said once" in line for line in harness.lines()), "it is in the log")
    assert len([line for line in harness.lines() if "said once" in line]) == 1


def memory_of(pid: int) -> bytes:
    """All that the process holds, as another of the same user could read it."""
    found = [Path(f"/proc/{pid}/environ").read_bytes()]
    with Path(f"/proc/{pid}/mem").open("rb") as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            if rights.startswith("rw"):
                begin, end = (int(number, 16) for number in span.split("-"))
                with contextlib.suppress(OSError):
                    memory.seek(begin)
                    found.append(memory.read(end - begin))
    return b"".join(found)


def test_a_function_that_sets_what_its_layers_read_has_no_base(harness: Harness, layer: Layer):
    code = "import os\nos.environ.setdefault('COLOUR', 'green')\n" + textwrap.dedent(USER)
    hidden = "import os\nBEFORE = os.environ.setdefault('COLOUR', 'green')\n" + textwrap.dedent(USER)
    for number, each in enumerate((code, hidden)):
        spec = harness.spec(f"setting-{number}", code=each, layer_dirs=(layer.directory,))
        assert payload(harness.invoke(spec))["colour"] == "green"
        assert payload(harness.invoke(spec))["colour"] == "green"


def test_environments_that_import_the_function_themselves_have_their_layers_from_the_base(harness: Harness, layer: Layer):
    spec = harness.spec(code=USER + COUNTED + "    import socket; CONNECTION = socket.socket()\n", layer_dirs=(layer.directory,))
    at_once(harness, spec, 3)
    assert ways(harness) == ["its import leaves open socket"] * 3
    assert [each["spawned"] for each in harness.environments()] == ["layers"] * 3
    assert (imports(spec), layer.imports) == (3, 1)


def test_layers_that_cannot_live_with_a_fork_are_imported_by_each_function(harness: Harness, tmp_path: Path):
    code = LIBRARY + "    import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    layer = Layer(tmp_path / "threads", code)
    for name in ("first", "second"):
        assert harness.invoke(harness.spec(name, code=USER, layer_dirs=(layer.directory,))).function_error is None
        assert ways(harness, name) == ["its import starts a thread"]
    assert harness.pool.describe()["bases"] == []
    assert layer.imports == 3, "once for the base that could not be one"


def test_a_layer_that_cannot_be_imported_is_the_functions_init_error(harness: Harness, tmp_path: Path):
    layer = Layer(tmp_path / "broken", "raise RuntimeError('no such library')")
    for _ in range(2):
        answer = payload(harness.invoke(harness.spec(code=USER, layer_dirs=(layer.directory,))))
        assert (answer["errorType"], answer["errorMessage"]) == ("RuntimeError", "no such library")


@templates(init_seconds=1)
def test_functions_import_alone_what_hangs_in_their_base(harness: Harness, tmp_path: Path):
    code = """
        import os, time
        try:
            os.close(os.open(os.path.join(os.path.dirname(__file__), "hung"), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            time.sleep(600)
        COLOUR = "blue"
    """
    layer = Layer(tmp_path / "hanging", code)
    assert payload(harness.invoke(harness.spec(code=USER, layer_dirs=(layer.directory,))))["colour"] == "blue"


def test_functions_outlive_their_base_and_the_next_one_gets_another(harness: Harness, layer: Layer):
    specs = [harness.spec(name, code=USER, layer_dirs=(layer.directory,)) for name in ("first", "second")]
    harness.invoke(specs[0])
    os.kill(harness.pool.describe()["bases"][0]["pid"], signal.SIGKILL)
    eventually(lambda: harness.pool.describe()["bases"] == [], "the base is gone")
    assert [harness.invoke(spec).function_error for spec in specs] == [None, None]
    assert len(at_once(harness, specs[0], 2)) == 2
    assert layer.imports == 2


def test_a_base_that_holds_a_part_of_another_is_its_parent(harness: Harness, layer: Layer, tmp_path: Path):
    more = tmp_path / "layer" / "python" / "more"
    more.mkdir()
    (more / "__init__.py").write_text("import os\nos.environ['MORE'] = os.environ['LIBRARIES'] + os.environ['NAME']")
    first = harness.spec("first", code=USER, layer_dirs=(layer.directory,), environment={"NAME": "first"})
    second = harness.spec(
        "second", code=USER.replace("import library", "import library, more"), layer_dirs=(layer.directory,), environment={"NAME": "second"}
    )
    third = harness.spec(
        "third", code=USER.replace("import library", "import library, more"), layer_dirs=(layer.directory,), environment={"NAME": "third"}
    )
    assert "MORE" not in payload(harness.invoke(first))["variables"]
    assert payload(harness.invoke(second))["variables"]["MORE"] == "library;second"
    assert payload(harness.invoke(third))["variables"]["MORE"] == "library;third", "it reads what differs, so it is the base of one"
    bases = harness.pool.describe()["bases"]
    assert [(each["packages"], each["spawned"], each["forks"]) for each in bases] == [
        (["library"], "fresh", 2),
        (["library", "more"], "layers", 1),
    ]
    assert layer.imports == 2


@templates(base_idle_seconds=2)
def test_a_base_that_nothing_was_forked_from_for_long_is_ended(harness: Harness, layer: Layer):
    harness.invoke(harness.spec(code=USER, layer_dirs=(layer.directory,)))
    eventually(lambda: harness.pool.describe()["bases"] == [], "the base is gone")
    assert len(harness.pool.describe()["templates"]) == 1


def test_twenty_environments_share_the_memory_of_the_import(harness: Harness):
    code = "DATA = [str(number) for number in range(400_000)]\n" + CODE.replace("\n    ", "\n")
    at_once(harness, harness.spec(code=code, memory_mb=512, timeout_seconds=60.0), 20)
    described = harness.pool.describe()
    alone = [each["rss_bytes"] for each in described["environments"]]
    assert min(alone) > 35_000_000
    shared = sum(each["pss_bytes"] for each in (*described["environments"], *described["templates"]))
    assert shared < 0.25 * sum(alone)


def test_memory_is_counted_as_if_the_environment_were_alone(harness: Harness):
    code = "DATA = bytearray(60_000_000)\n" + CODE.replace("\n    ", "\n")
    spec = harness.spec(code=code, memory_mb=100)
    assert harness.invoke(spec).function_error is None
    result = harness.invoke(spec, {"allocate": 40})
    assert "Error Type: Runtime.OutOfMemory" in result.log_lines[-1]


def test_what_a_forked_environment_left_behind_is_waited_for(harness: Harness):
    child = payload(harness.invoke(harness.spec(), {"child": 1}))
    harness.invoke(harness.spec(), {"exit": 1})
    eventually(lambda: not psutil.pid_exists(child), "it is not even a zombie")
