"""Keeping the interpreter's full collections short: each stops every thread, the one that answers requests among them."""

from __future__ import annotations

import gc
import threading
import time

MANY_OBJECTS = 50_000
"""Looking through these takes some 20 ms."""
LOOK_SECONDS = 0.5
FULL = 2
"""The generation of a full collection."""


class ShortCollections(threading.Thread):
    """Leaves what survived a long collection out of all later ones.

    LocalStack's modules and tables, some hundred thousand objects that stay, take 0.2 s to look through, every few thousand requests. What
    is left out and dropped later is still freed, unless it is a part of a cycle: as many objects as stay for good anyway, at most.

    A thread rather than one of `gc.callbacks`: Python code in the middle of a collection lets other threads run in the middle of whatever
    set it off, which not all of C takes (https://github.com/python/cpython/issues/106905).
    """

    def __init__(self, many_objects: int = MANY_OBJECTS, look_seconds: float = LOOK_SECONDS) -> None:
        super().__init__(name="short-collections", daemon=True)
        self._many_objects = many_objects
        self._look_seconds = look_seconds
        self._collections = 0

    def run(self) -> None:
        while True:
            time.sleep(self._look_seconds)
            self.look()

    def look(self) -> None:
        """Take out what survived, if there was a full collection since the last look."""
        collections = gc.get_stats()[FULL]["collections"]
        if collections != self._collections:
            self._collections = collections
            if len(gc.get_objects(generation=FULL)) > self._many_objects:
                gc.freeze()
