"""Which process is the one that was written down."""

import os
import subprocess
import time

import psutil
import pytest

from infra.stack.process import ServerProcess, start_of


@pytest.fixture
def sleeping():
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_it_is_recognised_by_another_whatever_the_clock_says(sleeping, monkeypatch):
    created = start_of(sleeping.pid)
    hours_later = time.time() + 7200
    monkeypatch.setattr(psutil, "boot_time", lambda: hours_later)
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: hours_later)
    adopted = ServerProcess.adopt(sleeping.pid, created)
    assert adopted is not None
    assert adopted.created == created
    assert adopted.alive()


def test_another_of_its_number_is_not_taken_for_it(sleeping):
    boot, ticks = start_of(sleeping.pid).split()
    assert ServerProcess.adopt(sleeping.pid, f"{boot} {int(ticks) - 1}") is None
    assert ServerProcess.adopt(sleeping.pid, f"another {ticks}") is None


def test_what_a_supervisor_of_an_earlier_version_wrote_down_is_found(sleeping):
    created = psutil.Process(sleeping.pid).create_time()
    assert ServerProcess.adopt(sleeping.pid, created) is not None
    assert ServerProcess.adopt(sleeping.pid, created - 100) is None


def test_what_has_ended_is_not_there(sleeping):
    created = start_of(sleeping.pid)
    sleeping.kill()
    os.waitid(os.P_PID, sleeping.pid, os.WEXITED | os.WNOWAIT)  # nobody has buried it
    assert ServerProcess.adopt(sleeping.pid, created) is None
    sleeping.wait()
    assert ServerProcess.adopt(sleeping.pid, created) is None
