"""LocalStack may open many files, a function as many as in Lambda."""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import localstack_process_runtime.descriptors

if TYPE_CHECKING:
    from stack import LocalStack

ALLOWED = """
    import resource

    def handler(event, context):
        return resource.getrlimit(resource.RLIMIT_NOFILE)
"""


@pytest.mark.parametrize(("soft", "hard", "then"), [(256, 4096, 4096), (4096, 4096, 4096)])
def test_localstack_takes_as_many_as_it_is_granted(soft: int, hard: int, then: int):
    code = "import resource, runpy; runpy.run_path({!r})['allow_many'](); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    allowed = subprocess.run(
        [sys.executable, "-c", code.format(localstack_process_runtime.descriptors.__file__)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(allowed.stdout) == then


def test_a_function_has_1024(localstack: LocalStack):
    localstack.create_function("descriptors", ALLOWED)
    assert localstack.invoke("descriptors", {})[0] == [1024, 1024]
