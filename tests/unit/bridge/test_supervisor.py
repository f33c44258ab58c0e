"""What the bridge's parent makes of what it cannot write, does not know, or did not expect; in a process of its own, as it forks."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.unit.offline import SETTINGS

SCRIPT = """
import os, sys, time
from pathlib import Path
from infra.bridge.settings import BridgeSettings
from infra.bridge.supervisor import Supervisor

told, file, mode = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def run(name, heartbeats):
    with told.open("a") as starts:
        starts.write(f"{name}\\n")
    again = told.read_text().count(name) > 1
    heartbeats.send({"active": None if again else True, "database_error": None})
    until = time.monotonic() + (0.3 if mode == "caretaker dies" and name == "caretaker" and not again else 60)
    while time.monotonic() < until and heartbeats.send({}):
        time.sleep(0.05)
    return 1

class Failing(Supervisor):
    def states(self):
        if told.exists() and "consumer" in told.read_text():
            raise RuntimeError("unexpected")
        return super().states()

settings = BridgeSettings(state_file=file, restart_delays=(0.1,))
sys.exit((Failing if mode == "fails" else Supervisor)(settings, ["consumer"], run).run())
"""


@pytest.fixture
def bridge(tmp_path):
    """Starts a bridge whose children write down that they start; what they wrote is read by `starts`."""
    started = []

    def start(mode, state_file=tmp_path / "state.json"):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "starts"), str(state_file), mode]
        environment = {**os.environ, **SETTINGS, "REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()  # the children go with it
        process.communicate()


@pytest.fixture
def starts(tmp_path):
    def starts():
        return (tmp_path / "starts").read_text().split() if (tmp_path / "starts").exists() else []

    return starts


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_state_that_cannot_be_written_stops_no_delivery(bridge, starts, tmp_path):
    (tmp_path / "file").touch()
    process = bridge("lasts", tmp_path / "file" / "state.json")
    wait_for(lambda: set(starts()) == {"caretaker", "consumer"})
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_what_is_not_expected_ends_the_bridge_and_its_children(bridge, tmp_path):
    _, errors = bridge("fails").communicate(timeout=20)
    assert "RuntimeError: unexpected" in errors


def test_a_caretaker_that_does_not_know_yet_stops_no_consumer(bridge, starts, tmp_path):
    def state():
        return json.loads((tmp_path / "state.json").read_text())

    bridge("caretaker dies")
    wait_for(lambda: starts().count("caretaker") == 2)
    now = time.time()
    wait_for(lambda: state()["at"] > now + 1)
    assert state()["states"]["bridge"]["state"] == "active"
    assert state()["states"]["consumer"]["state"] == "running"
    assert starts().count("consumer") == 1
