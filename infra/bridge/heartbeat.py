"""The line between a consumer process and its supervisor: a pipe with one JSON line a second, whose end means death."""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

# Of prctl, see its manual page.
_PR_SET_PDEATHSIG = 1


class HeartbeatSender:
    """The consumer's end; without a file descriptor (started by hand) nobody listens, and that is fine."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        if fd is not None:
            # A supervisor that stands still must not make its consumers stand still when the pipe is full.
            os.set_blocking(fd, False)

    def send(self, message: Mapping[str, Any]) -> bool:
        """Tell that all is well, with what there is to report. False when there is no supervisor any more."""
        if self._fd is None:
            return True
        try:
            os.write(self._fd, json.dumps(message).encode() + b"\n")
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


class HeartbeatReceiver:
    """The supervisor's end."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        os.set_blocking(fd, False)
        self._begun = b""

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
        os.close(self.fd)


def die_with_parent(parent: int) -> None:
    """Be told to stop (SIGTERM) when the parent process dies, however it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
