"""The bridge's knobs, read once from the environment (`BRIDGE_...`); durations are in seconds."""

from functools import cache
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class BridgeSettings(BaseSettings):
    """Every knob there is; the environment variable is the field's name in capitals behind `BRIDGE_`."""

    model_config = SettingsConfigDict(env_prefix="BRIDGE_", extra="ignore")

    # Looking for what no message told of: rarely while Redis wakes us, often while it cannot.
    sweep_seconds: float = 2.0
    sweep_seconds_without_redis: float = 0.5
    # Closing rows whose consumers are all done but which nobody lived to mark.
    finish_seconds: float = 5.0

    batch_events: int = 100
    # Lambda takes 6 MB of payload in a synchronous invoke; well below it, so that a batch stays quick.
    batch_bytes: int = 1_000_000
    # Longer than the consumer functions' own time-out: then it is Lambda that says so, and not a call given up on.
    invoke_seconds: float = 20.0

    failures_to_dead_letter: int = 5
    retry_delays: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0)
    outage_delays: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0)

    heartbeat_seconds: float = 1.0
    # A hang is noticed within 5 s: this, and what a heartbeat may be late.
    hang_seconds: float = 4.0
    start_seconds: float = 20.0
    restart_delays: tuple[float, ...] = (1.0, 2.0, 4.0)
    stable_seconds: float = 60.0
    stop_seconds: float = 10.0

    # After so long without a word from the active bridge's machine the database lets another bridge be active; whole seconds.
    lease_seconds: int = 5

    # Looking for what Redis has yet to be told since it was away.
    cache_repair_seconds: float = 0.5

    # Whether to run the server of live events (infra.live, which has settings of its own) as well.
    live_events: bool = False

    retention_days: float = 7.0
    idempotency_hours: float = 24.0
    housekeeping_seconds: float = 600.0

    # The supervisor's view as a JSON file, for when Redis cannot be asked.
    state_file: Path | None = None


@cache
def get_bridge_settings() -> BridgeSettings:
    """The process's knobs. Raises pydantic.ValidationError naming each one that is unfit."""
    return BridgeSettings()
