"""The knobs of the live events, read once from the environment (`LIVE_...`); durations are in seconds."""

from functools import cache

from pydantic_settings import BaseSettings, SettingsConfigDict


class LiveSettings(BaseSettings):
    """Every knob there is; the environment variable is the field's name in capitals behind `LIVE_`."""

    model_config = SettingsConfigDict(env_prefix="LIVE_", extra="ignore")

    host: str = "127.0.0.1"
    port: int
    # Whose authorizer says who may listen.
    gateway_url: str

    clients: int = 200
    buffered_events: int = 2000
    # More than this and a client had better read its lists again.
    most_missed: int = 5000
    rows_at_once: int = 200
    # Of looking for what no message told of: soon after something happened, rarely while nothing does.
    shortest_pause: float = 0.03
    longest_pause: float = 0.5
    gathering_pause: float = 0.015
    outage_pause: float = 1.0

    # With what the gateway still knows by heart, whoever was disabled or signed out hears nothing more within a minute.
    recheck_seconds: float = 10.0
    heartbeat_seconds: float = 15.0
    # A client that takes nothing for so long is let go.
    send_seconds: float = 20.0
    stop_seconds: int = 3


@cache
def get_live_settings() -> LiveSettings:
    """The process's knobs. Raises pydantic.ValidationError naming each one that is missing or unfit."""
    return LiveSettings()  # type: ignore[call-arg]  # the environment provides the required ones
