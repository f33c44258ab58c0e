"""A Debian package with all it needs, of the unstable distribution, unpacked beside the system instead of into it."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class NotToBeHadError(Exception):
    """Why not."""


def server(root: Path) -> Path:
    """Where the package has its program."""
    return root / "usr" / "sbin" / "mysqld"


def unpack(package: str, work: Path, root: Path) -> None:
    """Have `package` and what it depends on under `root`, by way of `work`. Raises NotToBeHadError."""
    if not shutil.which("apt-get"):
        raise NotToBeHadError("this machine has no apt-get")
    lists, archives = work / "lists", work / "archives"
    for directory in (lists / "partial", archives / "partial"):
        directory.mkdir(parents=True, exist_ok=True)
    (work / "sources.list").write_text(f"deb [signed-by={_KEYRING}] {_mirror()} sid main\n")
    # With nothing installed, as it were, all that it needs comes along.
    (work / "status").touch()
    options = {
        "Dir::Etc::sourcelist": work / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": lists,
        "Dir::State::status": work / "status",
        "Dir::Cache": work,
        "Dir::Cache::archives": archives,
        "APT::Sandbox::User": "",
        "Debug::NoLocking": "1",
    }
    apt = ["apt-get", "--quiet", *(f"-o{name}={value}" for name, value in options.items())]
    _run(*apt, "update")
    _run(*apt, "install", "--yes", "--download-only", "--no-install-recommends", package)
    unfinished = work / "root.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    for archive in sorted(archives.glob("*.deb")):
        _run("dpkg", "--extract", str(archive), str(unfinished))
    unfinished.rename(root)
    shutil.rmtree(archives)
    shutil.rmtree(lists)


def _mirror() -> str:
    """The archive that this machine is set to use; of Debian, as others have no such distribution."""
    found = _run("apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(COMPONENT)", "Created-By: Packages")
    mirrors = [line.split()[0] for line in found.splitlines() if line.endswith(" Debian main") and "security" not in line]
    if not mirrors:
        raise NotToBeHadError("no Debian archive is among apt's sources")
    return mirrors[0]


def _run(*command: str) -> str:
    made = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    if made.returncode:
        raise NotToBeHadError(f"{' '.join(command[:1])}: {(made.stderr or made.stdout).strip()[-500:]}")
    return made.stdout
