"""One reader of the tables for all clients: they share a bounded buffer, and each goes through it at its own pace."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sse_starlette.event import ServerSentEvent

from common.observability import logger
from infra.bridge.database import DATABASE_AWAY, Database, close, connect
from infra.live.sources import SOURCES, Row
from infra.live.tail import Tail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from infra.live.listener import Listener
    from infra.live.settings import LiveSettings


@dataclass(frozen=True)
class Position:
    """Up to where all has been told: an id per source."""

    ids: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """What a client gave as its Last-Event-ID; None if that is no position."""
        parts = text.split(".")
        if len(parts) != len(SOURCES) or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
            return None
        return cls(tuple(map(int, parts)))

    def __str__(self) -> str:
        return ".".join(map(str, self.ids))


def encoded(data: str, position: Position, event: str | None = None) -> bytes:
    """A server-sent event (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    return ServerSentEvent(data, id=str(position), event=event, sep="\n").encode()


def _encoded_together(texts: Sequence[str], before: Position, after: Position) -> list[bytes]:
    """Only with the last of them has all been told up to the new position; a connection may end after any."""
    return [encoded(text, before) for text in texts[:-1]] + [encoded(text, after) for text in texts[-1:]]


def _texts(rows: Iterable[tuple[Tail, Row]]) -> list[str]:
    return [text for tail, row in rows if (text := tail.message(row)) is not None]


class Feed:
    """Reads while there are clients, and rests while there are none."""

    def __init__(self, settings: LiveSettings) -> None:
        self._settings = settings
        self._tails = [Tail(source) for source in SOURCES]
        self._buffer: deque[bytes] = deque(maxlen=settings.buffered_events)
        self._next = 0
        self._changed = asyncio.Event()
        self._woken = asyncio.Event()
        self._needed = asyncio.Event()
        self._begun = asyncio.Event()
        self._connection: Database | None = None
        self.clients = 0

    def wake(self) -> None:
        """There may be something new."""
        self._woken.set()

    async def run(self) -> None:
        """Read for as long as the process lives."""
        pause = self._settings.shortest_pause
        while True:
            if not self.clients:
                self._begun.clear()
                self._needed.clear()
                await self._needed.wait()
            try:
                found = await asyncio.to_thread(self._read)
            except DATABASE_AWAY as error:
                logger.warning("live_events_without_database", error=str(error))
                await asyncio.sleep(self._settings.outage_pause)
                continue
            pause = self._settings.shortest_pause if self._publish(found) else min(pause * 2, self._settings.longest_pause)
            # What a message tells of may be followed by a change of stock that no message tells of: look again soon.
            if await self._woken_within(pause):
                pause = self._settings.shortest_pause
                # What happens at the same time is read together.
                await asyncio.sleep(self._settings.gathering_pause)

    @contextlib.contextmanager
    def client(self) -> Iterator[None]:
        """While there is a client, the tables are read."""
        self.clients += 1
        self._needed.set()
        try:
            yield
        finally:
            self.clients -= 1

    async def follow(self, since: Position | None, listener: Listener) -> AsyncIterator[bytes]:
        """What is told from `since` (or from now) on, while the listener may stay: chunks of server-sent events."""
        with self.client():
            await self._begun.wait()
            # From here to the buffer's reading nothing is awaited that the buffer does not cover.
            at, here = self._next, self._position()
            if since is None:
                yield encoded('{"resumed":false}', here, "ready")
            elif not await self._is_kept(since, here):
                yield encoded('{"reason":"unknown or too long ago"}', here, "reset")
            else:
                yield encoded('{"resumed":true}', since, "ready")
                async for chunk in self._missed(since, here):
                    yield chunk
            while listener.may_stay():
                changed = self._changed
                if at < self._next - len(self._buffer):
                    # This client is slower than what is told, and the buffer has gone on without it.
                    at, here = self._next, self._position()
                    yield encoded('{"reason":"too slow"}', here, "reset")
                elif at < self._next:
                    waiting = self._next - at
                    chunk = b"".join(self._buffer[index] for index in range(len(self._buffer) - waiting, len(self._buffer)))
                    at, here = self._next, self._position()
                    yield chunk
                else:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(changed.wait(), listener.next_look())
            # Whoever may not stay is not told what has come meanwhile, and so must not take it for told.
            yield encoded("{}", here, "expired")

    def _position(self) -> Position:
        return Position(tuple(tail.watermark for tail in self._tails))

    def _read(self) -> list[tuple[Tail, Sequence[Row]]]:
        connection = self._connected()
        try:
            if not self._begun.is_set():
                for tail in self._tails:
                    tail.begin(connection)
                return []
            return [(tail, tail.read(connection, self._settings.rows_at_once)) for tail in self._tails]
        except BaseException:
            close(connection)
            self._connection = None
            raise

    def _publish(self, found: Sequence[tuple[Tail, Sequence[Row]]]) -> bool:
        """Tell what was read of all tables, and only now count it as read. Returns whether there was anything to tell."""
        self._begun.set()
        before = self._position()
        for tail, rows in found:
            tail.passed(rows)
        messages = _encoded_together(_texts((tail, row) for tail, rows in found for row in rows), before, self._position())
        if messages:
            self._buffer.extend(messages)
            self._next += len(messages)
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()
        return bool(messages)

    async def _woken_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._woken.wait(), seconds)
        except TimeoutError:
            return False
        self._woken.clear()
        return True

    async def _is_kept(self, since: Position, here: Position) -> bool:
        """Whether all that was missed can still be told, and is not too much."""
        missed = [last.last - known for last, known in zip(self._tails, since.ids, strict=True)]
        if any(known > tail.last for known, tail in zip(since.ids, self._tails, strict=True)) or sum(missed) > self._settings.most_missed:
            return False
        return here == since or await asyncio.to_thread(self._reaches_back_to, since)

    def _reaches_back_to(self, since: Position) -> bool:
        connection = connect()
        try:
            firsts = [tail.first_id(connection) for tail in self._tails]
        finally:
            close(connection)
        return all(first is None or known + 1 >= first for known, first in zip(since.ids, firsts, strict=True))

    async def _missed(self, since: Position, here: Position) -> AsyncIterator[bytes]:
        """What lies between, in chunks; what is filled in later than it would have been read comes by the buffer."""
        ends = [tail.last for tail in self._tails]
        told = list(since.ids)
        for index, tail in enumerate(self._tails):
            after = since.ids[index]
            while after < ends[index]:
                rows = await asyncio.to_thread(self._between, tail, after, ends[index])
                after = rows[-1]["id"] if len(rows) == self._settings.rows_at_once else ends[index]
                before, told[index] = Position(tuple(told)), max(told[index], min(after, here.ids[index]))
                yield b"".join(_encoded_together(_texts((tail, row) for row in rows), before, Position(tuple(told))))

    def _between(self, tail: Tail, after: int, until: int) -> Sequence[Row]:
        connection = connect()
        try:
            return tail.between(connection, after, until, self._settings.rows_at_once)
        finally:
            close(connection)

    def _connected(self) -> Database:
        if self._connection is None:
            self._connection = connect()
        return self._connection
