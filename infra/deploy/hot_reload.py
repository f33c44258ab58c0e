"""Has the deployed functions run from the sources on disk, and follows what becomes of each save (see docs/adr/0018)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import httpx

from infra.deploy import packaging, template
from infra.deploy.cloudformation import CloudFormation
from infra.deploy.deployment import STACK_NAME, client_of
from infra.deploy.template import FUNCTION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from infra.stack import Stack

SECONDS = 5.0


@dataclass(frozen=True)
class Reload:
    """Functions that imported the same save anew."""

    changed: tuple[str, ...]
    """Names of files; none for the first import from the sources."""
    functions: tuple[str, ...]
    milliseconds: int
    """Of the slowest."""
    error: str | None

    def __str__(self) -> str:
        who = self.functions[0] if len(self.functions) == 1 else f"{len(self.functions)} functions"
        what = ", ".join(self.changed) or "the sources"
        return f"{who}: {self.error}" if self.error else f"{what}: imported by {who} in {self.milliseconds} ms"


def sources(described: template.Template, physical: Mapping[str, str], project_dir: Path) -> dict[str, dict[str, str]]:
    """Where each function's package and each layer of our own lies, by their names in LocalStack."""
    functions, layers = {}, {}
    for logical_id, source in packaging.sources(described, project_dir).items():
        if described["Resources"][logical_id]["Type"] == FUNCTION:
            functions[physical[logical_id]] = str(source.part)
        elif source.built_from is None:
            # SAM makes a new resource of each version of a layer: its name goes on with a hash.
            version = next(arn for name, arn in physical.items() if name.startswith(logical_id) and ":layer:" in arn)
            layers[version.rpartition(":")[0]] = str(source.root)
    return {"functions": functions, "layers": layers}


class HotReload:
    """On as long as this process lives, or another that LocalStack can see, or until `end`."""

    def __init__(self, stack: Stack, process: int | None = None, *, debuggers: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """`debuggers` says in which functions one waits, and where: see the plugin's README."""
        self._stack = stack
        self._process = process or os.getpid()
        self._debuggers = debuggers or {}
        self._url = f"{stack.localstack_url}/_lambda/hot-reload"
        self._seen = 0

    def begin(self) -> None:
        """Raises httpx.HTTPError, BotoCoreError."""
        described = template.load(self._stack.project_dir / "template.yaml")
        physical = CloudFormation(client_of(self._stack, "cloudformation"), STACK_NAME, lambda _: None).resources()
        document = {"process": self._process, **sources(described, physical, self._stack.project_dir), "debuggers": self._debuggers}
        answer = httpx.put(self._url, json=document, timeout=SECONDS).raise_for_status().json()
        self._note(answer["reports"])

    def news(self) -> list[Reload]:
        """What was imported since the last time; begins anew where LocalStack was restarted. Raises httpx.HTTPError."""
        answer = httpx.get(self._url, params={"since": self._seen}, timeout=SECONDS).raise_for_status().json()
        if not answer["on"]:
            self._seen = 0
            self.begin()
            return []
        self._note(answer["reports"])
        return grouped(answer["reports"])

    def end(self) -> None:
        httpx.delete(self._url, timeout=SECONDS)

    def _note(self, reports: list[dict[str, Any]]) -> None:
        self._seen = max((report["number"] for report in reports), default=self._seen)


def grouped(reports: list[dict[str, Any]]) -> list[Reload]:
    """One for each save and outcome, rather than one for each function."""

    def save(report: dict[str, Any]) -> tuple[tuple[str, ...], str]:
        error = report["error"]
        return tuple(report["changed"]), f"{error['errorType'].removeprefix('Runtime.')}: {error['errorMessage']}" if error else ""

    reloads = []
    for (changed, error), same in groupby(sorted(reports, key=save), key=save):
        several = list(same)
        functions = tuple(report["function"] for report in several)
        reloads.append(Reload(changed, functions, max(report["milliseconds"] for report in several), error or None))
    return reloads
