"""Named points at which a test can have a process die, instead of hoping to kill it there by luck.

While `CRASH_POINTS` names a folder, a process that reaches a point dies if the folder holds a file `<who>.<point>`: each
time, or only the first time if the file says `once`. Where it names none, as in everything the template deploys, a point
costs the look at a setting; with a database anywhere but on this machine the setting is refused (common.config).
"""

import os
from typing import Literal

from common.config import get_settings

# Of a consumer process of the bridge, and of a function.
Point = Literal[
    "at_start",
    "after_read_before_invoke",
    "after_invoke_before_mark",
    "after_mark",
    "before_commit",
    "after_commit_before_publish",
    "after_publish_before_answer",
]

EXIT_CODE = 86


def crash_point(point: Point, who: str | None = None) -> None:
    """Die here, without any cleaning up, if a test asked for it; `who` is the function unless told otherwise."""
    folder = get_settings().crash_points
    if folder is None:
        return
    order = folder / f"{who or get_settings().function}.{point}"
    try:
        once = order.read_text().strip() == "once"
        if once:
            # Of several that get here at the same time, the one that removes the file is meant.
            order.unlink()
    except FileNotFoundError:
        return
    os._exit(EXIT_CODE)
