from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from stack import FORWARDER_KEY, LocalStack

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def localstack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """One LocalStack for all tests; each uses functions and APIs of its own."""
    stack = LocalStack(tmp_path_factory.mktemp("localstack"), EDGE_API_NAME="edge", EDGE_FORWARDER_KEY=FORWARDER_KEY)
    try:
        stack.wait()
        yield stack
    finally:
        stack.stop()
