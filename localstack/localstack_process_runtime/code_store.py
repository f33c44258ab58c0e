"""Code and layer archives unpacked once per content, whichever function or version asks."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import logging
import py_compile
import shutil
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.lambda_models import ArchiveCode, S3Code

LOG = logging.getLogger(__name__)


class CodeStore:
    """Directories named by the archive's SHA-256; a directory that exists is complete."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()

    def unpacked(self, code: ArchiveCode) -> Path:
        """The directory with the archive's content."""
        if code.is_hot_reloading():
            return Path(code.get_unzipped_code_location())
        archive: S3Code = code
        target = self._directory / base64.b64decode(archive.code_sha256).hex()
        with self._lock:
            if not target.exists():
                self._unpack(archive, target)
        return target

    def _unpack(self, archive: S3Code, target: Path) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=self._directory))
        try:
            with tempfile.TemporaryFile(dir=self._directory) as file:
                archive._download_archive_to_file(file)  # noqa: SLF001 (LocalStack's own way to its internal bucket; no public one)
                with zipfile.ZipFile(file) as zipped:
                    for entry in zipped.infolist():
                        path = Path(zipped.extract(entry, draft))
                        executable = entry.external_attr >> 16 & 0o111
                        path.chmod(0o755 if path.is_dir() or executable else 0o644)
            _compile(draft)
            draft.chmod(0o755)
            draft.rename(target)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        LOG.debug("unpacked %s", target)


def _compile(directory: Path) -> None:
    """Spare every cold start what it could not keep: functions may not write beside their code, and this code never changes."""
    for source in directory.rglob("*.py"):
        compiled = Path(importlib.util.cache_from_source(str(source)))
        if not _knows_its_source_by_hash(compiled):
            with contextlib.suppress(OSError, py_compile.PyCompileError, ValueError):  # whoever imports it will say so
                mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
                py_compile.compile(str(source), str(compiled), doraise=True, invalidation_mode=mode)


def _knows_its_source_by_hash(compiled: Path) -> bool:
    """By its time it would not: unpacked files are as old as their unpacking."""
    with contextlib.suppress(OSError), compiled.open("rb") as file:
        header = file.read(8)
        return header[:4] == importlib.util.MAGIC_NUMBER and bool(header[4:5] and header[4] & 1)
    return False
