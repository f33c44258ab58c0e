"""The built page: one document for every view, and files whose names change with their content."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Scope

_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_EACH_TIME = "no-cache"
_NOT_BUILT = "The page is not built yet. Build it with: make page\n"


class PageFiles(StaticFiles):
    """Files as they are; every other path is a view of the page, which its own router knows."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, check_dir=False, html=True)
        # A page that is not built yet is told of by an answer.
        self.config_checked = True

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file of that path, or the page."""
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            # A missing file is missing; only what looks like a view is one.
            if error.status_code != 404 or path.startswith("assets/") or os.path.splitext(path)[1]:  # noqa: PTH122  # a URL's path
                raise
            try:
                response = await super().get_response("index.html", scope)
            except HTTPException:
                return PlainTextResponse(_NOT_BUILT, 503, {"Retry-After": "5"})
        response.headers["Cache-Control"] = _FOR_EVER if path.startswith("assets/") else _ASK_EACH_TIME
        return response
