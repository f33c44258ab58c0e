"""Every setting of the plugin, in one place, from the environment LocalStack starts with."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lambda_environments import PoolLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

SPAWN = "PROCESS_RUNTIME_SPAWN"
"""`fork` or `fresh`; among a function's own variables it is about that function."""
Number = TypeVar("Number", int, float)


class SettingsError(ValueError):
    """A variable holds something that cannot be used."""


def _number(variables: Mapping[str, str], name: str, default: Number, least: Number) -> Number:
    raw = variables.get(name, "").strip()
    if not raw:
        return default
    try:
        value = type(default)(raw)
    except ValueError as error:
        raise SettingsError(f"{name}={raw!r} is not a number") from error
    if value < least:
        raise SettingsError(f"{name}={raw!r} is less than {least}")
    return value


def _choice(variables: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    """The first is the default."""
    value = variables.get(name, "").strip() or allowed[0]
    if value not in allowed:
        raise SettingsError(f"{name}={value!r} is none of {', '.join(allowed)}")
    return value


def _paths(variables: Mapping[str, str], name: str) -> frozenset[Path]:
    paths = frozenset(Path(path) for path in variables.get(name, "").split(os.pathsep) if path.strip())
    for path in paths:
        if not path.is_absolute():
            raise SettingsError(f"{name}={str(path)!r} is no absolute path")
    return paths


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int


def _address(raw: str, name: str) -> Address | None:
    if not raw.strip():
        return None
    host, separator, port = raw.strip().rpartition(":")
    if not separator or not port.isdigit():
        raise SettingsError(f"{name}={raw!r} is not HOST:PORT")
    return Address(host or "127.0.0.1", int(port))


@dataclass(frozen=True, slots=True)
class Settings:
    process_executor: bool
    python: str
    directory: Path
    limits: PoolLimits
    fork: bool
    max_templates: int
    template_idle_seconds: float
    base_idle_seconds: float
    init_timeout_seconds: float
    log_flush_seconds: float
    edge_listen: Address | None
    edge_api_name: str
    edge_stage: str
    edge_forwarder_key: str
    state_directory: Path | None
    enforce_roles: bool
    sandbox: bool
    readable: frozenset[Path]
    writable: frozenset[Path]
    tells_spans: bool

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> Settings:
        """Raises SettingsError, which names the variable."""
        defaults = PoolLimits()
        return cls(
            process_executor=variables.get("LAMBDA_RUNTIME_EXECUTOR", "").strip() == "process",
            python=variables.get("PROCESS_RUNTIME_PYTHON", "").strip() or getattr(sys, "_base_executable", sys.executable),
            directory=Path(variables.get("PROCESS_RUNTIME_DIR", "").strip() or Path(tempfile.gettempdir()) / "localstack-process-runtime"),
            limits=PoolLimits(
                per_function=_number(variables, "PROCESS_RUNTIME_MAX_PER_FUNCTION", defaults.per_function, 1),
                total=_number(variables, "PROCESS_RUNTIME_MAX_TOTAL", defaults.total, 1),
                starting_per_function=_number(variables, "PROCESS_RUNTIME_MAX_STARTING", defaults.starting_per_function, 1),
                queue_seconds=_number(variables, "PROCESS_RUNTIME_QUEUE_SECONDS", defaults.queue_seconds, 0.0),
                idle_seconds=_number(variables, "PROCESS_RUNTIME_IDLE_SECONDS", defaults.idle_seconds, 0.0),
                drain_seconds=_number(variables, "PROCESS_RUNTIME_DRAIN_SECONDS", defaults.drain_seconds, 0.0),
            ),
            fork=_choice(variables, SPAWN, ("fork", "fresh")) == "fork",
            max_templates=_number(variables, "PROCESS_RUNTIME_MAX_TEMPLATES", 24, 1),
            template_idle_seconds=_number(variables, "PROCESS_RUNTIME_TEMPLATE_IDLE_SECONDS", 120.0, 0.0),
            base_idle_seconds=_number(variables, "PROCESS_RUNTIME_BASE_IDLE_SECONDS", 600.0, 0.0),
            init_timeout_seconds=_number(variables, "PROCESS_RUNTIME_INIT_SECONDS", 30.0, 0.1),
            log_flush_seconds=_number(variables, "PROCESS_RUNTIME_LOG_FLUSH_SECONDS", 0.25, 0.01),
            edge_listen=_address(variables.get("EDGE_LISTEN", ""), "EDGE_LISTEN"),
            edge_api_name=variables.get("EDGE_API_NAME", "").strip(),
            edge_stage=variables.get("EDGE_STAGE", "").strip(),
            edge_forwarder_key=variables.get("EDGE_FORWARDER_KEY", "").strip(),
            state_directory=Path(kept) if (kept := variables.get("PROCESS_RUNTIME_STATE_DIR", "").strip()) else None,
            enforce_roles=_choice(variables, "PROCESS_RUNTIME_ROLES", ("enforced", "ignored")) == "enforced",
            sandbox=_choice(variables, "PROCESS_RUNTIME_SANDBOX", ("enforced", "ignored")) == "enforced",
            readable=_paths(variables, "PROCESS_RUNTIME_READABLE"),
            writable=_paths(variables, "PROCESS_RUNTIME_WRITABLE"),
            # Whom they are told, and which, OpenTelemetry reads itself.
            tells_spans=bool(variables.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()),
        )


@cache
def get_settings() -> Settings:
    return Settings.from_variables(os.environ)
