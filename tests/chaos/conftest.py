"""The system that the short form attacks: one for all its tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.system import ChaosSystem

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosSystem]:
    """A system of these tests' own."""
    system = ChaosSystem(tmp_path_factory.mktemp("chaos"))
    try:
        system.start()
        yield system
    finally:
        system.stop()
