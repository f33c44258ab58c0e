"""Whether an answer is what the OpenAPI document says: asked of every answer that a test gets from a function."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    from tests.gateway import Answer

DOCUMENT = Path(__file__).parents[1] / "functions" / "system" / "openapi.json"


def check(method: str, route: str, answer: Answer) -> None:
    """Fail on an answer with a status, a type or a field that the document does not know."""
    operation = _document()["paths"][route][method.lower()]
    described = operation["responses"].get(str(answer.status)) or operation["responses"].get("default")
    assert described, f"{method} {route} answered {answer.status}, which is not in its description"
    described = _resolved(described)
    if "content" not in described:
        assert not answer.text, f"{method} {route} is to answer nothing, and said {answer.text}"
        return
    media = answer.headers["content-type"].split(";")[0]
    assert media in described["content"], f"{method} {route} answered {media}"
    schema = described["content"][media].get("schema")
    if schema:
        problems = [f"{error.json_path}: {error.message}" for error in _validator(json.dumps(schema)).iter_errors(answer.json)]
        assert not problems, f"{method} {route} answered {answer.status} unlike its description: {problems}"


@cache
def _document() -> dict[str, Any]:
    """The document, made strict: a field that it does not name is a mistake."""
    document = copy.deepcopy(json.loads(DOCUMENT.read_text(encoding="utf-8")))
    for schema in document["components"]["schemas"].values():
        schema.setdefault("additionalProperties", False)
    return document


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({**json.loads(schema), "components": _document()["components"]})


def _resolved(described: dict[str, Any]) -> dict[str, Any]:
    name = described.get("$ref", "").rsplit("/", 1)[-1]
    return _document()["components"]["responses"][name] if name else described
