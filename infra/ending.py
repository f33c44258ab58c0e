"""How a command that has something to put away is ended."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable


def end_as_by_ctrl_c() -> None:
    """Have it end as by Ctrl-C, with what it began put away, when it is told to terminate or its terminal is gone.

    Ctrl-C itself included: a script's background jobs are born deaf to it.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def run(main: Callable[[], int]) -> NoReturn:
    """Exit with what `main` returns, or with 130 where it was ended."""
    end_as_by_ctrl_c()
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
