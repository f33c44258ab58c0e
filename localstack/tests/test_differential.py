"""The edge answers as LocalStack's gateway does, except where AWS's documents say otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from differential import METHOD_PATHS, STAGE, ask, cases, deploy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api import Api
    from stack import LocalStack

CASES = cases()
PROXY = "https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html"
SEGMENTS = "https://datatracker.ietf.org/doc/html/rfc3986#section-3.3"
METHODS = "https://datatracker.ietf.org/doc/html/rfc9110#section-9.1"


@dataclass(frozen=True)
class Explained:
    """Where the edge may differ: in these places, or by another answer altogether."""

    document: str
    why: str
    places: frozenset[str] = frozenset()
    status: int | None = None


_PATHS = frozenset({"body.path", "body.pathParameters.id", "body.requestContext.path"})
_BODY = frozenset({"body.body"})
EXPLAINED: dict[str, Explained] = {
    "path /items/a;b": Explained(SEGMENTS, "a semicolon belongs to its segment; LocalStack cuts there", _PATHS),
    "path //items": Explained(
        PROXY, "both paths of an event are the same; LocalStack's have one slash and two", frozenset({"body.requestContext.path"})
    ),
    "body form": Explained(PROXY, "the body is handed on as it came; LocalStack puts forms together anew", _BODY),
    "body form that is json": Explained(PROXY, "the same", _BODY),
    "body multipart": Explained(PROXY, "the same", _BODY),
    "answer object-body": Explained(PROXY, "a body that is no text is a malformed answer; LocalStack sends its keys", status=502),
    "answer number-body": Explained(PROXY, "the same; LocalStack fails", status=502),
} | {
    f"method {method} {path}": Explained(METHODS, "methods are case-sensitive, and one that nobody knows is not implemented", status=501)
    for method in ("BREW", "get")
    for path in METHOD_PATHS
}


@pytest.fixture(scope="module")
def api(localstack: LocalStack) -> Iterator[Api]:
    api = deploy(localstack)
    yield api
    localstack.client("apigateway").delete_rest_api(restApiId=api.id)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_edge_and_gateway_answer_alike(localstack: LocalStack, api: Api, case: Any):
    here = ask(case, localstack.edge_port)
    there = ask(case, localstack.port, f"/_aws/execute-api/{api.id}/{STAGE}")
    differences = here.differences(there)
    explained = EXPLAINED.get(case.name)
    if explained is None:
        assert not differences, f"{here} {there}"
    elif explained.status is not None:
        assert (here.status, bool(differences)) == (explained.status, True)
    else:
        assert set(differences) == explained.places, differences


def test_what_is_explained_is_asked():
    assert set(EXPLAINED) <= {case.name for case in CASES}


def test_the_cases_reach_what_they_are_about(localstack: LocalStack, api: Api):
    by_status: dict[int, int] = {}
    for case in CASES:
        status = ask(case, localstack.edge_port).status
        by_status[status] = by_status.get(status, 0) + 1
    assert by_status[200] > 200
    assert {200, 201, 204, 302, 400, 401, 403, 404, 413, 418, 429, 500, 502} <= set(by_status), by_status
