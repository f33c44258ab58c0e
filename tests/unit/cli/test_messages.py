"""What goes wrong is told in one message, whatever it was, and what a reader has seen enough of ends quietly."""

import os
import subprocess
import sys

import pymysql
import pytest
from sqlalchemy.exc import OperationalError

from infra.cli import main as cli
from infra.cli.context import CommandFailed, output

AWAY = pymysql.err.OperationalError(2003, "Can't connect to MySQL server on '127.0.0.1'")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CommandFailed("There is no such thing [yet]."), "There is no such thing [yet].\n"),
        (AWAY, "The database: Can't connect to MySQL server on '127.0.0.1'\nIs everything running? See: inventory status\n"),
        (OperationalError("SELECT 1", {}, AWAY), "The database: Can't connect to MySQL server on '127.0.0.1'\nIs everything running?"),
    ],
)
def test_a_failure_is_a_message_and_an_exit_code(monkeypatch, capsys, error, said):
    def fail():
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert told.err.startswith(said)
    assert told.out == ""


def test_every_group_and_command_explains_itself_at_eighty_columns():
    for command in ([], ["restore"], ["events"], ["users"], ["rebuild"]):
        told = subprocess.run(
            [sys.executable, "-m", "infra.cli.main", *command, "--help"],
            env={**os.environ, "COLUMNS": "80", "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert max(map(len, told.stdout.splitlines())) <= 80


def test_a_command_waits_for_no_library_that_only_others_need():
    script = "import sys; from infra.cli.main import app; app(['status', '--help'], standalone_mode=False); print(*sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = told.stdout.splitlines()[-1].split()
    assert "infra.cli.status" in modules
    assert {"boto3", "sqlalchemy", "alembic", "infra.cli.top"} & set(modules) == set()


def test_what_is_mistyped_is_told_from_all_names(capsys):
    with pytest.raises(SystemExit):
        cli.app(["dead-leters"])
    assert "Did you mean 'dead-letters'?" in capsys.readouterr().err


def test_a_pipe_that_is_closed_is_no_failure():
    command = f"{sys.executable} -m infra.cli.main db sql | head -1; exit ${{PIPESTATUS[0]}}"
    told = subprocess.run(
        ["bash", "-c", command], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, check=False
    )
    assert (told.returncode, told.stderr) == (0, "")
    with pytest.raises(BrokenPipeError):
        output.on_broken_pipe()
