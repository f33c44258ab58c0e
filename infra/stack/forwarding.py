"""How the gateway knows the page's server, and so believes it whose requests it passes on: by a key that only these two are given."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from infra.files import locked, read_secret, write_secret

if TYPE_CHECKING:
    from pathlib import Path

_NAME = "forwarder-key"


def forwarder_key(secrets_dir: Path) -> str:
    """The instance's key, made by whichever of the two starts first."""
    path = secrets_dir / _NAME
    if (kept := read_secret(path)) is not None:
        return kept
    secrets_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(secrets_dir / f"{_NAME}.lock"):
        kept = read_secret(path)
        if kept is None:
            kept = secrets.token_urlsafe(32)
            write_secret(path, kept)
        return kept
