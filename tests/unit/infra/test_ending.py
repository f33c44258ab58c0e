"""A command that has something to put away puts it away, however it is ended."""

import os
import signal
import subprocess
import sys
import time

import pytest

COMMAND = """
import sys, time
from pathlib import Path
from infra import ending

def main():
    try:
        Path(sys.argv[1]).write_text("began")
        time.sleep(60)
    finally:
        Path(sys.argv[1]).write_text("put away")
    return 0

ending.run(main)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_however_it_is_ended(tmp_path, number):
    told = tmp_path / "told"
    # As a script begins a background job: deaf to Ctrl-C.
    command = subprocess.Popen(["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", COMMAND, told])
    try:
        deadline = time.monotonic() + 30
        while not (told.exists() and told.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(command.pid, number)
        assert command.wait(30) == 130
    finally:
        command.kill()
    assert told.read_text() == "put away"


def test_otherwise_it_ends_with_what_its_work_came_to():
    assert subprocess.run([sys.executable, "-c", "from infra import ending; ending.run(lambda: 3)"], check=False).returncode == 3
