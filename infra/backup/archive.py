"""The file of a backup: a zip of SQL, one statement a line, with a manifest of what must be in it.

Any mysql client restores one without us: `unzip -p FILE schema.sql 'data/*' | mysql DATABASE`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING, Any

from infra.files import sync_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

FORMAT = 1
MANIFEST = "manifest.json"
SCHEMA = "schema.sql"
_READ_BYTES = 1 << 20
# SQL shrinks to a sixth at once; trying harder takes thrice as long for a tenth less.
_COMPRESSION = 2


class BackupError(Exception):
    """A backup that cannot be made or restored; its text says why."""


class DamagedError(BackupError):
    """A file that is no backup, or not as it was written."""


@dataclass(frozen=True)
class Part:
    """A file in the zip, by its uncompressed content."""

    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup holds: the database as of `made_at` (UTC), under the schema of the migration `schema_version`."""

    made_at: str
    schema_version: str
    undelivered_events: int
    schema: Part
    tables: Mapping[str, Part]

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(part.rows for part in self.tables.values())

    def document(self) -> dict[str, Any]:
        """As JSON types."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_document(cls, document: Any) -> Manifest:
        """Raises DamagedError for what is no manifest of this form."""
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise DamagedError("its manifest is not one that this version reads")
        try:
            return cls(
                made_at=str(document["made_at"]),
                schema_version=str(document["schema_version"]),
                undelivered_events=int(document["undelivered_events"]),
                schema=Part(**document["schema"]),
                tables={str(table): Part(**part) for table, part in document["tables"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DamagedError(f"its manifest is incomplete: {error!r}") from error


class Writer:
    """A backup being written."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def add(self, name: str, statements: Iterable[tuple[str, int]]) -> Part:
        """Write a file of statements, each told with how many rows it holds."""
        digest, rows, size = hashlib.sha256(), 0, 0
        with self._archive.open(name, "w", force_zip64=True) as member:
            for statement, held in statements:
                line = f"{statement};\n".encode()
                member.write(line)
                digest.update(line)
                size += len(line)
                rows += held
        return Part(rows, size, digest.hexdigest())

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest; without it the file is no backup."""
        self._archive.writestr(MANIFEST, json.dumps(manifest.document(), indent=1))


class Reader:
    """A backup that is there. Raises DamagedError wherever it is not what its manifest says."""

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        self._archive = archive
        self.manifest = manifest

    def verify(self, read: Callable[[int], object] = lambda _: None) -> None:
        """Compare everything in it with the manifest. `read` is told of each bit of it, in bytes."""
        expected = {SCHEMA: self.manifest.schema, **{data_of(table): part for table, part in self.manifest.tables.items()}}
        found = set(self._archive.namelist()) - {MANIFEST}
        if found != set(expected):
            raise DamagedError(f"it holds other files than its manifest names: {', '.join(sorted(found ^ set(expected)))}")
        for name, part in expected.items():
            digest, size = hashlib.sha256(), 0
            with _explained(name), self._archive.open(name) as member:
                while block := member.read(_READ_BYTES):
                    digest.update(block)
                    size += len(block)
                    read(len(block))
            if (digest.hexdigest(), size) != (part.sha256, part.bytes):
                raise DamagedError(f"{name} is not what was written")

    def statements(self, name: str) -> Iterator[str]:
        """The statements of a file in it."""
        with _explained(name), self._archive.open(name) as member:
            for line in member:
                yield line.decode().rstrip(";\n")


def data_of(table: str) -> str:
    """The file that holds a table's rows."""
    return f"data/{table}.sql"


@contextmanager
def writing(path: Path, *, overwrite: bool) -> Iterator[Writer]:
    """A backup that appears under its name when it is whole and on the disk, and not before.

    Until then it is `FILE.unfinished`, which goes on any failure; one that a killed process left is written over by the next.
    """
    if path.exists() and not overwrite:
        raise BackupError(f"{path} is there already. Name another file, or say --overwrite.")
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        # Readable by its owner only: it holds everybody's password hash.
        with os.fdopen(os.open(unfinished, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            _claim(file, unfinished)
            try:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION) as archive:
                    yield Writer(archive)
                file.flush()
                os.fsync(file.fileno())
                unfinished.replace(path)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    unfinished.unlink()
                raise
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror or error}") from error
    sync_directory(path.parent)


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """An existing backup. Raises BackupError."""
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror or error}") from error
    except zipfile.BadZipFile as error:
        raise DamagedError(f"{path} is no backup, or not a whole one: {error}") from error
    with archive:
        try:
            with _explained(MANIFEST):
                document = json.loads(archive.read(MANIFEST))
        except (KeyError, ValueError) as error:
            raise DamagedError(f"{path} is no backup: it has no manifest that can be read") from error
        try:
            yield Reader(archive, Manifest.from_document(document))
        except DamagedError as error:
            raise DamagedError(f"{path} is damaged, or no backup: {error}") from error


@contextmanager
def _explained(name: str) -> Iterator[None]:
    # What a damaged zip raises is of many kinds, zlib's own among them.
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise DamagedError(f"{name} cannot be read: {error}") from error


def _claim(file: IO[bytes], path: Path) -> None:
    """Have the file alone and empty; one that got its final name between opening and locking is somebody's backup."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours = os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        ours = False
    if not ours:
        raise BackupError(f"{path} is just being written by another backup.")
    file.truncate()
