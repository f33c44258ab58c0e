"""Real servers for the tests that want them: on free ports, in a temporary directory, never those of a running system."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from infra.stack import Ports, Stack
from infra.stack.foreground import running

if TYPE_CHECKING:
    from collections.abc import Iterator

# Hypothesis' own for where others are at work as well: no example has a deadline, and all are the same every time.
settings.load_profile("ci")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """An instance of this test session's own; its servers run only where a fixture starts them."""
    return Stack(tmp_path_factory.mktemp("stack"), Ports.free())


@pytest.fixture(scope="session")
def mariadb(stack: Stack) -> Iterator[dict[str, str]]:
    """A migrated database. Yields the environment that reaches it (DATABASE_HOST, DATABASE_PORT, ...)."""
    with running(stack, "mariadb"):
        migrate = stack.jobs["migrate"]
        migrated = subprocess.run(
            migrate.command, env=migrate.environment, cwd=migrate.directory, capture_output=True, text=True, check=False, timeout=300
        )
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr
        yield {name: value for name, value in stack.addresses().items() if name.startswith("DATABASE_")}


@pytest.fixture(scope="session")
def redis(stack: Stack) -> Iterator[dict[str, str]]:
    """An empty Redis. Yields the environment that reaches it (REDIS_HOST, REDIS_PORT)."""
    with running(stack, "redis"):
        yield {name: value for name, value in stack.addresses().items() if name.startswith("REDIS_")}
