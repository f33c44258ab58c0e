"""The system that is attacked: an instance of its own, of a copy of the project of its own, behind proxies.

A copy, so that a new version of it can be deployed; in the copy's template the functions are told of crash points, of a clock that
can be moved, and of proxies in place of database and Redis. What runs is otherwise what `make up` runs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import stamina
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from infra.deploy.deployment import client_of
from infra.stack import Ports, Stack, launcher
from infra.stack.instance import PROJECT_DIR
from infra.stack.ports import LOOPBACK
from tests.administrator import database_of
from tests.bridge_children import child_pid
from tests.chaos.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymysql.connections import Connection
    from pymysql.cursors import DictCursor

    from tests.chaos.plan import Fault

# Debian's libfaketime, by which a process sees a clock that can be moved.
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
# What a hundred thousand operations need, and little enough that filling it is quick.
VOLUME_BYTES = 1024**3


class ChaosSystem:
    """A running system, and the ways to get at its parts."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.project = directory / "project"
        self.stack = Stack(directory / "run", Ports.free(), self.project)
        # Where the bridge of every system looks for them; here the functions do as well.
        self.crash_points = self.stack.crash_points
        self._clock = self.crash_points / "clock"  # where functions may read
        free = _free_ports(2)
        self._proxy_ports = {"database": free[0], "redis": free[1]}
        self.proxies: dict[str, Proxy] = {}
        self.can_fill_the_disk = False
        self.can_move_the_clock = FAKETIME is not None

    def start(self) -> None:
        """Copy the project, mount the database's volume, start proxies and system."""
        self.crash_points.mkdir(parents=True)
        self.move_clock(0)
        self._copy_project()
        self.can_fill_the_disk = self._mount()
        ports = self.stack.ports
        self.proxies = {
            "database": Proxy(self._proxy_ports["database"], ports.mysql),
            "redis": Proxy(self._proxy_ports["redis"], ports.redis),
        }
        launcher.up(self.stack)

    def stop(self) -> None:
        """Stop everything gracefully. Raises launcher.StillRunning when a process of it is left."""
        try:
            launcher.down(self.stack)
        finally:
            for proxy in self.proxies.values():
                proxy.close()
            if self.can_fill_the_disk:
                subprocess.run(["umount", "--lazy", str(self.volume)], check=False)

    @property
    def volume(self) -> Path:
        """Where the database keeps its files."""
        return self.stack.run_dir / "mariadb"

    # parts and processes

    def server_pid(self, name: str) -> int | None:
        """A server that runs; None while it does not."""
        entry = self.stack.state.read().get("servers", {}).get(name, {})
        return entry.get("pid") if entry.get("actual") == "running" else None

    def supervisor_pid(self) -> int:
        """The process that keeps the servers."""
        return int(self.stack.state.read()["supervisor"]["pid"])

    def consumer_pid(self, consumer: str) -> int | None:
        """The bridge's child that delivers to a consumer; None while there is none."""
        return child_pid(self.stack, consumer)

    def environment_pid(self, function: str) -> int | None:
        """A process that runs a function, one at work if there is any."""
        try:
            known = httpx.get(f"{self.stack.localstack_url}/_lambda/environments", timeout=5).json()["environments"]
        except (httpx.HTTPError, ValueError):
            return None
        mine = [each for each in known if each["function"] == f"inventory-{function}" and each["pid"]]
        return min(mine, key=lambda each: each["state"] != "busy")["pid"] if mine else None

    def crash_point(self, fault: Fault) -> Path:
        """The file by which the crash that a fault orders is ordered; it is gone once somebody has died of it."""
        who = fault.arguments.get("function") or fault.arguments["consumer"]
        return self.crash_points / f"{who}.{fault.arguments['point']}"

    def revive_consumers(self) -> None:
        """What an operator does when the bridge has given a consumer up (`inventory revive`)."""
        bridge = self.server_pid("bridge")
        if bridge is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(bridge, 1)

    def functions(self) -> Any:
        """A client of Lambda's API."""
        return client_of(self.stack, "lambda")

    def database(self, **options: Any) -> contextlib.AbstractContextManager[Connection[DictCursor]]:
        """A connection past the proxy, in autocommit mode."""
        return database_of(self.stack, **options)

    def redis(self) -> Redis:
        """A client past the proxy."""
        return Redis(LOOPBACK, self.stack.ports.redis, socket_connect_timeout=2, socket_timeout=5, retry=Retry(NoBackoff(), 0))

    # what can be done to the whole of it

    def up(self) -> None:
        """As `make up`: bring it up, or up to date; again where something else that was broken kept it from that. Raises CameNotUp."""
        for attempt in stamina.retry_context(on=launcher.CameNotUp, attempts=3, wait_initial=1):
            with attempt:
                launcher.up(self.stack, timeout=180)

    def down(self) -> None:
        """As `make down`."""
        launcher.down(self.stack)

    def change_code(self, word: str) -> None:
        """A new version of two services and of what all share."""
        for changed in ("functions/order/__init__.py", "functions/inventory/__init__.py"):
            file = self.project / changed
            first = file.read_text(encoding="utf-8").splitlines()[0]
            file.write_text(f"{first}\n\nVERSION = {word!r}\n", encoding="utf-8")

    def move_clock(self, hours: float) -> None:
        """Have the functions' clock differ from the machine's by so much."""
        unfinished = self._clock.with_suffix(".new")
        unfinished.write_text(f"{hours * 3600:+.0f}\n", encoding="utf-8")
        unfinished.replace(self._clock)

    def fill_disk(self) -> Callable[[], None]:
        """Take what is free on the database's volume; gives what lets go of it."""
        ballast = self.volume / "ballast"
        with ballast.open("wb") as file:
            # In steps, as what is free changes while it is taken.
            while (free := _free_bytes(self.volume)) > 0:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), free)
                except OSError:
                    break
        return lambda: ballast.unlink(missing_ok=True)

    # beginnings

    def _copy_project(self) -> None:
        ignored = shutil.ignore_patterns("__pycache__")
        for part in ("functions", "infra", "layers"):
            shutil.copytree(PROJECT_DIR / part, self.project / part, ignore=ignored)
        for built in ("layers", "archives"):
            (PROJECT_DIR / ".build" / built).mkdir(parents=True, exist_ok=True)
        for shared in ("localstack", ".build"):
            (self.project / shared).symlink_to(PROJECT_DIR / shared)
        template = (PROJECT_DIR / "template.yaml").read_text(encoding="utf-8")
        template = _with_variable(template, "DATABASE_PORT", "!Ref DatabasePort", DATABASE_PORT=self._proxy_ports["database"])
        redis = {"REDIS_PORT": self._proxy_ports["redis"], "CRASH_POINTS": self.crash_points}
        if self.can_move_the_clock:
            moved = {"FAKETIME_TIMESTAMP_FILE": self._clock, "FAKETIME_CACHE_DURATION": 1, "FAKETIME_DONT_FAKE_MONOTONIC": 1}
            redis |= {"LD_PRELOAD": FAKETIME, **moved, "PROCESS_RUNTIME_SHARED": ",".join(moved)}
        template = _with_variable(template, "REDIS_PORT", "!Ref RedisPort", **redis)
        (self.project / "template.yaml").write_text(template, encoding="utf-8")

    def _mount(self) -> bool:
        """A volume for the database alone, where this user may mount one."""
        self.volume.mkdir(parents=True)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={VOLUME_BYTES}", "chaos", str(self.volume)], capture_output=True, check=False
        )
        return mounted.returncode == 0


def eventually(look: Callable[[], Any], seconds: float, what: str) -> Any:
    """What `look` sees once it is truthy. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)
    return seen


def _with_variable(template: str, name: str, declared: str, **wanted: object) -> str:
    """The template with a variable of all its functions replaced by others."""
    line = f"        {name}: {declared}\n"
    if template.count(line) != 1:
        raise RuntimeError(f"template.yaml has not one line {line.strip()!r} among the variables of all functions")
    return template.replace(line, "".join(f'        {name}: "{value}"\n' for name, value in wanted.items()))


def _free_bytes(directory: Path) -> int:
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def _free_ports(count: int) -> list[int]:
    held = []
    for port in range(9000 + os.getpid() % 500, 9999):
        candidate = socket.socket()
        try:
            candidate.bind((LOOPBACK, port))
        except OSError:
            candidate.close()
            continue
        held.append(candidate)
        if len(held) == count:
            break
    try:
        return [bound.getsockname()[1] for bound in held]
    finally:
        for bound in held:
            bound.close()
