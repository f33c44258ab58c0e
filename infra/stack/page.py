"""The page, with the API behind the same origin. Its files are built by make (frontend/dist)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import httpx

from infra.stack.server import Server

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
            **stack.environment(),
            "PAGE_PORT": str(stack.ports.page),
            "PAGE_GATEWAY_URL": stack.gateway_url,
            "PAGE_LIVE_EVENTS_URL": stack.live_events_url,
            # Read at each request: a page built anew needs no restart.
            "PAGE_FILES": str(stack.project_dir / "frontend" / "dist"),
        },
        directory=stack.project_dir,
        ports={"page": stack.ports.page},
        healthy=lambda: _answers(stack.page_url),
        start_timeout=30,
        stop_timeout=10,
        sources=(stack.project_dir / "infra" / "page",),
    )


def _answers(url: str) -> bool:
    """Serving, even if only to say that the page is not built."""
    try:
        return httpx.get(url, timeout=2).status_code in {200, 503}
    except httpx.HTTPError:
        return False
