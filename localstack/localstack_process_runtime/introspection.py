"""`GET /_lambda/environments` on LocalStack's port: the pool as an operator, a test or the `inventory` command sees it."""

from __future__ import annotations

from localstack.http import Request, Response, route
from localstack.services.edge import ROUTER

from localstack_process_runtime.runtime import get_runtime

PATH = "/_lambda/environments"


@route(PATH, methods=["GET"])  # type: ignore[untyped-decorator]
def environments(_: Request) -> Response:
    return Response.for_json(get_runtime().pool.describe())


def register() -> None:
    ROUTER.add(environments)
