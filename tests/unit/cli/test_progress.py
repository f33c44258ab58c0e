"""Long work tells how far it is: here in a log, which gets a line for each phase."""

import io
import re

from rich.console import Console

from infra.cli.progress import PhaseBars


def lines(work):
    written = io.StringIO()
    with PhaseBars(Console(file=written, force_terminal=False)) as bars:
        work(bars)
    return [re.sub(r"\s+[\d.]+ s, [\d,]+/s$", "", line) for line in written.getvalue().splitlines()]


def test_each_phase_gets_a_line_when_it_is_over():
    def work(bars):
        bars.begin("products", 3)
        bars.advance(2)
        bars.advance()
        bars.begin("orders", 10)
        bars.advance(4)

    assert lines(work) == ["products          3/3", "orders            4/10"]


def test_a_phase_that_begins_again_stays_one():
    def work(bars):
        for _ in range(3):
            bars.begin("checks", 2)
            bars.advance(2)

    assert lines(work) == ["checks            2/2"]


def test_a_terminal_shows_one_bar_for_a_phase_that_begins_again():
    written = io.StringIO()
    with PhaseBars(Console(file=written, force_terminal=True, width=100)) as bars:
        for _ in range(3):
            bars.begin("checks", 2)
            bars.advance(2)
    last = written.getvalue().rpartition("\x1b[?25h")[0].rpartition("\x1b[2K")[2]
    assert last.count("checks") == 1
    assert "2/2" in last
