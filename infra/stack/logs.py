"""Log files of the servers: one per process under `logs/`, appended, turned over when large."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 20 * 1024 * 1024
KEPT = 2


def open_log(path: Path) -> IO[bytes]:
    """Open `path` for appending; at a start above `LARGEST` bytes the old content moves to `path.1`, that to `path.2`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LARGEST:
        for number in range(KEPT, 0, -1):
            older = path.with_name(f"{path.name}.{number}")
            newer = path if number == 1 else path.with_name(f"{path.name}.{number - 1}")
            if newer.exists():
                newer.replace(older)
    return path.open("ab")


def tail(path: Path, lines: int, begin: int = 0) -> list[str]:
    """The last `lines` lines of a log, of what was written from the byte `begin` on."""
    if not path.exists() or lines <= 0:
        return []
    block = 256 * 1024
    with path.open("rb") as log:
        log.seek(0, 2)
        log.seek(max(begin, log.tell() - block))
        return log.read().decode(errors="replace").splitlines()[-lines:]
