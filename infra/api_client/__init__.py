"""The `inventory` command as a client of the gateway: signed in, patient, and safe to repeat."""

from infra.api_client.account import Account
from infra.api_client.client import Answer, ApiClient, GaveUpError, RefusedError
from infra.api_client.crew import work_through

__all__ = ["Account", "Answer", "ApiClient", "GaveUpError", "RefusedError", "work_through"]
