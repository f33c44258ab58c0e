"""What an environment's process writes, as log lines."""

from __future__ import annotations

import contextlib
import os
import time
from fcntl import F_GETPIPE_SZ, fcntl
from typing import TYPE_CHECKING

from lambda_environments.model import LOG_TAIL_BYTES, LogEvent

if TYPE_CHECKING:
    import asyncio

READ_BYTES = 65_536
LINE_LIMIT_BYTES = 256 * 1024  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
OUTPUT_LIMIT_BYTES = 8 * 1024 * 1024
"""Of one invocation: a function that writes without end would take all memory."""
EVENT_BYTES = 200
"""What a line takes beside its text; most of what short ones do."""


class OutputPipe:
    """Standard output and error of one process, read as it writes; lines become events in the order written."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._read_end, self.write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read_end, False)
        self._partial = b""
        self._tail: list[str] = []
        self._tail_bytes = 0
        self._room = OUTPUT_LIMIT_BYTES
        self._left_out = 0
        self.events: list[LogEvent] = []
        self._open = True
        self._loop.add_reader(self._read_end, self.drain)

    def release(self) -> None:
        """Call when the process holds the write end: from here on the end of the process is the end of the pipe."""
        os.close(self.write_end)
        self.write_end = -1

    def drain(self) -> None:
        """Take everything written so far, without waiting.

        That is no more than the pipe holds: of a process that writes as fast as it is read, there would be no end.
        """
        left = fcntl(self._read_end, F_GETPIPE_SZ) if self._open else 0
        while left > 0:
            try:
                data = os.read(self._read_end, READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._stop()
                return
            self._take(data)
            if len(data) < READ_BYTES:
                return
            left -= len(data)

    def _take(self, data: bytes) -> None:
        if self._room <= 0:  # the event loop's time is not spent on it either
            self._left_out += len(data)
            return
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._room -= len(data) + EVENT_BYTES * len(lines)
        for line in lines:
            self.write(line.decode("utf-8", "replace"))
        if len(self._partial) > LINE_LIMIT_BYTES:
            self.flush_partial()

    def write(self, line: str) -> None:
        """Add a line, ours or the function's."""
        message = line + "\n"
        self.events.append(LogEvent(time.time_ns() // 1_000_000, message))
        self._tail.append(message)
        self._tail_bytes += len(message)
        while self._tail_bytes - len(self._tail[0]) >= LOG_TAIL_BYTES:
            self._tail_bytes -= len(self._tail.pop(0))

    def flush_partial(self) -> None:
        """Make a line of what has no end of line yet, and say how much was left out: an invocation is over."""
        if self._partial:
            self.write(self._partial.decode("utf-8", "replace"))
            self._partial = b""
        if self._left_out:
            self.write(f"{self._left_out} bytes of output left out")
            self._left_out = 0

    def begin_tail(self) -> None:
        """An invocation begins: its tail is its own, and so is its room."""
        self._tail, self._tail_bytes = [], 0
        self._room = OUTPUT_LIMIT_BYTES

    def tail(self) -> tuple[str, ...]:
        """The lines since `begin_tail`, of them the last 4 kB."""
        return tuple(self._tail)

    def lines_so_far(self) -> list[str]:
        """What was written and not taken yet, a line without its end among it."""
        self.drain()
        partial = self._partial.decode("utf-8", "replace")
        return [*(event.message.removesuffix("\n") for event in self.events), *([partial] if partial else [])]

    def take_events(self) -> list[LogEvent]:
        events, self.events = self.events, []
        return events

    def close(self) -> None:
        self.drain()
        self.flush_partial()
        self._stop()
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def _stop(self) -> None:
        if self._open:
            self._open = False
            with contextlib.suppress(ValueError):
                self._loop.remove_reader(self._read_end)
            os.close(self._read_end)
