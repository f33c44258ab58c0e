"""When a server counts as up."""

from pathlib import Path

import pytest

from infra.stack.server import READY_WITHIN, Server


def server(*, healthy, ready):
    return Server("some", ("true",), {}, Path(), {}, healthy=lambda: healthy, ready=lambda: ready)


@pytest.mark.parametrize(
    ("healthy", "ready", "since_start", "up"),
    [
        (True, True, 0.1, True),
        (True, False, 0.1, False),
        (True, False, READY_WITHIN + 0.1, True),
        (False, True, 0.1, False),
        (False, False, READY_WITHIN + 0.1, False),
    ],
)
def test_what_is_not_begun_is_waited_for_but_not_for_ever(healthy, ready, since_start, up):
    assert server(healthy=healthy, ready=ready).is_up(since_start) is up
