"""Lines to replay: the first of the real file where it lies beside the project, else as many of our own, as messy."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from infra.stack.instance import PROJECT_DIR

if TYPE_CHECKING:
    from pathlib import Path

    from infra.stack import Stack

REAL = PROJECT_DIR.parent / "shared" / "data" / "online-retail-2010-12.csv"
_COLUMNS = ("invoice_no", "stock_code", "description", "quantity", "invoiced_at", "unit_price", "customer_id", "country")
_MOMENT = "2010-12-01T08:26:00"


def invoice_lines(directory: Path, count: int) -> Path:
    """A file of so many lines."""
    file = directory / "lines.csv"
    if REAL.exists():
        with REAL.open(encoding="utf-8") as real:
            file.write_text("".join(next(real) for _ in range(count + 1)), encoding="utf-8")
        return file
    with file.open("w", encoding="utf-8", newline="") as made:
        writer = csv.writer(made)
        writer.writerow(_COLUMNS)
        writer.writerows(_line(number) for number in range(count))
    return file


def _line(number: int) -> tuple[object, ...]:
    """Mostly sales; every kind of oddity comes up in each hundred."""
    code = "85123" + "Aa"[number % 2] if number % 4 == 0 else f"2{number % 40:04}"
    customer = "" if number % 5 == 0 else 17850 + number % 7
    sale = (536365 + number // 20, code, f"LANTERN {code}", 1 + number % 12, _MOMENT, "2.55", customer, "United Kingdom")
    oddities: dict[int, tuple[object, ...]] = {
        11: ("C536379", code, f"LANTERN {code}", -1, _MOMENT, "2.55", 17850, "United Kingdom"),
        23: (536414, "22139", "", 56, _MOMENT, 0, "", "United Kingdom"),
        37: (536589, "21777", "", -10, _MOMENT, 0, "", "United Kingdom"),
        41: (536590, code, f"LANTERN {code}", 0, _MOMENT, "2.55", 17850, "France"),
        53: (536591, code, f"LANTERN {code}", "many", _MOMENT, "2.55", 17850, "France"),
        67: (536592, code, f"LANTERN {code}", "2.5", _MOMENT, "2.55", 17850, "EIRE"),
        79: (536593, code, f"LANTERN {code}", 1, _MOMENT, "-11062.06", "", "United Kingdom"),
        83: (536594, code, "short line"),
    }
    return oddities.get(number % 100, sale)


def command(system: Stack, *arguments: str) -> list[str]:
    """The `inventory` command, speaking of that system."""
    return [sys.executable, "-m", "infra.cli.main", "--run-dir", str(system.run_dir), *arguments]


def run_command(system: Stack, *arguments: str, seconds: float = 240, code: int = 0) -> dict[str, Any]:
    """What the command prints as JSON, once it has ended with this exit code."""
    done = subprocess.run(
        command(system, *arguments, "--json"), cwd=PROJECT_DIR, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
    return dict(json.loads(done.stdout))
