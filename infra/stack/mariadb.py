"""MariaDB on a private data directory, as the current user."""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pymysql

from infra.stack.ports import LOOPBACK
from infra.stack.server import Server

if TYPE_CHECKING:
    from infra.stack.instance import Stack

USER = "root"
PASSWORD = "root"  # noqa: S105 - a development database on loopback, as documented
DATABASE = "inventory_db"

MAX_CONNECTIONS = 300
"""More than all environments LocalStack may run can open, and the bridge, the live events and a person besides."""

LONGEST_SOCKET_PATH = 100  # the kernel takes 107 bytes, MariaDB adds a suffix to some


def mariadb(stack: Stack) -> Server:
    home = stack.run_dir / "mariadb"
    data = home / "data"
    port = stack.ports.mysql
    command = (
        _program("mariadbd"),
        "--no-defaults",
        f"--user={getpass.getuser()}",
        f"--datadir={data}",
        f"--tmpdir={home / 'tmp'}",
        f"--socket={_socket(home)}",
        f"--pid-file={home / 'mariadbd.pid'}",
        f"--bind-address={LOOPBACK}",
        f"--port={port}",
        "--skip-name-resolve",
        "--character-set-server=utf8mb4",
        "--collation-server=utf8mb4_unicode_ci",
        # Nothing committed is lost, whatever dies: the log reaches the disk at every commit.
        "--innodb-flush-log-at-trx-commit=1",
        # Gap locks of the default level would make orders of neighbouring products wait for each other.
        "--transaction-isolation=READ-COMMITTED",
        f"--max-connections={MAX_CONNECTIONS}",
        "--innodb-buffer-pool-size=128M",
        "--innodb-log-file-size=48M",
        "--performance-schema=OFF",
        # For tables of MyISAM and Aria, of which there are those of the system alone.
        "--key-buffer-size=1M",
        "--aria-pagecache-buffer-size=8M",
    )
    return Server(
        name="mariadb",
        command=command,
        environment={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "TZ": "UTC", "LANG": "C.UTF-8"},
        directory=home,
        ports={"MySQL": port},
        healthy=lambda: _answers(port),
        prepare=lambda: _initialise(home, data),
        start_timeout=90,
        stop_timeout=60,
    )


def _program(name: str) -> str:
    # Debian keeps servers in /usr/sbin, which is not on every user's PATH.
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin") or name


def _socket(home: Path) -> Path:
    socket = home / "mariadb.sock"
    if len(str(socket)) <= LONGEST_SOCKET_PATH:
        return socket
    return Path(tempfile.gettempdir()) / f"mariadb-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}.sock"


def _initialise(home: Path, data: Path) -> None:
    """Create the system tables and the root account, once. A half-made directory is never taken for a whole one."""
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    if data.exists():
        return
    unfinished = home / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    first_statements = home / "first-start.sql"
    first_statements.write_text(
        "USE mysql;\n"
        "FLUSH PRIVILEGES;\n"
        f"CREATE OR REPLACE USER '{USER}'@'localhost' IDENTIFIED BY '{PASSWORD}';\n"
        f"GRANT ALL ON *.* TO '{USER}'@'localhost' WITH GRANT OPTION;\n"
        f"CREATE OR REPLACE USER '{USER}'@'{LOOPBACK}' IDENTIFIED BY '{PASSWORD}';\n"
        f"GRANT ALL ON *.* TO '{USER}'@'{LOOPBACK}' WITH GRANT OPTION;\n"
        f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;\n",
        encoding="utf-8",
    )
    installed = subprocess.run(
        [
            "mariadb-install-db",
            "--no-defaults",
            f"--user={getpass.getuser()}",
            f"--datadir={unfinished}",
            "--auth-root-authentication-method=normal",
            "--skip-name-resolve",
            "--skip-test-db",
            f"--extra-file={first_statements}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if installed.returncode:
        raise RuntimeError(f"mariadb-install-db failed:\n{installed.stdout}{installed.stderr}")
    unfinished.rename(data)


def _answers(port: int) -> bool:
    try:
        connection = pymysql.connect(
            host=LOOPBACK, port=port, user=USER, password=PASSWORD, database=DATABASE, connect_timeout=2, read_timeout=2, write_timeout=2
        )
    except (pymysql.Error, OSError):
        return False
    try:
        with connection.cursor() as cursor:
            return bool(cursor.execute("SELECT 1"))
    except (pymysql.Error, OSError):
        return False
    finally:
        connection.close()
