"""A disk that is full: what is to be written is written later, and servers are kept and stopped meanwhile."""

import errno
import os
import subprocess
import time
from types import SimpleNamespace

import pytest

from infra.stack import board as is_
from infra.stack import launcher
from infra.stack.board import Board
from infra.stack.keeper import Keeper
from infra.stack.process import OWNER_VARIABLE, owner_mark, start_of
from infra.stack.server import Server
from infra.stack.state import State


class OnADisk(State):
    """The state in a run directory, on a disk that can be full."""

    full = False

    def publish(self, state):
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().publish(state)


@pytest.fixture
def state(tmp_path):
    return OnADisk(tmp_path)


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_could_not_be_written_is_written_once_there_is_room(state, caplog):
    board = Board(state, {})
    state.full = True
    board.set_server("redis", actual=is_.STARTING)
    board.set_server("redis", actual=is_.RUNNING)
    assert len(caplog.records) == 1
    state.full = False
    board.set_server("redis", actual=is_.RUNNING)
    assert state.read()["servers"]["redis"]["actual"] == is_.RUNNING


def test_a_server_is_kept_and_stopped_while_the_disk_is_full(state, tmp_path):
    server = Server("some", ("sleep", "60"), {}, tmp_path, {}, healthy=lambda: True, stop_timeout=5)
    board = Board(state, {})
    keeper = Keeper(SimpleNamespace(logs_dir=tmp_path, run_dir=tmp_path, state=state), server, board, None)
    keeper.start()
    wait_for(lambda: board.server("some")["actual"] == is_.RUNNING)
    first = keeper._process
    state.full = True
    first.kill()
    wait_for(lambda: board.server("some")["actual"] == is_.RUNNING and keeper._process is not first)
    second = keeper._process
    keeper.end()
    assert not second.alive()


@pytest.fixture
def supervised(state, tmp_path):
    """An instance whose supervisor goes when it is told to, whatever it keeps."""
    with state.claim(), subprocess.Popen(["sleep", "60"]) as supervisor:
        state.publish({"supervisor": {"pid": supervisor.pid, "created": start_of(supervisor.pid)}})
        yield SimpleNamespace(run_dir=tmp_path, logs_dir=tmp_path, state=state, servers={})
        supervisor.kill()


def test_down_says_what_a_supervisor_left_behind(supervised, monkeypatch):
    monkeypatch.setattr(launcher, "GONE_WITHIN", 0.2)
    marked = os.environ | {OWNER_VARIABLE: owner_mark(supervised.run_dir, "mariadb")}
    with subprocess.Popen(["sleep", "60"], env=marked) as left:
        with pytest.raises(launcher.StillRunning, match=rf"mariadb \(pid {left.pid}\)"):
            launcher.down(supervised)
        left.kill()


def test_down_is_content_when_nothing_is_left(supervised):
    assert launcher.down(supervised)
