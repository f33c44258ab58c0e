"""The newest versions there are, as the registries' own clients tell them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from infra.dependencies.locked import PAGE_LOCK
from infra.stack.instance import PROJECT_DIR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.dependencies.locked import Locked

# Whole names, none with what it depends on: the newest of each that runs on this Python.
_PYTHON = (".venv/bin/uv", "pip", "compile", "--no-deps", "--no-header", "--no-annotate", "--no-progress", "--python-version", "3.11", "-")
_NPM = ("npm", "outdated", "--all", "--json")


def ask(packages: Sequence[Locked]) -> list[str]:
    """Give each the newest version there is; returns what could not be asked, and why."""
    python = [each for each in packages if each.registry == "python"]
    page = [each for each in packages if PAGE_LOCK in each.locks]
    names = "\n".join(sorted({each.name for each in python}))
    resolved = subprocess.run(_PYTHON, cwd=PROJECT_DIR, input=names, capture_output=True, text=True, check=False, env=os.environ)
    refused = of_uv(python, resolved.stdout if resolved.returncode == 0 else "", resolved.stderr)
    outdated = subprocess.run(_NPM, cwd=PROJECT_DIR / "frontend", capture_output=True, text=True, check=False, env=os.environ)
    return [*refused, *of_npm(page, outdated.stdout, outdated.stderr)]


def of_uv(packages: Sequence[Locked], output: str, error: str) -> list[str]:
    """Of `uv pip compile`: one that the index does not know fails all of it."""
    newest = {str(canonicalize_name(name)): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", output, re.MULTILINE)}
    for package in packages:
        package.newest = newest.get(package.name)
    missing = [package.name for package in packages if package.newest is None]
    why = " ".join(error.split()) or "not in the answer"
    return [f"{len(missing)} Python packages ({missing[0]} ...): {why}"] if missing else []


def of_npm(packages: Sequence[Locked], output: str, error: str) -> list[str]:
    """Of `npm outdated --all --json`, which tells of those only that are behind; with an error instead where the registry is away."""
    try:
        document: dict[str, Any] = json.loads(output)
    except ValueError:
        document = {"error": {"summary": " ".join(error.split()) or "npm said nothing"}}
    if "error" in document:
        return [f"{len(packages)} npm packages: {document['error'].get('summary')}"]
    for package in packages:
        behind = document.get(package.name)
        # A list where several versions of it are installed.
        told = behind[0] if isinstance(behind, list) else behind
        package.newest = told["latest"] if told else package.version
    return []
