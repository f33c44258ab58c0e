"""`inventory revive` tells the bridge, and nobody else who has its number by now."""

import subprocess
import time

import pytest

from infra.cli import main as cli
from infra.stack import Ports, Stack
from infra.stack.process import start_of

MINDS_SIGHUP = ["sh", "-c", "trap 'exit 7' HUP; echo; while :; do sleep 0.01; done"]


@pytest.fixture
def process():
    with subprocess.Popen(MINDS_SIGHUP, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.kill()


@pytest.fixture
def revive(tmp_path, process, monkeypatch, capsys):
    """Run the command where the state names the process as the bridge, started when it says."""

    def revive(created):
        stack = Stack(tmp_path, Ports())
        bridge = {"actual": "running", "pid": process.pid, "created": created}
        stack.state.publish({"ports": stack.ports.as_mapping(), "servers": {"bridge": bridge}})
        monkeypatch.setattr("sys.argv", ["inventory", "--run-dir", str(tmp_path), "revive"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, capsys.readouterr().err

    return revive


def untouched(process):
    time.sleep(0.1)
    return process.poll() is None


def test_the_bridge_is_told(revive, process, tmp_path):
    with Stack(tmp_path, Ports()).state.claim():
        assert revive(start_of(process.pid)) == (0, "")
    assert process.wait(10) == 7


def test_another_process_of_its_number_is_left_alone(revive, process, tmp_path):
    with Stack(tmp_path, Ports()).state.claim():
        assert revive("another-boot 1") == (1, "The bridge does not run: start it with inventory start bridge.\n")
    assert untouched(process)


def test_nothing_is_told_where_no_system_runs(revive, process):
    assert revive(start_of(process.pid)) == (1, "The system is not running. Start it with: make up\n")
    assert untouched(process)
