"""What the lock files lock."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from infra.stack.instance import PROJECT_DIR

if TYPE_CHECKING:
    from collections.abc import Iterable

PYTHON_LOCKS = {
    "requirements.lock": ".venv",
    "layers/dependencies/requirements.lock": ".venv",
    "layers/tracing/requirements.lock": ".venv",
    "infra/requirements.lock": ".venv",
    "infra/page/requirements.lock": ".venv",
    "infra/audit/requirements.lock": ".build/audit",
    "localstack/requirements.lock": "localstack/.venv",
    "tests/aws/requirements.lock": ".build/sam",
    "tests/bench/requirements.lock": ".build/bench/venv",
    "tests/containers/requirements.lock": ".build/containers/venv",
}
"""Each with the environment that `make` installs it into."""
PAGE_LOCK = "frontend/package-lock.json"
# The second is what make bench measures against, at the version that its figures are of: nobody asks for a newer one.
NPM_LOCKS = (PAGE_LOCK, "tests/bench/serverless_offline/package-lock.json")
_LINE = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)(?:\s*;\s*([^\\\n]+?))?\s*\\?$", re.MULTILINE)


@dataclass
class Locked:
    """One package at one version, wherever it is locked."""

    registry: str
    """`python` or `npm`."""
    name: str
    version: str
    locks: list[str] = field(default_factory=list)
    licence: str = ""
    """An SPDX expression; empty where none is known."""
    newest: str | None = None
    """None where it could not be asked, or is not."""

    @property
    def behind(self) -> bool:
        return self.newest not in (None, self.version)


def python_packages(lock: str, text: str) -> list[Locked]:
    """Those of a lock file that this machine installs: the file is of all platforms."""
    found = _LINE.findall(text)
    return [
        Locked("python", canonicalize_name(name), version, [lock])
        for name, version, marker in found
        if not marker or Marker(marker).evaluate()
    ]


def npm_packages(lock: str, document: dict[str, Any]) -> list[Locked]:
    """Of all platforms; the lock file holds each package's own word of its licence."""
    return [
        Locked("npm", path.rpartition("node_modules/")[2], package["version"], [lock], str(package.get("license", "")))
        for path, package in document["packages"].items()
        if path and not package.get("link")
    ]


def everything() -> list[Locked]:
    """All lock files of the project, each package and version once."""
    found: list[Locked] = []
    for lock in PYTHON_LOCKS:
        found += python_packages(lock, (PROJECT_DIR / lock).read_text())
    for lock in NPM_LOCKS:
        found += npm_packages(lock, json.loads((PROJECT_DIR / lock).read_text()))
    return together(found)


def together(found: Iterable[Locked]) -> list[Locked]:
    """The same package and version once, with all its lock files, in order of names."""
    by_version: dict[tuple[str, str, str], Locked] = {}
    for each in found:
        known = by_version.setdefault((each.registry, each.name, each.version), each)
        known.locks = list(dict.fromkeys([*known.locks, *each.locks]))
        known.licence = known.licence or each.licence
    return [by_version[key] for key in sorted(by_version, key=lambda key: (key[0] != "python", *key[1:]))]
