"""The lock files of the project, whether anybody has thought of them or not."""

from __future__ import annotations

import os
from pathlib import Path

from infra.stack.instance import PROJECT_DIR

_NOT_OURS = {".venv", "node_modules", ".build", ".git"}


def lock_files(name: str) -> set[str]:
    """Where there are any of that name, from the project's directory."""
    found = set()
    # Directories come and go meanwhile, which Path.rglob would not bear.
    for directory, below, files in os.walk(PROJECT_DIR):
        below[:] = set(below) - _NOT_OURS
        if name in files:
            found.add(Path(directory, name).relative_to(PROJECT_DIR).as_posix())
    return found
