"""`python -m infra.aws.prepare`: have the database be as this version wants it, as its administrator, from a task inside the VPC.

It makes the database, applies the migrations, and makes the services' accounts with the passwords that Secrets Manager generated for
them. All of it may be done again at any time. Where the database is and who administers it say DATABASE_HOST and its like; SECRET_ARNS
names the accounts' secrets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pymysql
from pymysql.cursors import DictCursor

from common.config import get_settings
from common.db import database_tls
from common.observability import logger
from infra.accounts.grants import GRANTS, account
from infra.accounts.provisioning import provision

SECRET_ARNS = "SECRET_ARNS"  # noqa: S105  # a variable's name
_PROJECT = Path(__file__).resolve().parents[2]
# Where clients come from is the security groups' to say.
_ANYWHERE = "%"


class AccountsDiffer(Exception):
    """The secrets are not those of this version's accounts."""


def passwords() -> dict[str, str]:
    """The password of each account, by service. Raises AccountsDiffer, botocore's ClientError."""
    client = boto3.client("secretsmanager")
    secrets = [json.loads(client.get_secret_value(SecretId=arn)["SecretString"]) for arn in os.environ[SECRET_ARNS].split(",")]
    found = {secret["username"]: secret["password"] for secret in secrets}
    wanted = {account(service): service for service in GRANTS}
    if found.keys() != wanted.keys():
        raise AccountsDiffer(f"the secrets are of {sorted(found)}, the accounts are {sorted(wanted)}")
    return {service: found[name] for name, service in wanted.items()}


def main() -> None:
    """Prepare the database of the settings. Raises what kept it from being prepared."""
    settings = get_settings()
    known = passwords()
    with pymysql.connect(
        host=settings.database_host,
        port=settings.database_port,
        user=settings.database_user,
        password=settings.database_password.get_secret_value(),
        ssl=database_tls(settings),
        cursorclass=DictCursor,
        connect_timeout=10,
    ) as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{settings.database_name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        subprocess.run([sys.executable, "-m", "alembic", "-c", "infra/migrations/alembic.ini", "upgrade", "head"], cwd=_PROJECT, check=True)
        revoked = provision(connection, settings.database_name, _ANYWHERE, known)
    logger.info("database_prepared", accounts=len(known), rights_taken_away=revoked)


if __name__ == "__main__":
    main()
