"""The running system, as the end-to-end tests have it."""

from tests.e2e.conftest import system

__all__ = ["system"]
