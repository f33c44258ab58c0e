"""Progress as a person sees it: bars on a terminal, a line per phase in a log."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task


class _RateColumn(ProgressColumn):
    """How many are done in a second."""

    def render(self, task: Task) -> Text:
        """As a number, once there is one."""
        rate = task.finished_speed or task.speed
        return Text(f"{rate:,.0f}/s" if rate else "", style="progress.data.speed")


class PhaseBars:
    """A bar for each phase, on the console's stream; see infra.progress."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._drawn = console.is_terminal
        self._bars = Progress(
            SpinnerColumn(finished_text="[green]✔[/]"),
            TextColumn("{task.description:<18}"),
            BarColumn(),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not self._drawn,
        )
        self._task: TaskID | None = None
        self._plain: tuple[str, int, float] | None = None
        self._done = 0
        self._counting = threading.Lock()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end_phase()
        self._bars.stop()

    def begin(self, phase: str, total: int) -> None:
        """A phase of `total` things begins; or the one there is begins again, in the same place."""
        again = self._plain is not None and self._plain[0] == phase
        if not again:
            self._end_phase()
        self._plain, self._done = (phase, total, time.monotonic()), 0
        if again and self._task is not None:
            self._bars.reset(self._task, total=total)
        else:
            self._task = self._bars.add_task(phase, total=total)

    def advance(self, done: int = 1) -> None:
        """So many more are done."""
        with self._counting:
            self._done += done
        if self._task is not None:
            self._bars.advance(self._task, done)

    def _end_phase(self) -> None:
        if self._plain is not None and not self._drawn:
            phase, total, began = self._plain
            seconds = time.monotonic() - began
            rate = self._done / max(seconds, 0.001)
            self._console.print(f"{phase:<18}{self._done}/{total}  {seconds:.1f} s, {rate:,.0f}/s", markup=False)
        self._plain = None
