"""Files that hold all of what was written, or what they held before, whatever ends the process or the machine meanwhile."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def written_whole(path: Path, *, mode: int = 0o666, synced: bool = True) -> Iterator[IO[bytes]]:
    """What is written to this file gets its name at the end, and nothing is left of what was not written to the end.

    Not `synced`, it may be empty after a power failure: for what changes often and is made anew.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode), "w+b") as file:
            yield file
            if synced:
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    if synced:
        sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Have the names in it on the disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_secret(path: Path, value: str) -> None:
    """Keep a secret in a file that its owner alone can read."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with written_whole(path, mode=0o600) as file:
        file.write(value.encode())


def read_secret(path: Path) -> str | None:
    """The secret kept there; None where there is none, or an empty file that a power failure left of it."""
    try:
        return path.read_text(encoding="utf-8") or None
    except FileNotFoundError:
        return None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone among the commands of this machine; the kernel ends it with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
