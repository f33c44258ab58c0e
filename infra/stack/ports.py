"""The ports of an instance, and what to say when one of them is taken."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    """Where an instance listens, always on loopback. The last seven are for services run alone under `chalice local`."""

    page: int = 8080
    live_events: int = 8090
    gateway: int = 8000
    localstack: int = 4566
    mysql: int = 32000
    redis: int = 6379
    product: int = 5000
    procurement: int = 5001
    order: int = 5002
    auth: int = 5003
    supplier: int = 5004
    customer: int = 5005
    inventory: int = 5006

    @classmethod
    def shifted(cls, offset: int) -> Ports:
        """The usual ports, all moved by `offset`."""
        usual = cls()
        moved = {name: port + offset for name, port in asdict(usual).items()}
        if not all(1024 <= port <= 65535 for port in moved.values()):
            raise ValueError(f"PORT_OFFSET={offset} moves a port out of 1024-65535.")
        return replace(usual, **moved)

    @classmethod
    def free(cls) -> Ports:
        """Ports nobody listens on at this moment; for tests.

        All are reserved together before the first is let go, so that no two are the same. They lie below the range the kernel
        takes client ports from: a client's connection can therefore not sit on one of them when its server restarts.
        """
        names = [field.name for field in fields(cls)]
        held: list[socket.socket] = []
        try:
            for port in _below_the_ephemeral_range():
                candidate = socket.socket()
                try:
                    candidate.bind((LOOPBACK, port))
                except OSError:
                    candidate.close()
                    continue
                held.append(candidate)
                if len(held) == len(names):
                    break
            return cls(**{name: bound.getsockname()[1] for name, bound in zip(names, held, strict=True)})
        finally:
            for bound in held:
                bound.close()

    @classmethod
    def from_mapping(cls, numbers: Mapping[str, int]) -> Ports:
        """As `as_mapping` gave them. One that an instance of former code did not have yet is moved as far as its page's."""
        moved = asdict(cls.shifted(int(numbers["page"]) - cls.page))
        return cls(**{field.name: int(numbers.get(field.name, moved[field.name])) for field in fields(cls)})

    def as_mapping(self) -> dict[str, int]:
        return asdict(self)


def _below_the_ephemeral_range() -> Iterable[int]:
    # A different start per process keeps two test runs on one machine from trying the same ports in the same order.
    first, last = 10000, 31000
    start = first + (os.getpid() * 37) % (last - first)
    yield from range(start, last)
    yield from range(first, start)


class PortBusy(Exception):
    """A port this instance needs is in use. Its text says by whom and how to move."""


def ensure_free(wanted: Mapping[str, int], *, own_pids: Collection[int] = ()) -> None:
    """Raise PortBusy when somebody other than `own_pids` listens on one of the `wanted` ports (what for -> number)."""
    busy = {purpose: port for purpose, port in wanted.items() if not _can_bind(port)}
    if not busy:
        return
    complaints = []
    for purpose, port in busy.items():
        owner = listener(port)
        if owner is not None and owner.pid in own_pids:
            continue
        complaints.append(f"Port {port} ({purpose}) is used by {_describe(owner)}.")
    if complaints:
        complaints.append("Stop it, or move this system to other ports: make up PORT_OFFSET=100")
        raise PortBusy("\n".join(complaints))


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections of a former server still in TIME_WAIT do not count as busy.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def listener(port: int) -> psutil.Process | None:
    """The process listening on `port`, as far as this user may see it."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return None
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port and connection.pid:
            try:
                return psutil.Process(connection.pid)
            except psutil.NoSuchProcess:
                return None
    return None


def _describe(process: psutil.Process | None) -> str:
    if process is None:
        return "a process of another user"
    try:
        command = " ".join(process.cmdline()).strip() or process.name()
    except psutil.Error:
        command = "?"
    longest = 100
    return f"pid {process.pid}: {command if len(command) <= longest else command[:longest] + '…'}"
