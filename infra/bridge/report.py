"""What the supervisor tells the world, each second: to Redis, where health and `inventory status` look, and to a file."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.liveness import write_states


def publish(states: Mapping[str, Mapping[str, Any]], file: Path | None) -> None:
    """Tell the states. Redis may be away (they are told again in a second); the file then still says how it is."""
    write_states(states)
    if file is None:
        return
    unfinished = file.with_name(file.name + ".new")
    unfinished.write_text(json.dumps({"at": time.time(), "states": states}, indent=1))
    unfinished.replace(file)
