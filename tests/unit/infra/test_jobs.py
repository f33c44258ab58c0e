"""Jobs between servers: a failure is tried again, a few times and less and less often."""

import sys
import time
from types import SimpleNamespace

import pytest

from infra.stack import board as is_
from infra.stack import jobs
from infra.stack.board import Board
from infra.stack.jobs import JobRunner
from infra.stack.server import Job

# Fails as often as its file has lines left.
SCRIPT = """
import pathlib, sys
file = pathlib.Path(sys.argv[1])
lines = file.read_text().splitlines()
file.write_text("\\n".join(lines[1:]))
sys.exit(bool(lines) and "not today")
"""


class States(list):
    """Every state of the job, in order."""

    def publish(self, content):
        actual = content["jobs"]["deploy"]["actual"]
        if not self or self[-1] != actual:
            self.append(actual)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "RETRY_SECONDS", (0.05, 0.05))
    monkeypatch.setattr(jobs, "NOTICE_A_DEATH", 0.0)
    runners = []

    def start(failures=0, command=None):
        (tmp_path / "failures").write_text("\n".join(["."] * failures))
        states = States()
        job = Job("deploy", command or (sys.executable, "-c", SCRIPT, str(tmp_path / "failures")), {}, tmp_path, needs=())
        runner = JobRunner(SimpleNamespace(logs_dir=tmp_path, run_dir=tmp_path), job, Board(states, {}), 1)
        runners.append(runner)
        runner.start()
        return runner, states

    yield start
    for runner in runners:
        runner.end()


def until(states, count, what):
    deadline = time.monotonic() + 60
    while states.count(what) < count:
        assert time.monotonic() < deadline, states
        time.sleep(0.01)


def test_what_failed_once_is_done_the_next_time(run):
    _, states = run(failures=1)
    until(states, 1, is_.DONE)
    assert states == [is_.WAITING, is_.RUNNING, is_.FAILED, is_.RUNNING, is_.DONE]


def test_what_fails_again_and_again_rests_until_somebody_asks(run):
    runner, states = run(failures=4)
    until(states, 3, is_.FAILED)
    time.sleep(0.5)
    assert states.count(is_.RUNNING) == 3
    runner.ask(2)
    until(states, 1, is_.DONE)
    assert states.count(is_.FAILED) == 4


def test_what_cannot_even_begin_has_failed_and_is_tried_again(run, tmp_path):
    command = tmp_path / "command"
    runner, states = run(command=(str(command),))
    until(states, 3, is_.FAILED)
    command.write_text("#!/bin/sh\n")
    command.chmod(0o700)
    runner.ask(2)
    until(states, 1, is_.DONE)


def test_who_asks_while_the_runner_looks_is_answered(run, monkeypatch):
    runner, states = run()
    until(states, 1, is_.DONE)
    cleared = runner._again.clear

    def ask_before(clear=cleared):
        monkeypatch.setattr(runner._again, "clear", cleared)
        runner.ask(3)
        clear()

    monkeypatch.setattr(runner._again, "clear", ask_before)
    runner.ask(2)
    deadline = time.monotonic() + 10
    while not runner._board.up(["deploy"], 3):
        assert time.monotonic() < deadline, states
        time.sleep(0.01)
