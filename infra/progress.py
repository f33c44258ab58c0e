"""How the long work tells how far it is; the command draws it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told of each phase as it begins, and of each thing done in it. May be called by several threads."""

    def begin(self, phase: str, total: int) -> None:
        """A phase of `total` things begins, and the one before it is over."""

    def advance(self, done: int = 1) -> None:
        """So many more of the phase are done."""


class Silent:
    """For those who do not watch."""

    def begin(self, phase: str, total: int) -> None:
        """Nobody watches."""

    def advance(self, done: int = 1) -> None:
        """Nobody watches."""
