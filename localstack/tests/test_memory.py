"""What botocore reads is held once; memory that is free goes back when it is quiet; of logs so much is kept and no more."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

from localstack_process_runtime.cloudwatch import KEPT_OF_GROUP, LEAST_OF_STREAM, _forget_oldest

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


def test_the_oldest_streams_of_a_group_make_room():
    def streams(*sizes: int) -> dict[str, SimpleNamespace]:
        return {str(number): SimpleNamespace(events=[None] * size) for number, size in enumerate(sizes)}

    few, many, short = streams(*[KEPT_OF_GROUP // 4] * 3), streams(*[KEPT_OF_GROUP // 4] * 9, 0), streams(*[1] * 1000)
    for each in (few, many, short):
        _forget_oldest(each)
    assert list(few) == ["0", "1", "2"]
    assert list(many) == ["6", "7", "8", "9"], "the one that begins counts as well"
    assert list(short)[-1] == "999"
    assert len(short) == KEPT_OF_GROUP // LEAST_OF_STREAM, "what is nearly empty is not kept for ever either"
