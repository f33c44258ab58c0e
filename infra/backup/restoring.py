"""Making a system of a backup: all of it, or nothing of it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from infra.backup.archive import SCHEMA, BackupError, data_of, reading
from infra.backup.database import MIGRATIONS, execute, quoted, rows_of
from infra.database import connected
from infra.deploy.secrets import KeptSecrets
from infra.files import locked
from infra.stack import launcher, localstack

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from infra.backup.archive import Manifest, Reader
    from infra.progress import Progress
    from infra.stack import Stack

WRITERS = ("bridge", "localstack", "redis")
"""Who may write to the database, or remember what was in it. Redis comes back empty."""


def check(path: Path, progress: Progress, project_dir: Path) -> Manifest:
    """Whether `path` is a whole backup that this code can restore. Raises BackupError."""
    with reading(path) as backup:
        _verify(backup, progress, project_dir)
        return backup.manifest


def restore(stack: Stack, path: Path, progress: Progress, *, replace: bool = False) -> Manifest:
    """Make the running `stack` a system of what `path` holds. It must be empty, unless `replace` gives up what it holds.

    The rows are loaded beside those that are there and change places with them at once, while nobody can write; so that a restore
    that ends in the middle has changed no row. Tokens issued before are void: they name users by ids that may be others' now.
    Raises BackupError, pymysql.Error, launcher.CameNotUp.
    """
    addresses = stack.addresses()
    with reading(path) as backup, locked(stack.run_dir / "restore.lock"):
        _verify(backup, progress, stack.project_dir)
        if not replace:
            refuse_unless_empty(addresses)
        staged = load(backup, addresses, progress, stack.project_dir)
        progress.begin("change over", 1)
        with launcher.without(stack, WRITERS):
            if not replace:
                refuse_unless_empty(addresses)
            # First, so that whenever this ends, no token meets other users than those it was issued to.
            KeptSecrets(stack.secrets_dir).forget("JwtSecret")
            localstack.forget(stack)
            change_over(addresses, staged)
        progress.advance()
        return backup.manifest


def refuse_unless_empty(addresses: Mapping[str, str]) -> None:
    """Raises BackupError where a table has rows."""
    database = addresses["DATABASE_NAME"]
    with connected(addresses) as connection:
        filled = {table: rows for table, rows in rows_of(connection, database).items() if rows and table != MIGRATIONS}
    if filled:
        found = ", ".join(f"{rows} {table}" for table, rows in sorted(filled.items()))
        raise BackupError(f"The system is not empty: it has {found}.\nTo give all that up for what the backup holds, say --replace.")


def load(backup: Reader, addresses: Mapping[str, str], progress: Progress, project_dir: Path) -> str:
    """Load a backup into a database of its own beside the one at `addresses`, migrated to the newest schema. Returns its name."""
    staged = f"{addresses['DATABASE_NAME']}_restored"
    progress.begin("load", backup.manifest.rows)
    with connected(addresses) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {quoted(staged)}")
        cursor.execute(f"CREATE DATABASE {quoted(staged)}")
        cursor.execute(f"USE {quoted(staged)}")
        for name in (SCHEMA, *map(data_of, backup.manifest.tables)):
            for rows in execute(connection, backup.statements(name)):
                progress.advance(rows)
        loaded = rows_of(connection, staged)
    expected = {table: part.rows for table, part in backup.manifest.tables.items()}
    if loaded != expected:
        raise BackupError(f"Its rows were not all loaded: {loaded} instead of {expected}")
    _migrate(addresses, staged, project_dir)
    return staged


def change_over(addresses: Mapping[str, str], staged: str) -> None:
    """Put the tables of the database `staged` in place of those at `addresses`, in one statement."""
    name = addresses["DATABASE_NAME"]
    former = f"{name}_replaced"
    with connected(addresses) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {quoted(former)}")
        cursor.execute(f"CREATE DATABASE {quoted(former)}")
        moves = [f"{quoted(name)}.{quoted(table)} TO {quoted(former)}.{quoted(table)}" for table in rows_of(connection, name)]
        moves += [f"{quoted(staged)}.{quoted(table)} TO {quoted(name)}.{quoted(table)}" for table in rows_of(connection, staged)]
        cursor.execute("SET lock_wait_timeout = 30")
        cursor.execute(f"RENAME TABLE {', '.join(moves)}")
        for gone in (former, staged):
            cursor.execute(f"DROP DATABASE {quoted(gone)}")


def _verify(backup: Reader, progress: Progress, project_dir: Path) -> None:
    # A third of what the whole command takes to load, which only this needs.
    from alembic.script import ScriptDirectory  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    version = backup.manifest.schema_version
    try:
        ScriptDirectory(str(project_dir / "infra" / "migrations")).get_revision(version)
    except CommandError as error:
        raise BackupError(f"The backup was made by a newer version: this one does not know its schema {version}.") from error
    progress.begin("verify", sum(part.bytes for part in (backup.manifest.schema, *backup.manifest.tables.values())))
    backup.verify(progress.advance)


def _migrate(addresses: Mapping[str, str], database: str, project_dir: Path) -> None:
    migrated = subprocess.run(
        [sys.executable, "-m", "alembic", "-c", "infra/migrations/alembic.ini", "upgrade", "head"],
        env={**addresses, "DATABASE_NAME": database},
        cwd=project_dir,
        capture_output=True,
        text=True,
        check=False,
    )
    if migrated.returncode:
        raise BackupError(f"The backup could not be migrated to the newest schema:\n{migrated.stderr}")
