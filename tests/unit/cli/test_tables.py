"""What `inventory` prints stays readable at any width: names and figures whole, what is long under them."""

import io

import pytest
from rich.console import Console

from infra.cli.status import print_status
from infra.cli.table import Table

LONG = "ended with exit code 1: sqlalchemy.exc.OperationalError: " + "(pymysql.err.OperationalError) [Errno 111] " * 20 + "x" * 300
STATE = {
    "servers": {
        "localstack": {
            "actual": "restarting",
            "desired": "running",
            "pid": 4194304,
            "restarts": 123,
            "ports": {"LocalStack": 45660, "gateway": 58000},
            "detail": LONG,
        },
        "redis": {
            "actual": "stopped",
            "desired": "stopped",
            "pid": None,
            "restarts": 0,
            "ports": {"Redis": 6379},
            "detail": "asked to stop",
        },
    },
    "jobs": {"deploy": {"actual": "failed", "detail": LONG}},
}
HEALTH = {
    "services": {
        "procurement": {
            "status": "degraded",
            "database": {"ok": True, "milliseconds": 1234.5},
            "redis": {"ok": False, "error": LONG},
            "cache": {"warm": True},
            "breakers": {"supplier": "half-open", "product": "open", "redis": "closed"},
        }
    },
    "consumers": {
        name: {
            "state": "given_up",
            "pid": 4194304,
            "restarts": 3,
            "lag": {"events": 123456, "seconds": 1234.5},
            "delivered": 12345678,
            "failed": 12345,
            "dead_letters": 6789,
            "reported_seconds_ago": 0.4,
            "reason": LONG,
        }
        for name in ("procurement", "inventory")
    },
}


def shown(width: int, *, terminal: bool) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, highlight=False, color_system=None)
    print_status(STATE, HEALTH, console)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
@pytest.mark.parametrize("width", [80, 120, 200])
def test_names_and_figures_stay_whole_beside_errors_of_any_length(width, terminal):
    lines = [line.split() for line in shown(width, terminal=terminal)]

    assert ["localstack", "restarting", "4194304", "123", "45660", "58000"] in lines
    assert ["redis", "stopped", "(as", "asked)", "0", "6379"] in lines
    assert ["procurement", "degraded", "1234.5", "ms", "down", "warm", "supplier", "half-open,", "product", "open"] in lines
    for name in ("procurement", "inventory"):
        assert [name, "given_up", "4194304", "3", "123456", "(1234.5", "s)", "12345678", "12345", "6789"] in lines


@pytest.mark.parametrize("width", [80, 120, 200])
def test_on_a_terminal_every_line_fits_and_long_text_wraps_without_loss(width):
    lines = shown(width, terminal=True)

    assert max(map(len, lines)) <= width
    notes = [line for line in lines if line.startswith("    ")]
    assert max(map(len, notes)) <= width
    # Localstack's, the deployment's, Redis's and two consumers'.
    assert "".join("".join(notes).split()).count("".join(LONG.split())) == 5


def test_in_a_pipe_long_text_stays_on_one_line_for_whoever_searches_it():
    assert sum(" ".join(LONG.split()) in line for line in shown(80, terminal=False)) == 5


def test_columns_move_closer_together_before_a_row_gets_too_long():
    def row(width):
        console = Console(file=io.StringIO(), width=width)
        table = Table("a", "b")
        table.add_row("x" * 10, "y" * 10)
        table.print(console)
        return console.file.getvalue().splitlines()[1]

    assert row(22) == "x" * 10 + "  " + "y" * 10
    assert row(21) == "x" * 10 + " " + "y" * 10
    assert row(15) == "x" * 10 + " " + "y" * 10


def test_a_cell_is_shown_as_it_is_marked_and_no_brackets_are_lost():
    console = Console(file=io.StringIO(), width=80)
    table = Table()
    table.add_row("[red]down[/]", note=r"\[Errno 111] refused")
    table.print(console)
    assert console.file.getvalue() == "down\n    [Errno 111] refused\n"
