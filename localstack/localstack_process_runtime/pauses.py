"""Keeping the interpreter's full collections short: each stops every thread, the one that answers requests among them."""

from __future__ import annotations

import gc
import time

LONG_SECONDS = 0.02
FULL = 2
"""The generation of a full collection."""


class ShortCollections:
    """Leaves what survived a long collection out of all later ones.

    LocalStack's modules and tables, some hundred thousand objects that stay, take 0.2 s to look through, every few thousand requests. What
    is left out and dropped later is still freed, unless it is a part of a cycle: as many objects as stay for good anyway, at most.
    """

    def __init__(self, long_seconds: float = LONG_SECONDS) -> None:
        self._long_seconds = long_seconds
        self._began = 0.0

    def install(self) -> None:
        gc.callbacks.append(self._observe)

    def _observe(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] < FULL:
            return
        if phase == "start":
            self._began = time.perf_counter()
        elif time.perf_counter() - self._began > self._long_seconds:
            gc.freeze()
