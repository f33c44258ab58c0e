"""Who can reach whom: what listens, and what the process of one function holds of another's, or of LocalStack's, secrets."""

from __future__ import annotations

import contextlib
import ipaddress
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from infra.deploy.deployment import client_of
from infra.stack.process import processes_of
from tests.security import rights, sandbox
from tests.security.part import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.security.target import Target

_CHUNK = 16 * 1024 * 1024
# Who may hold a database account's password, beside the functions that are given it: whoever makes the accounts, and the bridge its own.
_STACK = "inventory-"


@dataclass(frozen=True)
class Process:
    """A process of the system, and whose secrets it may hold: those of the functions of one service."""

    pid: int
    name: str
    function: str


def attack(target: Target, *, thorough: bool = True) -> Part:
    """Sockets, environments, memory, what a function may ask for, and what it can lay hands on."""
    part = Part("isolation")
    _wake(target)
    for process in sorted(_all(target), key=lambda process: process.pid):
        for connection in _connections(process):
            part.case("listening sockets", socket_faults(_name(process), connection))
    secrets = secrets_by_owner(target)
    part.cases("secrets of functions", sum(map(len, secrets.values())), [] if secrets else ["there was none to be looked for"])
    for each in function_processes(target):
        others = secrets_of_others(secrets, each.function)
        part.case("environment of a function's process", holding_faults(each, [_environment(each.pid)], others))
        part.case("memory of a function's process", holding_faults(each, memory(each.pid), others))
    for pid, name in sorted(processes_of(target.stack.run_dir).items()):
        each = Process(pid, name, "")
        part.case("environment of a server", holding_faults(each, [_environment(pid)], _known_to(name, secrets)))
    rights.attack(target, part, thorough=thorough)
    sandbox.attack(target, part, {process.pid for process in _all(target)}, thorough=thorough)
    return part


def socket_faults(name: str, connection: Any) -> Iterator[str]:
    """Whether somebody on another machine could reach it."""
    listens = connection.status == psutil.CONN_LISTEN or (connection.type.name == "SOCK_DGRAM" and not connection.raddr)
    if listens and connection.laddr and not ipaddress.ip_address(connection.laddr.ip.partition("%")[0]).is_loopback:
        yield f"{name} listens on {connection.laddr.ip}:{connection.laddr.port}"


def holding_faults(process: Process, contents: Iterable[bytes], secrets: Mapping[str, str]) -> Iterator[str]:
    """Which of these secrets, none of which it should have, a process holds."""
    left = {secret.encode(): what for secret, what in secrets.items()}
    for content in contents:
        for secret in [secret for secret in left if secret in content]:
            yield f"{process.name} ({process.pid}) holds {left.pop(secret)}"


def memory(pid: int) -> Iterator[bytes]:
    """All that a process can write to, as root or its user may read it, in overlapping pieces."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError), Path(f"/proc/{pid}/mem").open("rb", buffering=0) as held:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            begin, end = (int(number, 16) for number in span.split("-"))
            if not rights.startswith("rw"):
                continue
            for start in range(begin, end, _CHUNK):
                with contextlib.suppress(OSError, ValueError):  # gone since, or the kernel's own
                    held.seek(start)
                    yield held.read(min(_CHUNK + 4096, end - start))


def secrets_by_owner(target: Target) -> dict[str, dict[str, str]]:
    """Of each service, the secrets among its functions' variables -> what they are."""
    passwords = {password: f"the database password of {service}" for service, password in target.database_passwords().items()}
    found: dict[str, dict[str, str]] = defaultdict(dict)
    client = client_of(target.stack, "lambda")
    for function in client.get_paginator("list_functions").paginate().search("Functions[]"):
        for value in function.get("Environment", {}).get("Variables", {}).values():
            if value in passwords:
                found[_service(function["FunctionName"])][value] = passwords[value]
    found["bridge"] = {password: what for password, what in passwords.items() if what.endswith("bridge")}
    found["forwarder"] = {target.forwarder_key(): "what the gateway knows the page's server by"}
    return dict(found)


def secrets_of_others(secrets: Mapping[str, Mapping[str, str]], function: str) -> dict[str, str]:
    """All secrets but those of the service that a function belongs to."""
    own = set(secrets.get(_service(function), {})) if function else set()
    return {secret: what for each in secrets.values() for secret, what in each.items() if secret not in own}


def function_processes(target: Target) -> Iterator[Process]:
    """Environments and templates, each of one function, and bases, each of none."""
    told = target.environments()
    for kind, one in (("environments", "environment"), ("templates", "template"), ("bases", "base")):
        for each in told[kind]:
            if each.get("pid"):
                function = each.get("function", "")
                yield Process(each["pid"], f"the {one} of {function or 'many functions'}", function)


def _known_to(server: str, secrets: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """What must not stand in a server's environment: the bridge, and who follows events for the page, have the bridge's account."""
    own = set(secrets["bridge"]) if server in {"bridge", "live", "page"} else set()
    if server in {"localstack", "page"}:
        own |= set(secrets["forwarder"])
    return {secret: what for each in secrets.values() for secret, what in each.items() if secret not in own}


def _service(function: str) -> str:
    return function.removeprefix(_STACK).removesuffix("-consumer")


def _wake(target: Target) -> None:
    """Have every function run, each of which is then forked from what others were forked from."""
    user = target.user("admin")
    with target.client(user.token) as client:
        for path in ("suppliers", "customers", "products", "inventory", "orders", "procurements", "system/events", "auth/me"):
            client.get(f"/api/{path}")
    lambda_client = client_of(target.stack, "lambda")
    for function in lambda_client.get_paginator("list_functions").paginate().search("Functions[].FunctionName"):
        if function.endswith("-consumer"):
            lambda_client.invoke(FunctionName=function, Payload=b'{"events": []}')


def _all(target: Target) -> set[psutil.Process]:
    found = set()
    for pid in processes_of(target.stack.run_dir):
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            found |= {process, *process.children(recursive=True)}
    return found


def _connections(process: psutil.Process) -> list[Any]:
    try:
        return process.net_connections(kind="inet")
    except psutil.NoSuchProcess:
        return []


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())[:100]
    return str(process.pid)


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
