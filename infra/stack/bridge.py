"""The bridge from Redis channels to consumer functions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from infra.accounts.grants import account
from infra.accounts.passwords import passwords
from infra.stack.ports import LOOPBACK
from infra.stack.server import Server, answers

if TYPE_CHECKING:
    from infra.stack.instance import Stack


def bridge(stack: Stack) -> Server | None:
    """None where the project has no bridge."""
    code = stack.project_dir / "infra" / "bridge"
    if not (code / "__main__.py").exists():
        return None
    return Server(
        name="bridge",
        command=(sys.executable, "-m", "infra.bridge"),
        environment={
            **stack.environment(),
            "OTEL_SERVICE_NAME": "bridge",
            "BRIDGE_LIVE_EVENTS": "true",
            "LIVE_HOST": stack.placement.listen_host,
            "LIVE_PORT": str(stack.ports.live_events),
            "LIVE_GATEWAY_URL": stack.gateway_url,
            # The title of a child would overwrite the environment that marks the process as ours.
            "SPT_NOENV": "1",
            **_crash_points(stack),
        },
        late_environment=lambda: {"DATABASE_USER": account("bridge"), "DATABASE_PASSWORD": passwords(stack.secrets_dir)["bridge"]},
        directory=stack.project_dir,
        ports={"live events": stack.ports.live_events},
        # It reports its consumers' health itself (GET /health); for the supervisor it is up when it runs.
        healthy=lambda: True,
        ready=lambda: answers(f"http://{LOOPBACK}:{stack.ports.live_events}/health", 200, 503),
        # Without Redis it still sweeps the outbox, so Redis is not among its needs.
        needs=("mariadb", "localstack", "deploy"),
        stop_timeout=40,
        sources=(code, stack.project_dir / "infra" / "live", stack.project_dir / "layers" / "common"),
    )


def _crash_points(stack: Stack) -> dict[str, str]:
    # Without files in it the folder does nothing: see common/crash_points.py, which takes it where the database is on this machine.
    return {"CRASH_POINTS": str(stack.crash_points)} if stack.placement.kept_by == "supervisor" else {}
