"""What the supervisor tells the world, each second: to Redis, where health and `inventory status` look, and to a file."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.liveness import write_states
from infra.files import written_whole

# Told each second; whoever has said nothing for so long stands still.
_SILENCE_SECONDS = 10.0


def publish(states: Mapping[str, Mapping[str, Any]], file: Path | None) -> None:
    """Tell the states. Redis may be away (they are told again in a second); the file then still says how it is. Raises OSError."""
    write_states(states)
    if file is None:
        return
    with written_whole(file, synced=False) as unfinished:
        unfinished.write(json.dumps({"at": time.time(), "states": states}, indent=1).encode())


def role(file: Path) -> str | None:
    """What the bridge that writes this file is: active, standby or stopped; None when it has said nothing for too long."""
    try:
        told = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):  # of what was not synced a power failure leaves an empty file
        return None
    if time.time() - told["at"] > _SILENCE_SECONDS:
        return None
    states = told["states"]
    return str((states.get("bridge") or states["standby"])["state"])
