"""Which system a command speaks of: the one that runs in the directory, wherever it listens, and no other."""

import pytest

from infra.cli.context import CommandFailed, chosen_stack
from infra.stack import Ports, Stack


@pytest.fixture
def running(tmp_path):
    stack = Stack(tmp_path, Ports.shifted(300))
    with stack.state.claim():
        stack.state.publish({"ports": stack.ports.as_mapping()})
        yield stack


def test_a_running_system_is_found_on_its_own_ports(running):
    assert chosen_stack(running.run_dir, None).ports == running.ports
    assert chosen_stack(running.run_dir, 300).ports == running.ports


def test_a_running_system_is_not_looked_for_on_other_ports(running):
    with pytest.raises(CommandFailed, match="runs with its gateway on port 8300, not 8400"):
        chosen_stack(running.run_dir, 400)


def test_where_nothing_runs_the_offset_decides(tmp_path):
    assert chosen_stack(tmp_path, None).ports == Ports()
    assert chosen_stack(tmp_path, 400).ports == Ports.shifted(400)


def test_an_offset_out_of_range_is_said_to_be_one(tmp_path):
    with pytest.raises(CommandFailed, match="PORT_OFFSET=60000 moves a port out of"):
        chosen_stack(tmp_path, 60000)


def test_a_file_is_no_instance(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CommandFailed, match="file is no directory"):
        chosen_stack(tmp_path / "file", None)
