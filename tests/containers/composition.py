"""What docker-compose.yml says, and in which order its services are to start."""

from __future__ import annotations

from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Collection

PROJECT = Path(__file__).resolve().parents[2]
FILE = PROJECT / "docker-compose.yml"
DOCKERFILES = PROJECT / "infra" / "containers"

HEALTHY = "service_healthy"
DONE = "service_completed_successfully"


def read() -> dict[str, Any]:
    """The file, with its anchors resolved."""
    return dict(yaml.safe_load(FILE.read_text(encoding="utf-8")))


def services(profiles: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """Those that start when these profiles are asked for."""
    return {
        name: service
        for name, service in read()["services"].items()
        if not service.get("profiles") or set(service["profiles"]) & set(profiles)
    }


def order(started: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    """Each service after those it depends on, with what the others wait for: that it is healthy, or that it is done."""
    needs = {name: service.get("depends_on", {}) for name, service in started.items()}
    awaited = {name: HEALTHY for name, service in started.items() if "healthcheck" in service}
    awaited |= {name: DONE for depends_on in needs.values() for name, how in depends_on.items() if how["condition"] == DONE}
    return [(name, awaited.get(name, "")) for name in TopologicalSorter({name: set(of) for name, of in needs.items()}).static_order()]


def bases() -> set[str]:
    """The images that come from elsewhere: those that Dockerfiles begin with, and those that are run as they are."""
    started = services().values()
    built = {service["image"] for service in started if "build" in service}
    found = {service["image"] for service in started} - built
    for dockerfile in DOCKERFILES.glob("*.Dockerfile"):
        lines = [line.split() for line in dockerfile.read_text(encoding="utf-8").splitlines() if line.startswith("FROM ")]
        stages = {words[3] for words in lines if len(words) == 4}
        found |= {words[1] for words in lines} - stages
    return found
