"""Full collections of what never becomes garbage are made once."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc
from localstack_process_runtime.pauses import ShortCollections

gc.disable()
collections = ShortCollections(many_objects={many})
collections.look()
kept = [[each] for each in range(10_000)]
collections.look()
young = gc.get_freeze_count()
gc.collect()
collections.look()
print(young, gc.get_freeze_count() > 10_000)
"""


def frozen(many: int) -> str:
    script = SCRIPT.format(many=many)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True).stdout.strip()


def test_what_survives_a_long_collection_is_left_out_of_later_ones():
    assert frozen(9_000) == "0 True"


def test_short_collections_leave_nothing_out():
    assert frozen(10_000_000) == "0 False"
