"""Where the servers of an instance run: all on this machine under a supervisor of ours, or each in a container of its own."""

from __future__ import annotations

from functools import cache
from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.stack.ports import LOOPBACK

ANYWHERE = "%"
"""Where a database's clients come from, as accounts name it, when each of them has an address of its own."""


class Placement(BaseSettings):
    """Every setting there is; the environment variable is the field's name in capitals behind `INVENTORY_`."""

    model_config = SettingsConfigDict(env_prefix="INVENTORY_", extra="ignore", frozen=True)

    kept_by: Literal["supervisor", "containers"] = "supervisor"
    mysql_host: str = LOOPBACK
    redis_host: str = LOOPBACK
    localstack_host: str = LOOPBACK
    bridge_host: str = LOOPBACK
    listen_host: str = LOOPBACK
    """Where a server of ours listens: in a container, on all of the container's own addresses."""
    page_port: int | None = None
    """On which port browsers find the page, where it is not the instance's own."""

    @property
    def database_clients(self) -> str:
        """Where the database's accounts may be used from."""
        return LOOPBACK if self.kept_by == "supervisor" else ANYWHERE

    def environment(self) -> dict[str, str]:
        """What has another process place the servers alike; nothing where they are all here."""
        return {f"INVENTORY_{name.upper()}": str(value) for name, value in self.model_dump(exclude_defaults=True).items()}


@cache
def get_placement() -> Placement:
    """The process's placement. Raises pydantic.ValidationError naming what is unfit."""
    return Placement()
