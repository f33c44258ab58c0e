"""`python -m infra.audit PIP_AUDIT` (`make audit`): advisories about each lock file.

0 where all was asked about and nothing is known, 1 where something is known, 2 where something could not be asked about.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from infra.audit.reports import Report, of_npm, of_pip_audit
from infra.dependencies.locked import PYTHON_LOCKS
from infra.stack.instance import PROJECT_DIR

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FRONTEND = "frontend"
# In this order, until one knows all of a file's packages: an index that stands in for PyPI may have packages and no advisories.
SERVICES = ("pypi", "osv")
_SHOWN = 1


def main(pip_audit: str) -> int:
    """Ask, tell, and say how it went."""
    console = Console(width=None if sys.stdout.isatty() else 150)
    reports = [_of_lock(pip_audit, lock) for lock in PYTHON_LOCKS]
    ran = subprocess.run(
        ["npm", "audit", "--omit=dev", "--json"], cwd=PROJECT_DIR / FRONTEND, capture_output=True, text=True, check=False, env=os.environ
    )
    reports.append(of_npm(f"{FRONTEND}/package-lock.json", ran.stdout, ran.stderr))
    for table in tables(reports):
        console.print(table)
    code = exit_code(reports)
    console.print(
        {
            0: "Nothing is known against what is locked.",
            1: "Something is known against what is locked.",
            2: "Not everything could be asked about: that is no word for or against it. The advisories of PyPI or osv.dev, and of npm's"
            " registry, have to be reachable.",
        }[code],
        highlight=False,
    )
    return code


def exit_code(reports: Sequence[Report]) -> int:
    """What is known weighs more than what is not."""
    if any(report.vulnerabilities for report in reports):
        return 1
    return 0 if all(report.sound for report in reports) else 2


def tables(reports: Sequence[Report]) -> list[Table]:
    """By lock file, and by what is known."""
    whole = Table("lock file", "asked about", "vulnerabilities", "not asked about", title="Audit")
    for report in reports:
        more = len(report.not_audited) - _SHOWN
        why = [*report.not_audited[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        whole.add_row(report.lock, f"{report.audited:,}", f"{len(report.vulnerabilities):,}", "\n".join(why))
    known = Table("lock file", "package", "version", "advisory", "mended in", title="Vulnerabilities")
    for report in reports:
        for each in report.vulnerabilities:
            known.add_row(report.lock, each.package, each.version, each.advisory, each.mended_in)
    return [whole, *([known] if known.row_count else [])]


def _of_lock(pip_audit: str, lock: str) -> Report:
    reports = []
    for service in SERVICES:
        reports.append(_asked(pip_audit, PROJECT_DIR / lock, lock, service))
        if not reports[-1].not_audited:
            return reports[-1]
    return max(reports, key=lambda report: report.audited)


def _asked(pip_audit: str, path: Path, lock: str, service: str) -> Report:
    command = [pip_audit, "--requirement", str(path), "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    ran = subprocess.run([*command, "--vulnerability-service", service], capture_output=True, text=True, check=False, env=os.environ)
    return of_pip_audit(lock, ran.stdout, ran.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
