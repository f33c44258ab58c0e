"""Ports: how they move, and what a user is told when one is taken."""

from __future__ import annotations

import os
import socket

import pytest

from infra.stack.ports import PortBusy, Ports, ensure_free


@pytest.fixture
def taken():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_an_offset_moves_every_port():
    usual, moved = Ports().as_mapping(), Ports.shifted(100).as_mapping()
    assert moved == {name: port + 100 for name, port in usual.items()}


def test_an_offset_out_of_range_is_refused():
    with pytest.raises(ValueError, match="PORT_OFFSET=40000"):
        Ports.shifted(40000)


def test_free_ports_are_distinct_and_free():
    ports = Ports.free().as_mapping()
    assert len(set(ports.values())) == len(ports)
    ensure_free(ports)


def test_a_busy_port_is_told_with_its_owner_and_how_to_move(taken):
    with pytest.raises(PortBusy) as told:
        ensure_free({"gateway": taken})
    assert f"Port {taken} (gateway) is used by pid {os.getpid()}: " in str(told.value)
    assert "make up PORT_OFFSET=100" in str(told.value)


def test_a_port_of_our_own_processes_is_not_busy(taken):
    ensure_free({"gateway": taken}, own_pids={os.getpid()})
