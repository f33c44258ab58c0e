"""What functions write without end: neither the pool nor its memory is theirs."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

import psutil
import pytest
from harness import Harness, fork_server
from stack import eventually

from lambda_environments import PoolLimits
from lambda_environments.output import EVENT_BYTES, OUTPUT_LIMIT_BYTES, READ_BYTES, OutputPipe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENDLESS = """
    import subprocess

    def handler(event, context):
        subprocess.run(["yes"])
"""


def _endless() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() == "yes":
                found.append(process)
    return found


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(tmp_path, PoolLimits(drain_seconds=1), fork_server())
    yield harness
    for process in _endless():  # were one left, it might be that the pool cannot be closed either
        process.kill()
    harness.pool.close()


def test_a_function_that_writes_without_end_is_timed_out_and_holds_up_no_other(harness: Harness):
    endless = harness.start(harness.spec("endless", ENDLESS, timeout_seconds=2.0))
    eventually(_endless, "it writes")
    assert harness.start(harness.spec("other")).result(20).function_error is None
    assert b"timed out" in endless.result(20).payload
    eventually(lambda: any(line.endswith(" bytes of output left out\n") for line in harness.lines()), "it is said that not all is there")
    assert 0 < harness.lines().count("y\n") <= (OUTPUT_LIMIT_BYTES + READ_BYTES) // EVENT_BYTES + READ_BYTES // 2


def _write(output: OutputPipe, data: bytes) -> None:
    os.write(output.write_end, data)
    output.drain()


def test_each_invocation_has_room_of_its_own():
    async def story() -> list[str]:
        output = OutputPipe(asyncio.get_running_loop())
        for _ in range(2 * OUTPUT_LIMIT_BYTES // READ_BYTES):
            _write(output, b"x" * (READ_BYTES - 1) + b"\n")
        output.flush_partial()
        output.begin_tail()
        _write(output, b"next\n")
        output.close()
        return [event.message for event in output.take_events()]

    *first, left_out, following = asyncio.run(story())
    assert OUTPUT_LIMIT_BYTES - 2 * READ_BYTES < sum(map(len, first)) <= OUTPUT_LIMIT_BYTES
    assert left_out == f"{2 * OUTPUT_LIMIT_BYTES - sum(map(len, first))} bytes of output left out\n"
    assert following == "next\n"
