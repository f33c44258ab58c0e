"""Who follows a stream, and for how long: a stream may be open for hours after a token was looked at."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Listener:
    """May stay until its token expires, or until the gateway, asked again and again, says that it counts no longer."""

    def __init__(self, seconds: float, is_refused: Callable[[], Awaitable[bool]], recheck_seconds: float) -> None:
        """`is_refused` is false while nobody can say; whoever was let in may stay until somebody can."""
        self._now = asyncio.get_running_loop().time
        self._ends = self._now() + seconds
        self._is_refused = is_refused
        self._recheck_seconds = recheck_seconds
        self._recheck_at = self._now() + recheck_seconds
        self._asking: asyncio.Task[None] | None = None

    def may_stay(self) -> bool:
        """Whether there is still something to tell it. Has the gateway asked when it is time, and does not wait for the answer."""
        if self._now() >= self._recheck_at:
            self._recheck_at = self._now() + self._recheck_seconds
            self._asking = asyncio.create_task(self._ask())
        return self._now() < self._ends

    def next_look(self) -> float:
        """In how many seconds `may_stay` is to be asked again."""
        return min(self._ends, self._recheck_at) - self._now()

    async def _ask(self) -> None:
        if await self._is_refused():
            self._ends = self._now()
