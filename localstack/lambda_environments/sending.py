"""Writing to a connection without waiting for the event loop's turn to end."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


def send_now(transport: asyncio.Transport, descriptor: int, data: bytes) -> None:
    """Hand data to the kernel at once; what it does not take is the transport's.

    uvloop collects what is written and sends it when the turn of the loop is over, in no particular order. Here the other side is at work
    already while this turn does what nobody waits for.
    """
    if transport.is_closing():
        return
    if not transport.get_write_buffer_size():
        with contextlib.suppress(OSError):  # full or broken: the transport sees to either
            data = data[os.write(descriptor, data) :]
        if not data:
            return
    transport.write(data)
