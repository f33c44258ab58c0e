"""Named points at which a test can have a consumer process die, instead of hoping to kill it there by luck.

While `BRIDGE_CRASH_POINTS` names a folder, a process that reaches a point dies if the folder holds a file
`<consumer>.<point>`: each time, or only the first time if the file says `once`.
"""

import os
from typing import Literal

from infra.bridge.settings import get_bridge_settings

Point = Literal["at_start", "after_read_before_invoke", "after_invoke_before_mark", "after_mark"]

EXIT_CODE = 86


def crash_point(consumer: str, point: Point) -> None:
    """Die here, without any cleaning up, if a test asked for it."""
    folder = get_bridge_settings().crash_points
    if folder is None:
        return
    order = folder / f"{consumer}.{point}"
    try:
        once = order.read_text().strip() == "once"
    except FileNotFoundError:
        return
    if once:
        order.unlink(missing_ok=True)
    os._exit(EXIT_CODE)
