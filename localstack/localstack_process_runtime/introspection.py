"""`/_lambda/environments` and `/_lambda/hot-reload` on LocalStack's port: the pool as an operator, a test or the `inventory` command sees
it, and the switch of hot reload.
"""

from __future__ import annotations

import json

from localstack.http import Request, Response, route
from localstack.services.edge import ROUTER

from localstack_process_runtime.hot_reload import Sources
from localstack_process_runtime.runtime import get_runtime


@route("/_lambda/environments", methods=["GET"])  # type: ignore[untyped-decorator]
def environments(_: Request) -> Response:
    return Response.for_json(get_runtime().pool.describe())


@route("/_lambda/hot-reload", methods=["GET", "PUT", "DELETE"])  # type: ignore[untyped-decorator]
def hot_reload(request: Request) -> Response:
    hot_reload = get_runtime().hot_reload
    if request.method == "PUT":
        try:
            hot_reload.switch_on(Sources.from_json(json.loads(request.get_data())))
        except (ValueError, ProcessLookupError) as error:
            return Response.for_json({"message": str(error)}, status=400)
    elif request.method == "DELETE":
        hot_reload.switch_off()
    return Response.for_json(hot_reload.describe(request.args.get("since", 0, type=int)))


def register() -> None:
    ROUTER.add(environments)
    ROUTER.add(hot_reload)
