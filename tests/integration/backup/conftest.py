"""The services in this process, and a database beside theirs for what is restored."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from infra.accounts.provisioning import provision
from infra.backup.archive import reading
from infra.backup.restoring import change_over, load
from infra.database import connected
from infra.progress import Silent
from infra.stack.instance import PROJECT_DIR
from infra.stack.ports import LOOPBACK
from tests.integration.services.conftest import accounts, api, begin_anew, clean, deliver, lambda_client, servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

__all__ = ["accounts", "api", "clean", "deliver", "lambda_client", "servers"]

ELSEWHERE = "elsewhere"


@pytest.fixture
def addresses(clean: None, stack) -> dict[str, str]:
    """The database that is backed up: empty, migrated."""
    return stack.addresses()


@pytest.fixture
def elsewhere(addresses: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Another database: there, and without a table."""
    with connected(addresses) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {ELSEWHERE}")
        yield {**addresses, "DATABASE_NAME": ELSEWHERE}
        cursor.execute(f"DROP DATABASE {ELSEWHERE}")


@pytest.fixture
def restored(elsewhere: dict[str, str], accounts: Mapping[str, str], monkeypatch) -> Callable[[Path], dict[str, str]]:
    """Restores a backup into the other database, and lets the services find their tables there. Returns where that is."""

    def restore(path: Path) -> dict[str, str]:
        with reading(path) as backup:
            backup.verify()
            change_over(elsewhere, load(backup, elsewhere, Silent(), PROJECT_DIR))
        with connected(elsewhere) as connection:
            provision(connection, ELSEWHERE, LOOPBACK, accounts)
        monkeypatch.setenv("DATABASE_NAME", ELSEWHERE)
        begin_anew()
        return elsewhere

    return restore


def migrate(addresses: Mapping[str, str], version: str) -> None:
    """Bring a database to a version of its schema."""
    command = [sys.executable, "-m", "alembic", "-c", "infra/migrations/alembic.ini", "upgrade", version]
    subprocess.run(command, env=dict(addresses), cwd=PROJECT_DIR, capture_output=True, check=True)
