"""`python -m infra.page`: the page's server, until SIGTERM."""

import uvicorn

from infra.page.server import page_app
from infra.page.settings import get_page_settings


def main() -> None:
    """Serve with the settings of the environment."""
    settings = get_page_settings()
    uvicorn.run(
        page_app(settings),
        host=settings.host,
        port=settings.port,
        timeout_graceful_shutdown=settings.stop_seconds,
        log_level="info",
        access_log=False,
        # Or whoever is on this machine could say who they are.
        proxy_headers=False,
        server_header=False,
        date_header=False,
    )


if __name__ == "__main__":
    main()
