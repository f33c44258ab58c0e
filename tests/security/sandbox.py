"""What a function that turned against the others would get at: their processes, the servers', and all files of the system."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.deploy.deployment import STACK_NAME, client_of
from tests.security import intruder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.security.part import Part
    from tests.security.target import Target

_LIKE = f"{STACK_NAME}-product"
"""The function whose role and layers the intruder has."""
_SOME_FILES = 2_000
_LIKE_THE_OTHERS = """

import sys

import common.config

def whose(event, context):
    return handler(event, context) | {"own": sys.path[:5]}
"""


def attack(target: Target, part: Part, pids: Iterable[int], *, thorough: bool = True) -> None:
    """Let the intruder in, twice: in an interpreter of its own, and forked from what the system's functions are forked from."""
    # Directories come and go meanwhile, which Path.rglob would not bear.
    found = (Path(directory, name) for directory, _, names in os.walk(target.stack.run_dir) for name in names)
    files = sorted(str(path) for path in found if path.is_file())
    paths = files if thorough else files[:: max(len(files) // _SOME_FILES, 1)]
    for spawn in ("fresh", "fork"):
        told = _let_in(target, spawn, {"pids": sorted(pids), "paths": paths})
        for pid, ways in told["processes"].items():
            part.case("a process of the system, from within a function", process_faults(pid, ways))
        for path, ways in told["files"].items():
            part.case("a file of the system, from within a function", file_faults(path, ways, told["own"]))


def process_faults(pid: str, ways: Iterable[str]) -> Iterator[str]:
    """Whether it got hold of a process."""
    for way in ways:
        yield f"{way} of process {pid}"


def file_faults(path: str, ways: Iterable[str], own: Iterable[str]) -> Iterator[str]:
    """Whether it opened what is not its own; its own it may only read."""
    mine = any(path.startswith(f"{directory}/") for directory in own)
    for way in ways:
        if way != "reads" or not mine:
            yield f"{way} {path}"


def _let_in(target: Target, spawn: str, event: Mapping[str, Any]) -> dict[str, Any]:
    client, name = client_of(target.stack, "lambda"), target.unique("intruder")
    like = client.get_function_configuration(FunctionName=_LIKE)
    source = Path(intruder.__file__).read_text(encoding="utf-8")
    source += _LIKE_THE_OTHERS
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("intruder.py", source)
    client.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="intruder.whose",
        Role=like["Role"],
        Layers=[layer["Arn"] for layer in like["Layers"]],
        Timeout=60,
        MemorySize=512,
        Environment={"Variables": {"PROCESS_RUNTIME_SPAWN": spawn}},
        Code={"ZipFile": archive.getvalue()},
    )
    try:
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        answer = client.invoke(FunctionName=name, Payload=json.dumps(event).encode())
        told: dict[str, Any] = json.load(answer["Payload"])
    finally:
        client.delete_function(FunctionName=name)
    if "FunctionError" in answer:
        raise RuntimeError(f"the intruder did not get to work: {told}")
    return told
