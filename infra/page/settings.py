"""Where the page's server listens and what stands behind it, read once from the environment (`PAGE_...`)."""

from functools import cache
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class PageSettings(BaseSettings):
    """Every setting there is; the environment variable is the field's name in capitals behind `PAGE_`."""

    model_config = SettingsConfigDict(env_prefix="PAGE_", extra="ignore")

    host: str = "127.0.0.1"
    port: int
    gateway_url: str
    live_events_url: str
    files: Path
    # What the gateway believes it by whose requests it passes on; without it all of them are the page's server's own.
    forwarder_key: str = ""

    # A function has 29 seconds; a stream is silent for 15 at most.
    answer_seconds: float = 40.0
    # Their server is started again within seconds when it dies: a client had better wait than come back.
    live_events_patience: float = 8.0
    connections: int = 300
    stop_seconds: int = 3


@cache
def get_page_settings() -> PageSettings:
    """The process's settings. Raises pydantic.ValidationError naming each one that is missing or unfit."""
    return PageSettings()  # type: ignore[call-arg]  # the environment provides the required ones
