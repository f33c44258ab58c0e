"""Settings of a function or tool, read once from its environment."""

from functools import cache
from ipaddress import ip_address
from pathlib import Path

from pydantic import SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Every setting there is; the environment variable is the field's name in capitals."""

    model_config = SettingsConfigDict(extra="ignore")

    stack_name: str = "inventory"
    log_level: str = "INFO"
    # See common.metrics; on AWS, where CloudWatch reads them.
    metrics_in_logs: bool = False

    database_host: str
    database_port: int = 3306
    database_name: str
    database_user: str
    database_password: SecretStr
    # Whether to speak by TLS alone, and to believe it only by a certificate for its name.
    database_tls: bool = False
    # Who signs that certificate, in PEM, where it is nobody the machine believes anyway: RDS itself, unlike RDS Proxy.
    database_ca_file: Path | None = None

    redis_host: str
    redis_port: int = 6379
    redis_tls: bool = False
    redis_user: str | None = None
    redis_password: SecretStr | None = None

    jwt_secret_id: str = ""
    allowed_origins: str = ""

    # Given by Lambda.
    aws_lambda_function_name: str = ""
    # See common.crash_points; for tests.
    crash_points: Path | None = None

    @model_validator(mode="after")
    def _crashes_only_at_home(self) -> "Settings":
        if self.crash_points is not None and not _is_loopback(self.database_host):
            raise ValueError("CRASH_POINTS are for tests, which have their database on their own machine")
        return self

    @field_validator("redis_user", "redis_password", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        """A template can give a variable no value, but not leave it out."""
        return value or None

    @property
    def origins(self) -> frozenset[str]:
        """The origins browsers may call from."""
        return frozenset(origin.strip() for origin in self.allowed_origins.split(",") if origin.strip())

    @property
    def function(self) -> str:
        """The function that runs here, as the template calls it: "order", "inventory-consumer"."""
        return self.aws_lambda_function_name.removeprefix(f"{self.stack_name}-")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@cache
def get_settings() -> Settings:
    """The process's settings.

    Raises RuntimeError naming each variable that is missing or unfit.
    """
    try:
        return Settings()  # type: ignore[call-arg]  # the environment provides the required ones
    except ValidationError as error:
        problems = "; ".join(f"{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise RuntimeError(f"settings are missing or unfit: {problems}") from None
