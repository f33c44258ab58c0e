"""The accounts' passwords: generated once per instance, kept where the deployment keeps the template's secrets."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from infra.accounts.grants import SERVICES, account
from infra.files import read_secret, write_secret

if TYPE_CHECKING:
    from pathlib import Path


def secret_name(service: str) -> str:
    """The logical id of a service's secret in the template."""
    return f"{service.capitalize()}DatabaseSecret"


def passwords(directory: Path) -> dict[str, str]:
    """The password of each account, by service."""
    return {service: _password(directory, service) for service in SERVICES}


def _password(directory: Path, service: str) -> str:
    path = directory / secret_name(service)
    kept = read_secret(path)
    if kept is None:
        # In the form that the template has Secrets Manager generate on AWS.
        kept = json.dumps({"username": account(service), "password": secrets.token_urlsafe(30)})
        write_secret(path, kept)
    return str(json.loads(kept)["password"])
