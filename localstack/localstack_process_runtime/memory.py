"""Keeping LocalStack small: what botocore reads is held once, and what is free is in one place, and goes back when all is quiet."""

from __future__ import annotations

import ctypes
import gc
import gzip
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from botocore.loaders import JSONFileLoader

if TYPE_CHECKING:
    from collections.abc import Callable

M_ARENA_MAX = -8  # malloc.h
QUIET_SECONDS = 5.0
QUIET_SHARE = 0.05
"""Of one processor: what LocalStack takes while nobody wants anything is less."""
WORTH_SECONDS = 2.0
"""Processor time after which there may be something to give back."""


def use_one_arena() -> None:
    """Have the C library serve all threads from one place, instead of from sixteen of which each keeps what was free in it once.

    Threads of Python hardly ever ask it at the same time: they hold the interpreter's lock.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have no such thing
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)


def hold_data_files_once() -> None:
    """Have all of botocore's loaders share what they read: LocalStack has five, each with the same models of services and endpoints.

    They are read into plain dictionaries, which take half as much as the ordered ones that botocore made of them for older Pythons.
    """
    held: dict[str, Any] = {}

    def load_file(_loader: JSONFileLoader, file_path: str) -> Any:
        if file_path not in held:
            data = _read(file_path)
            if data is None:  # there may be one later
                return None
            held[file_path] = data
        return held[file_path]

    JSONFileLoader.load_file = load_file


def _read(file_path: str) -> Any:
    for suffix, unpacked in ((".json", bytes), (".json.gz", gzip.decompress)):
        path = Path(file_path + suffix)
        if path.is_file():
            return orjson.loads(unpacked(path.read_bytes()))
    return None


class GiveBack(threading.Thread):
    """After work, once it is quiet, gives free memory back to the system, which the C library keeps otherwise: 60 MB after a deployment."""

    def __init__(self) -> None:
        super().__init__(name="give-back", daemon=True)
        self._trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
        self._seen = 0.0
        self._given_back_at = 0.0

    def run(self) -> None:
        while self._trim is not None:
            time.sleep(QUIET_SECONDS)
            self.look(time.process_time())

    def look(self, spent: float) -> bool:
        """Give back what is free, if this much processor time means that there was work and is none. Whether it did."""
        quiet = spent - self._seen < QUIET_SECONDS * QUIET_SHARE
        self._seen = spent
        if self._trim is None or not quiet or spent - self._given_back_at < WORTH_SECONDS:
            return False
        gc.collect()
        self._trim(0)
        self._given_back_at = spent
        return True
