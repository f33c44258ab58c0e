"""The page, with the API behind the same origin. Its files are built by make (frontend/dist)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from infra.stack.forwarding import forwarder_key
from infra.stack.server import Server, answers

if TYPE_CHECKING:
    from infra.stack.instance import Stack


def page(stack: Stack) -> Server | None:
    """None where the project has no page."""
    if not (stack.project_dir / "frontend" / "package.json").exists():
        return None
    return Server(
        name="page",
        command=(sys.executable, "-m", "infra.page"),
        environment={
            **{name: value for name, value in stack.environment().items() if not name.startswith(("DATABASE_", "REDIS_", "AWS_"))},
            "OTEL_SERVICE_NAME": "page",
            "PAGE_PORT": str(stack.ports.page),
            "PAGE_GATEWAY_URL": stack.gateway_url,
            "PAGE_LIVE_EVENTS_URL": stack.live_events_url,
            # Read at each request: a page built anew needs no restart.
            "PAGE_FILES": str(stack.project_dir / "frontend" / "dist"),
        },
        late_environment=lambda: {"PAGE_FORWARDER_KEY": forwarder_key(stack.secrets_dir)},
        directory=stack.project_dir,
        ports={"page": stack.ports.page},
        # Serving, even if only to say that the page is not built.
        healthy=lambda: answers(stack.page_url, 200, 503),
        start_timeout=30,
        stop_timeout=10,
        sources=(stack.project_dir / "infra" / "page",),
    )
