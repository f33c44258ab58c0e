"""Settings of a function or tool, read once from its environment."""

from functools import cache

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Every setting there is; the environment variable is the field's name in capitals."""

    model_config = SettingsConfigDict(extra="ignore")

    stack_name: str = "inventory"
    log_level: str = "INFO"

    database_host: str
    database_port: int = 3306
    database_name: str
    database_user: str
    database_password: SecretStr

    redis_host: str
    redis_port: int = 6379
    redis_tls: bool = False

    jwt_secret_id: str = ""
    allowed_origins: str = ""

    @property
    def origins(self) -> frozenset[str]:
        """The origins browsers may call from."""
        return frozenset(origin.strip() for origin in self.allowed_origins.split(",") if origin.strip())


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
