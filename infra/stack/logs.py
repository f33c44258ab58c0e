"""Log files of the servers: one per process under `logs/`, appended, turned over when large."""

from __future__ import annotations

import os
import shutil
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 20 * 1024 * 1024
KEPT = 2


def open_log(path: Path) -> IO[bytes]:
    """Open `path` for appending, turned over if it is large."""
    path.parent.mkdir(parents=True, exist_ok=True)
    turn_over(path)
    return path.open("ab")


def turn_over(path: Path) -> None:
    """Above `LARGEST` bytes the content moves to `path.1`, what was there to `path.2`, and so on; `path` begins anew.

    The file stays the same one, for whoever has it open for appending goes on writing to it. What is written within the moment between
    the last look and the cut is lost.
    """
    if not path.exists() or path.stat().st_size <= LARGEST:
        return
    for number in range(KEPT, 1, -1):
        newer = path.with_name(f"{path.name}.{number - 1}")
        if newer.exists():
            newer.replace(path.with_name(f"{path.name}.{number}"))
    with path.open("rb") as log, path.with_name(f"{path.name}.1").open("wb") as former:
        while former.tell() < path.stat().st_size:
            shutil.copyfileobj(log, former)
        os.truncate(path, 0)


def tail(path: Path, lines: int, begin: int = 0) -> list[str]:
    """The last `lines` lines of a log, of what was written from the byte `begin` on."""
    if not path.exists() or lines <= 0:
        return []
    block = 256 * 1024
    with path.open("rb") as log:
        log.seek(0, 2)
        log.seek(max(begin, log.tell() - block))
        return log.read().decode(errors="replace").splitlines()[-lines:]
