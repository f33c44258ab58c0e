"""Making a backup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.backup.archive import SCHEMA, BackupError, Manifest, data_of, writing
from infra.backup.database import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from infra.progress import Progress


def back_up(addresses: Mapping[str, str], path: Path, progress: Progress, *, overwrite: bool = False) -> Manifest:
    """Write the database at `addresses` to `path`, as of one moment, while the system runs. Raises BackupError, pymysql.Error.

    The signing secrets are not in it: see docs/adr/0025.
    """
    with writing(path, overwrite=overwrite) as archive, snapshot(addresses) as source:
        progress.begin("backup", sum(source.rows.values()))

        def counted(table: str) -> Iterator[tuple[str, int]]:
            for statement, rows in source.data(table):
                yield statement, rows
                progress.advance(rows)

        schema = archive.add(SCHEMA, source.schema())
        tables = {table: archive.add(data_of(table), counted(table)) for table in source.tables}
        for table, part in tables.items():
            if part.rows != source.rows[table]:
                raise BackupError(f"{part.rows} of the {source.rows[table]} rows of {table} were read")
        manifest = Manifest(
            made_at=source.made_at,
            schema_version=source.schema_version,
            undelivered_events=source.undelivered_events,
            schema=schema,
            tables=tables,
        )
        archive.finish(manifest)
    return manifest
