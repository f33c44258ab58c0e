"""What a part of the attack has tried, and what it found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Finding:
    """Something that should not be so: what was tried, and what came of it."""

    tried: str
    detail: str


@dataclass
class Part:
    """A part's cases by what was tried, in the order they came, and its findings."""

    name: str
    tried: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def case(self, tried: str, faults: Iterable[str]) -> None:
        """Count a case, and whatever is wrong with what came of it."""
        self.tried[tried] += 1
        self.findings.extend(Finding(tried, fault) for fault in faults)

    def cases(self, tried: str, count: int, faults: Iterable[str] = ()) -> None:
        """The same for many cases at once."""
        self.tried[tried] += count
        self.findings.extend(Finding(tried, fault) for fault in faults)
