"""The command's instance's database."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from common.config import Settings
from common.db import database_url
from infra.cli.context import running_stack_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer


def settings_of(context: typer.Context) -> Settings:
    """How to reach the database and Redis of the command's instance."""
    addresses = {name.lower(): value for name, value in running_stack_of(context).environment().items()}
    return Settings.model_validate({name: addresses[name] for name in Settings.model_fields if name in addresses})


@contextmanager
def session_of(context: typer.Context) -> Iterator[Session]:
    """A session on it, committed at the end."""
    # Each statement sees what was committed before it, as the bridge's do.
    engine = create_engine(
        database_url(settings_of(context)), isolation_level="READ COMMITTED", poolclass=NullPool, connect_args={"connect_timeout": 2}
    )
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session
