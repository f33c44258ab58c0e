"""LocalStack in host mode, with the plugin that gives it Lambda without Docker and the edge."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from infra.stack.forwarding import forwarder_key
from infra.stack.ports import LOOPBACK
from infra.stack.server import Server, answers

if TYPE_CHECKING:
    from pathlib import Path

    from infra.stack.instance import Stack

MAX_ENVIRONMENTS = 90
"""Of all functions together; one of a function that has none is always allowed."""

STAYS_ON_THIS_MACHINE = {
    "DISABLE_EVENTS": "1",
    "SKIP_SSL_CERT_DOWNLOAD": "1",
    "DNS_ADDRESS": "0",
    "ALLOW_NONSTANDARD_REGIONS": "0",
    "NO_PROXY": "*",
}


def localstack(stack: Stack) -> Server:
    home = stack.run_dir / "localstack"
    temporary = home / "tmp"
    project = stack.project_dir
    ports = stack.ports

    def prepare() -> None:
        temporary.mkdir(parents=True, exist_ok=True)
        # plux remembers entry points: a changed plugin would not be found.
        shutil.rmtree(home / ".cache", ignore_errors=True)

    return Server(
        name="localstack",
        command=(str(project / "localstack" / ".venv" / "bin" / "python"), "-m", "localstack.runtime.main"),
        environment={
            "PATH": os.environ.get("PATH", os.defpath),
            # LocalStack keeps caches under the home directory and unpacks into the temporary one: both ours.
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "LOCALSTACK_VOLUME_DIR": str(home / "volume"),
            "FILESYSTEM_ROOT": str(home / "filesystem"),
            "PYTHONUNBUFFERED": "1",
            "GATEWAY_LISTEN": f"{LOOPBACK}:{ports.localstack}",
            "LOCALSTACK_HOST": f"{LOOPBACK}:{ports.localstack}",
            "EDGE_LISTEN": f"{LOOPBACK}:{ports.gateway}",
            **stack.tracing(),
            "OTEL_SERVICE_NAME": "edge",
            "LAMBDA_RUNTIME_EXECUTOR": "process",
            "PROCESS_RUNTIME_DIR": str(home / "runtime"),
            "PROCESS_RUNTIME_STATE_DIR": str(_state(stack)),
            # Of all that is ours, functions read their code; and this, which is there for tests only.
            "PROCESS_RUNTIME_WRITABLE": str(stack.crash_points),
            # Functions wait for functions they call. As long as the whole may hold every function at its own bound, and no
            # function calls itself by way of others, each gets an environment in the end.
            "PROCESS_RUNTIME_MAX_PER_FUNCTION": "6",
            "PROCESS_RUNTIME_MAX_TOTAL": str(MAX_ENVIRONMENTS),
            # A new environment costs milliseconds, an idle one 25 MB and its connections.
            "PROCESS_RUNTIME_IDLE_SECONDS": "60",
            # What new ones are forked from costs half a second to make, and 100 MB to keep.
            "PROCESS_RUNTIME_BASE_IDLE_SECONDS": "300",
            # Its waits for itself are for milliseconds: 1 s between two looks made an update of all functions take 26 s.
            "BOTO_WAITER_DELAY": "0",
            "BOTO_WAITER_MAX_ATTEMPTS": "5000",
            **STAYS_ON_THIS_MACHINE,
        },
        late_environment=lambda: {"EDGE_FORWARDER_KEY": forwarder_key(stack.secrets_dir)},
        directory=home,
        ports={"LocalStack": ports.localstack, "gateway": ports.gateway},
        healthy=lambda: answers(f"http://{LOOPBACK}:{ports.localstack}/_localstack/health", 200),
        prepare=prepare,
        start_timeout=90,
        stop_timeout=30,
        sources=tuple(part for part in (project / "localstack").iterdir() if part.name not in {".venv", "tests"}),
    )


def forget(stack: Stack) -> None:
    """Have LocalStack, which must not run, know nothing when it starts: no functions, and no secrets either."""
    shutil.rmtree(_state(stack), ignore_errors=True)


def _state(stack: Stack) -> Path:
    """Where it keeps what was deployed, so that it serves again as soon as it is back."""
    return stack.run_dir / "localstack" / "state"
