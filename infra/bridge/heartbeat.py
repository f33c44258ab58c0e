"""The line between a child of the bridge and its supervisor: a pipe with one JSON line a second, whose end means death."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of prctl, see its manual page.
_PR_SET_PDEATHSIG = 1


class HeartbeatSender:
    """The child's end."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        # A supervisor that stands still must not make its children stand still when the pipe is full.
        os.set_blocking(fd, False)

    def send(self, message: Mapping[str, Any]) -> bool:
        """Tell that all is well, with what there is to report. False when there is no supervisor any more."""
        try:
            os.write(self._fd, json.dumps(message).encode() + b"\n")
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


class HeartbeatReceiver:
    """The supervisor's end."""

    _open: ClassVar[set[HeartbeatReceiver]] = set()

    def __init__(self, fd: int) -> None:
        self.fd = fd
        os.set_blocking(fd, False)
        self._begun = b""
        self._open.add(self)

    @classmethod
    def close_all(cls) -> None:
        """For a child: as long as it holds the ends of its siblings' lines, those do not notice that the supervisor is gone."""
        for receiver in tuple(cls._open):
            receiver.close()

    def receive(self) -> tuple[list[dict[str, Any]], bool]:
        """The messages that have arrived, and whether the other end is closed."""
        closed = False
        while True:
            try:
                chunk = os.read(self.fd, 65536)
            except BlockingIOError:
                break
            if not chunk:
                closed = True
                break
            self._begun += chunk
        *lines, self._begun = self._begun.split(b"\n")
        return [json.loads(line) for line in lines], closed

    def close(self) -> None:
        """Close this end."""
        self._open.discard(self)
        os.close(self.fd)


def die_with_parent(parent: int) -> None:
    """Be told to stop (SIGTERM) when the parent process dies, however it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
