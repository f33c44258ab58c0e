"""The running system survives the death of any of its servers, and of the supervisor itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from infra.stack import Ports, Stack, launcher
from infra.stack.process import processes_of

pytestmark = pytest.mark.supervised


def entry(system, name):
    return system.state.read()["servers"][name]


def wait_for(condition, timeout, what):
    deadline = time.monotonic() + timeout
    while not (seen := condition()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.05)
    return seen


def inventory(system, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "infra.cli.main", "--run-dir", str(system.run_dir), *arguments],
        env=system.environment(),
        cwd=system.project_dir,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("name", ["redis", "mariadb", "bridge"])
def test_a_killed_server_is_back_within_seconds(system, name):
    before = entry(system, name)
    os.kill(before["pid"], signal.SIGKILL)
    wait_for(lambda: entry(system, name)["actual"] == "running" and entry(system, name)["pid"] != before["pid"], 60, f"{name} is back")
    assert entry(system, name)["restarts"] == before["restarts"] + 1


def test_servers_survive_their_supervisor_and_the_next_up_takes_them_over(system):
    state = system.state.read()
    pids = {name: server["pid"] for name, server in state["servers"].items()}
    os.kill(state["supervisor"]["pid"], signal.SIGKILL)
    wait_for(lambda: not system.state.supervised(), 60, "the supervisor is dead")
    assert all(psutil.pid_exists(pid) for pid in pids.values())

    launcher.up(system)

    assert {name: server["pid"] for name, server in system.state.read()["servers"].items()} == pids


def test_the_bridges_children_are_known_to_be_the_systems(system):
    bridge = psutil.Process(system.state.read()["servers"]["bridge"]["pid"])
    children = {process.pid for process in bridge.children()}
    assert children
    assert children <= processes_of(system.run_dir).keys(), "a supervisor could not end what a killed one left behind"


def test_up_does_not_wait_for_a_supervisor_that_is_about_to_die(system):
    os.kill(system.state.read()["supervisor"]["pid"], signal.SIGKILL)
    wait_for(lambda: not system.state.supervised(), 60, "the supervisor is dead")
    dying = system.state.claim()  # as a process does that was killed and has yet to go
    threading.Timer(1, dying.close).start()
    launcher.up(system, timeout=240)
    assert system.state.supervised()


def test_up_starts_what_was_stopped_by_itself(system):
    assert inventory(system, "stop", "redis").returncode == 0
    launcher.up(system, timeout=240)
    assert entry(system, "redis")["actual"] == "running"


def test_a_second_up_changes_nothing(system):
    pids = {name: server["pid"] for name, server in system.state.read()["servers"].items()}
    launcher.up(system)
    assert {name: server["pid"] for name, server in system.state.read()["servers"].items()} == pids


def test_a_stopped_server_stays_stopped_until_it_is_started(system):
    assert inventory(system, "stop", "redis").returncode == 0
    try:
        assert entry(system, "redis")["actual"] == "stopped"
        assert not system.servers["redis"].healthy()
    finally:
        assert inventory(system, "start", "redis").returncode == 0
    assert system.servers["redis"].healthy()


def test_another_instance_on_the_same_ports_is_told_who_has_them(system, tmp_path):
    with pytest.raises(launcher.PortBusy) as told:
        launcher.up(Stack(tmp_path, system.ports))
    assert f"Port {system.ports.mysql} (MySQL) is used by pid {entry(system, 'mariadb')['pid']}" in str(told.value)
    assert "make up PORT_OFFSET=100" in str(told.value)


def test_the_same_directory_on_other_ports_is_refused(system):
    with pytest.raises(launcher.PortBusy, match="already runs with its gateway on port"):
        launcher.up(Stack(system.run_dir, Ports.free()))


def test_status_is_healthy_and_readable_by_scripts(system):
    def healthy():
        asked = inventory(system, "status", "--json")
        return asked.returncode == 0 and json.loads(asked.stdout)

    told = wait_for(healthy, 60, "healthy after what the other tests did")
    assert told["healthy"] is True
    assert set(told["servers"]) >= {"mariadb", "redis", "localstack", "bridge"}
    assert told["health"]["services"]


@pytest.mark.parametrize("name", ["system", "inventory-system", "SystemFunction"])
def test_invoke_shows_answer_and_log(system, tmp_path, name):
    event = tmp_path / "event.json"
    event.write_text("{}")
    told = inventory(system, "invoke", name, "--event", str(event), "--json")
    answer = json.loads(told.stdout)
    assert answer["function"] == "inventory-system"
    assert any(line.startswith("REPORT RequestId") for line in answer["log"])


def test_invoke_names_the_functions_when_there_is_no_such_one(system, tmp_path):
    event = tmp_path / "event.json"
    event.write_text("{}")
    told = inventory(system, "invoke", "NoSuchFunction", "--event", str(event))
    assert told.returncode == 1
    assert "order-consumer, procurement" in " ".join(told.stderr.split())
    assert "Traceback" not in told.stderr
