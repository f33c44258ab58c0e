"""`inventory db`: migrations and a way into the database."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Annotated

import typer

from infra.accounts.grants import GRANTS, statements
from infra.accounts.passwords import secret_name
from infra.cli.context import CommandFailed, output, running_stack_of, stack_of
from infra.cli.options import group
from infra.database import connected
from infra.stack import mariadb

app = group("The database: migrate it, print the migrations as SQL, open a shell.")

ALEMBIC = (sys.executable, "-m", "alembic", "-c", "infra/migrations/alembic.ini")


@app.command()
def migrate(context: typer.Context) -> None:
    """Apply the migrations the database has not seen yet. `up` does this by itself."""
    stack = running_stack_of(context)
    with connected(stack.addresses()) as connection, connection.cursor() as cursor:
        code = subprocess.run([*ALEMBIC, "upgrade", "head"], env=stack.environment(), cwd=stack.project_dir, check=False).returncode
        if code:
            raise typer.Exit(code)
        cursor.execute("SELECT version_num FROM alembic_version")
        (version,) = cursor.fetchall()
    output.print(f"The schema is that of migration {version['version_num']}.")


@app.command()
def sql(context: typer.Context) -> None:
    """Print all migrations as plain SQL, for a mysql client. Needs no running system."""
    stack = stack_of(context)
    printed = subprocess.run(
        [*ALEMBIC, "upgrade", "head", "--sql"], env=stack.environment(), cwd=stack.project_dir, capture_output=True, text=True, check=False
    )
    if printed.returncode:
        raise CommandFailed(printed.stderr)
    sys.stdout.write(printed.stdout)


@app.command()
def accounts(
    host: Annotated[str, typer.Option(help="From where the services connect: an address, or % for anywhere.")] = "%",
) -> None:
    """Print what makes the services' accounts, for a mysql client. Needs no running system, whose accounts `up` makes by itself.

    Each password is to be that of the service's secret in Secrets Manager.
    """
    for service in GRANTS:
        for statement in statements(service, mariadb.DATABASE, host, f"<password of {secret_name(service)}>"):
            sys.stdout.write(f"{statement};\n")


@app.command()
def shell(context: typer.Context) -> None:
    """Open the mysql client on the database."""
    stack = running_stack_of(context)
    client = shutil.which("mariadb") or shutil.which("mysql")
    if client is None:
        raise CommandFailed("There is no mysql client on PATH. Install it with: apt-get install mariadb-client")
    address = stack.environment()
    options = ["--host", address["DATABASE_HOST"], "--port", address["DATABASE_PORT"], "--user", address["DATABASE_USER"]]
    # The password by the environment: an argument could be read by anybody on the machine.
    os.execve(client, [client, "--no-defaults", *options, address["DATABASE_NAME"]], {**address, "MYSQL_PWD": address["DATABASE_PASSWORD"]})  # noqa: S606
