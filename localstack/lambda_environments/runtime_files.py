"""A directory with awslambdaric and what it needs, so that functions see that and nothing else of this environment's packages."""

from __future__ import annotations

import re
import shutil
import tempfile
from importlib import metadata
from pathlib import Path


def _requirements(distribution: metadata.Distribution) -> list[str]:
    plain = [line for line in distribution.requires or [] if "extra ==" not in line]
    return [name[0] for line in plain if (name := re.match(r"[A-Za-z0-9._-]+", line))]


def prepare_runtime_dir(parent: Path) -> Path:
    """Copy awslambdaric and its own dependencies below `parent` once; the name carries the version."""
    pending, names, files = ["awslambdaric"], set[str](), list[metadata.PackagePath]()
    while pending:
        distribution = metadata.distribution(pending.pop())
        if distribution.name in names:
            continue
        names.add(distribution.name)
        pending += _requirements(distribution)
        files += [file for file in distribution.files or [] if ".." not in file.parts and file.suffix != ".pyc"]
    target = parent / f"awslambdaric-{metadata.version('awslambdaric')}"
    if target.exists():
        return target
    parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=parent))
    for file in files:
        source = Path(str(file.locate()))
        if source.exists():
            (draft / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, draft / file)
    draft.chmod(0o755)
    try:
        draft.rename(target)
    except OSError:  # another process was first; theirs is the same
        shutil.rmtree(draft)
    return target
