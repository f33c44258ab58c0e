"""`make test-mysql`: the integration tests on MySQL, which AWS runs (docs/aws.md), instead of the MariaDB that Debian has.

MySQL is that of Debian's unstable packages, unpacked with all it needs into a directory of its own: nothing is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from infra import ending
from tests.mysql import packages

PROJECT = Path(__file__).parents[2]
WORK = PROJECT / ".build" / "mysql"
PROGRAMS = Path(__file__).parent / "programs"


def main() -> int:
    """Entry of the command: what pytest ends with, or 2 where MySQL cannot be had."""
    root = WORK / "root"
    if not packages.server(root).exists():
        _say("fetching MySQL from Debian's unstable packages")
        try:
            packages.unpack("mysql-server-core", WORK, root)
        except packages.NotToBeHadError as error:
            _say(f"MySQL cannot be had here: {error}")
            return 2
    environment = {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    version = subprocess.run([PROGRAMS / "mariadbd", "--version"], env=environment, capture_output=True, text=True, check=True).stdout
    _say(version.strip())
    return subprocess.run(
        [sys.executable, "-m", "pytest", *(sys.argv[1:] or ["tests/integration"])], env=environment, check=False
    ).returncode


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    ending.run(main)
