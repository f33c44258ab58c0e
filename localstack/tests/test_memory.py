"""What botocore reads is held once; memory that is free goes back when it is quiet; of logs so much is kept and no more."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from stack import eventually

from localstack_process_runtime.cloudwatch import STREAM_COUNTS_FOR, LogWriter, make_room

if TYPE_CHECKING:
    import pytest

SCRIPT = """
import botocore.session
from botocore.loaders import JSONFileLoader, Loader
from localstack_process_runtime.memory import hold_data_files_once

before = Loader().load_service_model("sqs", "service-2")
hold_data_files_once()
one, other = (Loader().load_service_model("sqs", "service-2") for _ in range(2))
assert one == before
assert one["shapes"] is other["shapes"]
assert JSONFileLoader().load_file("/no/such/file") is None
client = botocore.session.get_session().create_client("sqs", region_name="us-east-1")
print(client.meta.service_model.operation_model("SendMessage").input_shape.name)
"""

GIVES_BACK = """
from localstack_process_runtime.memory import QUIET_SECONDS, QUIET_SHARE, WORTH_SECONDS, GiveBack

def held():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

back = GiveBack()
busy = QUIET_SECONDS * QUIET_SHARE * 2
assert not back.look(0.0), "nothing was done yet"
kept, lost = [], []
for _ in range(200_000):
    lost.append(bytearray(600))
    kept.append(bytearray(30))
high = held()
del lost
assert not back.look(WORTH_SECONDS + busy), "it works"
assert back.look(WORTH_SECONDS + busy), "it has worked and is quiet"
print(high - held() > 50_000_000)
assert not back.look(WORTH_SECONDS + busy), "once is enough"
"""


def run(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def test_loaders_share_what_they_read_and_clients_are_made_of_it_as_before():
    assert run(SCRIPT) == "SendMessageRequest"


def test_what_work_has_left_free_goes_back_once_it_is_quiet():
    assert run(GIVES_BACK) == "True"


def streams(*sizes: int) -> dict[str, Any]:
    return {str(at): SimpleNamespace(events=list(range(size)), creation_time=0, last_ingestion_time=at) for at, size in enumerate(sizes)}


def sizes(group: dict[str, Any]) -> dict[str, int]:
    return {name: len(stream.events) for name, stream in group.items()}


def test_the_fullest_groups_make_room():
    quiet, busy, busiest = streams(10), streams(500), streams(400, 900)
    make_room([quiet, busy, busiest], kept=10 + 2 * 300 + 3 * STREAM_COUNTS_FOR)
    assert (sizes(quiet), sizes(busy), sizes(busiest)) == ({"0": 10}, {"0": 300}, {"1": 300})
    assert busy["0"].events[0] == 200, "the oldest went"


def test_nothing_goes_while_there_is_room():
    groups = [streams(10, 20), streams(), streams(0)]
    make_room(groups, kept=30 + 3 * STREAM_COUNTS_FOR)
    assert [sizes(group) for group in groups] == [{"0": 10, "1": 20}, {}, {"0": 0}]


def test_the_stream_that_was_silent_longest_goes_first():
    group = streams(100, 100, 100)
    group["0"].last_ingestion_time = 9  # the first to begin lives still
    group["1"].last_ingestion_time = None  # nobody wrote to it yet
    make_room([group], kept=150 + 2 * STREAM_COUNTS_FOR)
    assert sizes(group) == {"0": 100, "2": 50}


def test_log_writing_outlives_whatever_goes_wrong_in_making_room(monkeypatch: pytest.MonkeyPatch):
    writer = LogWriter(0.01)
    written: list[int] = []
    monkeypatch.setattr(writer, "_write", lambda _stream, events: written.extend(events))
    monkeypatch.setattr(writer, "_make_room", lambda: 1 / 0)
    spec = SimpleNamespace(account="0", region="r", log_group="g")
    for number in range(2):
        writer.put(SimpleNamespace(spec=spec, stream="s", events=[number]))
        eventually(lambda number=number: number in written, "it is written")
    writer.close()


def test_streams_that_are_nearly_empty_are_not_kept_for_ever_either():
    group = streams(*[1] * 1000)
    make_room([group], kept=10 * (STREAM_COUNTS_FOR + 1))
    assert list(group) == [str(at) for at in range(990, 1000)]
