"""Tables of a terminal: figures and names stay whole at any width, and what is long goes under its row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

_WIDE, _NARROW = 2, 1
_INDENT = 4
_LEAST_TEXT = 20


class Table:
    """Rows of cells that are never cut or wrapped, each with a note of any length under it. Cells and notes may hold rich's markup."""

    def __init__(self, *columns: str, title: str = "") -> None:
        """Without columns, a table without a header."""
        self._title = title
        self._rows: list[tuple[list[Text], Text]] = []
        if columns:
            self._rows.append(([Text(column, style="bold") for column in columns], Text()))

    def add_row(self, *cells: str, note: str = "") -> None:
        """A row; a note's line breaks are of no meaning."""
        self._rows.append(([Text.from_markup(cell) for cell in cells], Text.from_markup(" ".join(note.split()))))

    def print(self, console: Console) -> None:
        """On a terminal notes wrap at its width; elsewhere they stay one line each, for whoever searches them.

        Columns move closer together where that makes them fit; where it does not, lines are longer than the console is wide.
        """
        widths = [max(cell.cell_len for cell in column) for column in zip(*(cells for cells, _ in self._rows), strict=True)]
        gap = _WIDE if sum(widths) + _WIDE * (len(widths) - 1) <= console.width else _NARROW
        if self._title:
            _print(console, Text(self._title, style="bold"))
        for cells, note in self._rows:
            line = Text()
            for cell, width in zip(cells, widths, strict=True):
                line.append_text(cell).append(" " * (width - cell.cell_len + gap))
            line.rstrip()
            _print(console, line)
            _print_note(console, note)


def _print_note(console: Console, note: Text) -> None:
    if not note:
        return
    if not console.is_terminal:
        _print(console, Text(" " * _INDENT) + note)
        return
    for line in note.wrap(console, max(_LEAST_TEXT, console.width - _INDENT)):
        line.rstrip()
        _print(console, Text(" " * _INDENT) + line)


def _print(console: Console, line: Text) -> None:
    console.print(line, soft_wrap=True)
