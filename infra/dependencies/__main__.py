"""`python -m infra.dependencies` (`make dependencies`): each locked package with its lock files, newest version and licence.

0 where all licences are known and allowed, 1 where one is not, 2 where the newest versions could not be asked. That a newer version
exists is told and is no failure.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from infra.dependencies import licences, newest
from infra.dependencies.locked import Locked, everything

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Read, ask, tell, and say how it went."""
    packages = everything()
    licences.read(packages)
    not_asked = newest.ask(packages)
    if "--json" in arguments:
        report = {"packages": [_plain(each) for each in packages], "not_asked": not_asked}
        sys.stdout.write(json.dumps(report, indent=1) + "\n")
    else:
        _tell(packages, not_asked)
    return exit_code(packages, not_asked)


def exit_code(packages: Sequence[Locked], not_asked: Sequence[str]) -> int:
    """A licence weighs more than what could not be asked."""
    if any(licences.verdict(each) for each in packages):
        return 1
    return 2 if not_asked else 0


def _plain(package: Locked) -> dict[str, object]:
    exception = licences.EXCEPTIONS.get((package.registry, package.name))
    return vars(package) | {"behind": package.behind, "against": licences.verdict(package) or None, "exception": exception}


def _tell(packages: Sequence[Locked], not_asked: Sequence[str]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 170)
    table = Table("package", "version", "newest", "licence", "locked in", title="Dependencies")
    for each in packages:
        known = "not asked" if each.newest is None else each.newest if each.behind else ""
        against = licences.verdict(each)
        licence = f"[red]{each.licence or '?'}: {against}[/red]" if against else each.licence
        table.add_row(each.name, each.version, known, licence, ", ".join(each.locks))
    console.print(table)
    counted = Counter(each.licence for each in packages)
    console.print(
        "Licences: " + ", ".join(f"{name or '?'} {count}" for name, count in counted.most_common()), highlight=False, soft_wrap=True
    )
    for (_, name), reason in licences.EXCEPTIONS.items():
        console.print(f"Allowed all the same: {name}, {reason}", highlight=False, soft_wrap=True)
    behind = sum(each.behind for each in packages)
    refused = sum(bool(licences.verdict(each)) for each in packages)
    console.print(
        f"{len(packages):,} packages, {behind:,} behind the newest; licences of {refused:,} unknown or not allowed.", highlight=False
    )
    for refusal in not_asked:
        console.print(f"Could not be asked: {refusal}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
