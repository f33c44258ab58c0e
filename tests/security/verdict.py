"""What the attack has come to, as a table and as JSON."""

from __future__ import annotations

import os
import platform
from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.security.part import Part

_SHOWN = 50


def verdict(parts: Sequence[Part], *, seed: int, seconds: float) -> dict[str, Any]:
    """The figures, as JSON types."""
    return {
        "seed": seed,
        "parts": [
            {
                "part": part.name,
                "tried": [{"what": what, "cases": part.tried[what], "findings": _found(part)[what]} for what in _whats(part)],
            }
            for part in parts
        ],
        "cases": sum(part.tried.total() for part in parts),
        "findings": [{"part": part.name, "tried": each.tried, "detail": each.detail} for part in parts for each in part.findings],
        "seconds": round(seconds, 1),
        "machine": f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}",
        "clean": not any(part.findings for part in parts),
    }


def tables(document: Mapping[str, Any]) -> list[Table]:
    """The same for a person."""
    whole = Table("part", "what was tried", "cases", "findings", title="Security: the verdict")
    whole.columns[2].justify = whole.columns[3].justify = "right"
    for part in document["parts"]:
        for number, tried in enumerate(part["tried"]):
            last = number == len(part["tried"]) - 1
            found = f"[red]{tried['findings']:,}[/]" if tried["findings"] else "0"
            whole.add_row("" if number else part["part"], tried["what"], f"{tried['cases']:,}", found, end_section=last)
    how = f"seed {document['seed']}, {document['seconds']} s, {document['machine']}"
    whole.add_row("all", how, f"{document['cases']:,}", f"{len(document['findings']):,}")
    if document["clean"]:
        return [whole]
    found = Table("part", "what was tried", "what came of it", title="Findings")
    for finding in document["findings"][:_SHOWN]:
        found.add_row(finding["part"], finding["tried"], finding["detail"].encode("utf-8", "backslashreplace").decode())
    return [whole, found]


def _whats(part: Part) -> list[str]:
    return list(dict.fromkeys([*part.tried, *(finding.tried for finding in part.findings)]))


def _found(part: Part) -> Counter[str]:
    return Counter(finding.tried for finding in part.findings)
