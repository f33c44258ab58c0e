"""An instance of the system: a run directory, its ports, and from these everything else."""

from __future__ import annotations

import json
import os
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from infra.stack import bridge, localstack, mariadb, page, redis
from infra.stack.placement import Placement, get_placement
from infra.stack.ports import LOOPBACK, Ports
from infra.stack.server import Job, Server
from infra.stack.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT_DIR = Path(__file__).resolve().parents[2]

OPTIONAL_SERVERS = (bridge.bridge, page.page)
"""Servers which a stage of the project may not have yet."""


class Stack:
    """One instance. Two with different run directories and ports do not know of each other."""

    def __init__(self, run_dir: Path, ports: Ports, project_dir: Path = PROJECT_DIR, placement: Placement | None = None) -> None:
        self.run_dir = run_dir.resolve()
        self.ports = ports
        self.project_dir = project_dir
        self.placement = placement or get_placement()

    @classmethod
    def default_run_dir(cls) -> Path:
        return PROJECT_DIR / ".run"

    @classmethod
    def of(cls, run_dir: Path) -> Stack | None:
        """The instance that runs, or last ran, in `run_dir`, on its own ports; None where none ever did."""
        ports = State(run_dir.resolve()).read().get("ports")
        return cls(run_dir, Ports.from_mapping(ports)) if ports else None

    @property
    def logs_dir(self) -> Path:
        return self.run_dir / "logs"

    @property
    def secrets_dir(self) -> Path:
        return self.run_dir / "secrets"

    @property
    def crash_points(self) -> Path:
        """Where tests order deaths: see common/crash_points.py. Not there otherwise."""
        return self.run_dir / "crash-points"

    @cached_property
    def state(self) -> State:
        return State(self.run_dir)

    @property
    def localstack_url(self) -> str:
        return f"http://{self.placement.localstack_host}:{self.ports.localstack}"

    @property
    def gateway_url(self) -> str:
        return f"http://{self.placement.localstack_host}:{self.ports.gateway}"

    @property
    def live_events_url(self) -> str:
        return f"http://{self.placement.bridge_host}:{self.ports.live_events}"

    @property
    def page_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.page}"

    @property
    def page_origin(self) -> str:
        """Where browsers call from."""
        return f"http://localhost:{self.placement.page_port or self.ports.page}"

    @cached_property
    def servers(self) -> dict[str, Server]:
        """In the order they start; they stop the other way round."""
        always: list[Server] = [mariadb.mariadb(self), redis.redis(self), localstack.localstack(self)]
        optional = [server for describe in OPTIONAL_SERVERS if (server := describe(self)) is not None]
        return {server.name: server for server in [*always, *optional]}

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """What `make up` runs between the servers."""
        python = sys.executable
        jobs = [
            Job(
                name="migrate",
                command=(python, "-m", "alembic", "-c", "infra/migrations/alembic.ini", "upgrade", "head"),
                environment=self.environment(),
                directory=self.project_dir,
                needs=("mariadb",),
            ),
            Job(
                name="deploy",
                command=(python, "-m", "infra.deploy", "--run-dir", str(self.run_dir), "--ports", json.dumps(self.ports.as_mapping())),
                environment=self.environment(),
                directory=self.project_dir,
                # Redis first: the functions warm their caches while they are deployed.
                needs=("migrate", "redis", "localstack"),
                repeat_after_restart_of=("localstack",),
            ),
        ]
        return {job.name: job for job in jobs}

    def environment(self) -> dict[str, str]:
        """Everything a program outside Lambda needs to reach this instance. Made here and nowhere else."""
        return {**_of_the_host(os.environ), **self.addresses()}

    def addresses(self) -> dict[str, str]:
        """The instance's own part of `environment()`."""
        return {
            # `functions` for `chalice local`, which imports a service by its package's name.
            "PYTHONPATH": os.pathsep.join(str(self.project_dir / part) for part in (".", "functions", "layers/common/python")),
            "DATABASE_HOST": self.placement.mysql_host,
            "DATABASE_PORT": str(self.ports.mysql),
            "DATABASE_NAME": mariadb.DATABASE,
            "DATABASE_USER": mariadb.USER,
            "DATABASE_PASSWORD": mariadb.PASSWORD,
            "REDIS_HOST": self.placement.redis_host,
            "REDIS_PORT": str(self.ports.redis),
            "AWS_ENDPOINT_URL": self.localstack_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "LOG_LEVEL": os.environ.get("LOG_LEVEL", "INFO"),
            # The template's own limit unless the environment says otherwise.
            **{name: os.environ[name] for name in ("REQUESTS_PER_SECOND",) if name in os.environ},
            **self.placement.environment(),
            **self.tracing(),
        }

    def tracing(self) -> dict[str, str]:
        """Who is told spans, in OpenTelemetry's own variables; nothing where the environment names nobody."""
        return {name: value for name, value in os.environ.items() if name.startswith("OTEL_") and value}


def _of_the_host(environment: Mapping[str, str]) -> dict[str, str]:
    """What a program needs of the machine, without anybody's real AWS profile."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TERM", "TMPDIR", "USER", "COLUMNS")
    return {name: environment[name] for name in kept if name in environment} | {"PYTHONUNBUFFERED": "1"}
