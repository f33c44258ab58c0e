"""The services in this process, as the services' own tests have them."""

from tests.integration.services.conftest import accounts, api, clean, lambda_client, servers

__all__ = ["accounts", "api", "clean", "lambda_client", "servers"]
