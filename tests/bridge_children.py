"""The bridge's children, as a running system shows them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psutil

from infra.bridge.child import TITLE

if TYPE_CHECKING:
    from infra.stack import Stack


def child_pid(stack: Stack, name: str) -> int | None:
    """The process of this child (a consumer's name, `live-events`); None while there is none."""
    bridge = stack.state.read().get("servers", {}).get("bridge", {}).get("pid")
    children = []
    with contextlib.suppress(psutil.Error):  # the bridge has just ended
        children = psutil.Process(bridge).children() if bridge else []
    for child in children:
        with contextlib.suppress(psutil.Error):  # this one has
            if child_name(child) == name:
                return child.pid
    return None


def child_name(process: psutil.Process) -> str | None:
    """What a process of the bridge is a child for; None when it is none. Raises psutil.Error."""
    title = " ".join(process.cmdline()).strip()
    return title.removeprefix(TITLE) if title.startswith(TITLE) else None
