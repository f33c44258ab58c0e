"""The edge answers as LocalStack's gateway does, except where AWS's documents say otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from differential import STAGE, ask, cases, deploy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api import Api
    from stack import LocalStack

CASES = cases()
PROXY = "https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html"
URI = "https://datatracker.ietf.org/doc/html/rfc3986#section-3.3"

EXPLAINED: dict[str, tuple[set[str], str, str]] = {
    "path /items/a;b": (
        {"body.path", "body.pathParameters.id", "body.requestContext.path"},
        URI,
        "a semicolon belongs to its segment; LocalStack cuts there",
    ),
    "path //items": ({"body.requestContext.path"}, PROXY, "both paths of an event are the same; LocalStack's have one slash and two"),
    "body form": ({"body.body"}, PROXY, "the body is handed on as it came; LocalStack puts forms together anew"),
    "body form that is json": ({"body.body"}, PROXY, "the same"),
    "body multipart": ({"body.body"}, PROXY, "the same"),
}
"""Where the two may differ: in what, by which document, why."""


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
    if case.name in EXPLAINED:
        assert set(differences) == EXPLAINED[case.name][0], differences
    else:
        assert not differences, f"{here} {there}"


def test_what_is_explained_is_asked():
    assert set(EXPLAINED) <= {case.name for case in CASES}


def test_the_cases_reach_what_they_are_about(localstack: LocalStack, api: Api):
    by_status: dict[int, int] = {}
    for case in CASES:
        status = ask(case, localstack.edge_port).status
        by_status[status] = by_status.get(status, 0) + 1
    assert by_status[200] > 200
    assert {200, 201, 204, 302, 400, 401, 403, 404, 413, 418, 429, 500, 502} <= set(by_status), by_status
