"""What pip-audit and npm say, read for what they know and for what they could not find out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Vulnerability:
    """An advisory about a package at the version that is locked."""

    package: str
    version: str
    advisory: str
    mended_in: str


@dataclass
class Report:
    """One lock file: how many packages were asked about, what is known of them, and what nobody could tell."""

    lock: str
    audited: int = 0
    vulnerabilities: list[Vulnerability] = field(default_factory=list)
    not_audited: list[str] = field(default_factory=list)
    """Why, by package or for the whole file."""

    @property
    def sound(self) -> bool:
        """Whether all of it was asked about, and nothing is known against it."""
        return bool(self.audited) and not self.vulnerabilities and not self.not_audited


def of_pip_audit(lock: str, output: str, error: str) -> Report:
    """Of `pip-audit --format json`: a package that the service does not know is skipped there, and the exit code is 0."""
    report = Report(lock)
    document = _json_in(output)
    if document is None or "dependencies" not in document:
        report.not_audited.append(_last_line(error) or "pip-audit said nothing")
        return report
    for package in document["dependencies"]:
        if "skip_reason" in package:
            report.not_audited.append(f"{package['name']}: {package['skip_reason']}")
            continue
        report.audited += 1
        report.vulnerabilities += [
            Vulnerability(package["name"], package["version"], found["id"], ", ".join(found.get("fix_versions", ())))
            for found in package["vulns"]
        ]
    return report


def of_npm(lock: str, output: str, error: str) -> Report:
    """Of `npm audit --json`: where the registry offers no advisories it is an error document."""
    report = Report(lock)
    document = _json_in(output)
    if document is None or "vulnerabilities" not in document:
        said = (document or {}).get("message") or (document or {}).get("error", {}).get("summary") or _last_line(error)
        report.not_audited.append(str(said or "npm said nothing"))
        return report
    report.audited = int(document.get("metadata", {}).get("dependencies", {}).get("total", 0))
    for name, found in document["vulnerabilities"].items():
        advisories = [via["title"] for via in found["via"] if isinstance(via, dict)]
        if advisories:  # else it only depends on one that has
            mended = "yes" if found.get("fixAvailable") else ""
            report.vulnerabilities.append(Vulnerability(name, found.get("range", ""), "; ".join(advisories), mended))
    return report


def _json_in(output: str) -> dict[str, Any] | None:
    """The document that a tool printed, behind words of its own perhaps."""
    begin = output.find("{")
    if begin < 0:
        return None
    try:
        document, _ = json.JSONDecoder().raw_decode(output[begin:])
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
