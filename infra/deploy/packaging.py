"""Builds the archives a template asks for: the same content gives the same bytes, name and time."""

from __future__ import annotations

import hashlib
import platform
import time
import zipfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from infra.deploy.template import FUNCTION, LAYER, Template, resources_of
from infra.files import written_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LEFT_OUT = {"__pycache__", ".chalice", ".mypy_cache", ".ruff_cache", "sample_events"}
"""Not part of a deployed function. functions/Makefile, by which `sam build` copies, leaves them out as well."""

KEPT_FOR = 24 * 3600
"""Seconds an archive of former code stays."""

FIRST_DAY_OF_ZIP = (1980, 1, 1, 0, 0, 0)


class SourceMissing(Exception):
    """The template names a folder that is not there, or one that has to be built first."""


@dataclass(frozen=True)
class Source:
    """What goes into one archive."""

    name: str
    """Readable part of the archive's name."""
    root: Path
    """Paths in the archive are relative to it."""
    part: Path
    """The folder below (or equal to) `root` that is packed."""
    built_from: Path | None = None
    """The lock file that says what a built folder holds; hashed in its stead, as it holds thousands of files."""


@dataclass(frozen=True)
class Archive:
    """A built zip; `digest` is that of its content and part of the file's name."""

    path: Path
    digest: str

    @property
    def key(self) -> str:
        return self.path.name


def sources(template: Template, project_dir: Path) -> dict[str, Source]:
    """The source of each function and layer, by logical id, as the template describes them."""
    found = {}
    for logical_id, function in resources_of(template, FUNCTION).items():
        # functions/ + the handler's package: an archive holds its own package only.
        package = function["Handler"].split(".", 1)[0]
        root = project_dir / function["CodeUri"]
        found[logical_id] = Source(name=package, root=root, part=root / package)
    for logical_id, layer in resources_of(template, LAYER).items():
        content = project_dir / layer["ContentUri"]
        lock = content / "requirements.lock"
        name = content.name
        if lock.exists():
            built = project_dir / ".build" / "layers" / name
            found[logical_id] = Source(name=f"{name}-layer", root=built, part=built / "python", built_from=lock)
        else:
            found[logical_id] = Source(name=f"{name}-layer", root=content, part=content / "python")
    for logical_id, source in found.items():
        if not source.part.is_dir():
            raise SourceMissing(f"{logical_id} is to be built from {source.part}, which does not exist.")
    return found


def build(source: Source, target_dir: Path) -> Archive:
    """The archive of `source`, from `target_dir` when it is there already."""
    digest = _digest(source)
    path = target_dir / f"{source.name}-{digest[:16]}.zip"
    if not path.exists():
        # Two instances (a running system and a test) may build the same at once, and one may still upload a former archive.
        with written_whole(path) as file:
            _write(source, file)
        for former in target_dir.glob(f"{source.name}-{'[0-9a-f]' * 16}.zip"):
            if former.stat().st_mtime < time.time() - KEPT_FOR:
                former.unlink(missing_ok=True)
    return Archive(path, digest)


def files_of(source: Source) -> Iterator[tuple[str, Path]]:
    """Name in the archive and path of each file, in the archive's order."""
    packed = [path for path in source.part.rglob("*") if path.is_file() and not _left_out(source, path)]
    for path in sorted(packed):
        yield path.relative_to(source.root).as_posix(), path


def _left_out(source: Source, path: Path) -> bool:
    # A built layer is packed whole: its compiled files save every cold start their compilation.
    return source.built_from is None and not LEFT_OUT.isdisjoint(path.relative_to(source.root).parts)


def _digest(source: Source) -> str:
    if source.built_from is not None:
        made_by = f"{platform.python_implementation()} {platform.python_version()} {platform.machine()}"
        return hashlib.sha256(source.built_from.read_bytes() + made_by.encode()).hexdigest()
    digest = hashlib.sha256()
    for name, path in files_of(source):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _write(source: Source, target: IO[bytes]) -> None:
    with zipfile.ZipFile(target, "w", compresslevel=1) as archive:
        for name, file in files_of(source):
            # Neither the day nor the umask of a checkout belongs to its content.
            entry = zipfile.ZipInfo(name, FIRST_DAY_OF_ZIP)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
