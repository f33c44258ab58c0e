"""The lines that were not replayed, as a file."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from infra.replay.lines import Reported

_FIELDS = ("number", "kind", "detail", "text")


def write_report(path: Path, reported: Iterable[Reported]) -> None:
    """Write them as JSON where the file's name ends in .json, else as CSV."""
    rows = [asdict(line) for line in reported]
    if path.suffix.lower() == ".json":
        path.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _FIELDS)
        writer.writeheader()
        writer.writerows(rows)
