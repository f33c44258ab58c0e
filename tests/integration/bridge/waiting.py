"""Waiting for a condition instead of sleeping."""

import time


def until(condition, *, seconds: float = 30, what: str = "the condition"):
    """What `condition` gives once it is truthy; fails when that takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"{what} did not come about within {seconds} s"
        time.sleep(0.01)
    return result
