"""How the gateway knows the page's server, and so believes it whose requests it passes on: by a key that only these two are given."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NAME = "forwarder-key"


def forwarder_key(secrets_dir: Path) -> str:
    """The instance's key, made by whichever of the two starts first."""
    path = secrets_dir / _NAME
    if not path.exists():
        secrets_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        own = path.with_name(f"{_NAME}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32))
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(own)  # whole or not at all, and never in place of another's
        own.unlink()
    return path.read_text(encoding="ascii")
