"""Builds the document (https://spec.openapis.org/oas/v3.1.1)."""

from __future__ import annotations

import importlib
import json
import re
from typing import TYPE_CHECKING, Any

from common.fields import MAX_ID
from common.importing import KEY, MAX_KEY_LENGTH
from common.operations import Listing, Operation
from infra.deploy import template
from infra.openapi.links import Links
from infra.openapi.live_events import LIVE_EVENTS, LiveEvent
from infra.openapi.problem import Problem
from infra.openapi.schemas import Mode, schemas_of

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

Json = dict[str, Any]

_DESCRIPTION = """An inventory system: suppliers, customers, products, stock, procurements and orders.

Lists take `start` and `limit`, or `after` (an id) as a cursor. Errors are `application/problem+json` (RFC 9457) with a stable `code`,
and name each unfit field in `errors`. A creating POST honours `Idempotency-Key`: sent again with the same key, it answers the same."""
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Repeating the request with the same key does nothing new and answers the same.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH, "pattern": KEY},
}


def build(template_path: Path) -> Json:
    """The document of all routes that the template deploys."""
    operations = deployed_operations(template_path)
    models: list[tuple[type[BaseModel], Mode]] = [(Problem, "serialization"), (LiveEvent, "serialization")]
    for operation in operations:
        models += [(operation.body, "validation")] if operation.body else []
        answered = operation.answers.item if isinstance(operation.answers, Listing) else operation.answers
        models += [(answered, "serialization")] if answered and not isinstance(answered, str) else []
    paths: dict[str, Json] = {}
    links = Links(operations)
    for operation in sorted(operations, key=lambda operation: operation.path):
        described = paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
        if linked := links.of(operation):
            described["responses"][str(operation.status)]["links"] = linked
    return {
        "openapi": "3.1.0",
        "info": {"title": "Inventory", "version": "1", "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": {**paths, **LIVE_EVENTS},
        "components": {
            "schemas": schemas_of(models),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "responses": {
                "Problem": {"description": "What was wrong.", "content": {"application/problem+json": {"schema": _ref(Problem)}}}
            },
        },
    }


def text_of(document: Json) -> str:
    """As it is kept in a file."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def deployed_operations(template_path: Path) -> list[Operation]:
    """The operations of each service the template deploys, but for routes that it does not (such as each service's own /health)."""
    found = []
    for function in template.resources_of(template.load(template_path), template.FUNCTION).values():
        routes = {(event["Properties"]["Method"], event["Properties"]["Path"]) for event in function.get("Events", {}).values()}
        if routes:
            app = importlib.import_module(function["Handler"].removesuffix(".app")).app
            found += [operation for operation in app.operations if (operation.method, operation.path) in routes]
    return found


def _operation(operation: Operation) -> Json:
    in_path = re.findall(r"\{(\w+)\}", operation.path)
    parameters: list[Json] = [_path_parameter(name) for name in in_path]
    if operation.query:
        parameters += _query_parameters(operation.query, in_path)
    if operation.repeatable:
        parameters.append(_IDEMPOTENCY_KEY)
    described: Json = {
        "tags": [operation.service],
        "operationId": f"{operation.service}_{operation.name}" if operation.name == "health" else operation.name,
        "summary": operation.name.replace("_", " ").capitalize(),
    }
    if operation.description:
        described["description"] = operation.description
    if parameters:
        described["parameters"] = parameters
    if operation.body:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(operation.body)}}}
    if operation.role is None:
        described["security"] = []
    else:
        described["x-role"] = operation.role.value
    described["responses"] = {
        str(operation.status): _answer(operation),
        **_not_modified(operation),
        **_problems(operation, bool(parameters)),
    }
    return described


def _not_modified(operation: Operation) -> Json:
    """What may be kept says with each answer by which tag it may be asked about."""
    if not operation.kept:
        return {}
    return {"304": {"description": "What If-None-Match names is still the answer."}}


def _answer(operation: Operation) -> Json:
    answers = operation.answers
    if answers is None:
        return {"description": "Done; there is nothing to tell."}
    if isinstance(answers, str):
        return {"description": "The document.", "content": {answers: {}}}
    schema = _page(answers) if isinstance(answers, Listing) else _ref(answers)
    answer: Json = {"description": "Created." if operation.status == 201 else "Done.", "content": {"application/json": {"schema": schema}}}
    if operation.status == 201:
        answer["headers"] = {"Location": {"description": "Where what was created is found.", "schema": {"type": "string"}}}
    return answer


def _problems(operation: Operation, has_parameters: bool) -> Json:
    """All that are answered while nothing is broken, and 503; any other is of the same form.

    `make security` counts what is answered and does not stand here as a fault.
    """
    problem = {"$ref": "#/components/responses/Problem"}
    if operation.name == "health":
        # An unwell service says so in the same words.
        return {"429": problem, "503": _answer(operation), "default": problem}
    statuses = {429, 503, *operation.refuses}
    if not operation.public:
        statuses |= {401, 403}
    if "{" in operation.path:
        statuses.add(404)
    # A body where none is wanted is read nevertheless, to refuse one that says something.
    if operation.method != "GET":
        statuses |= {400, 413}
    if operation.method != "GET" or has_parameters:
        statuses.add(422)
    return {**{str(status): problem for status in sorted(statuses)}, "default": problem}


def _path_parameter(name: str) -> Json:
    schema = {"type": "integer", "minimum": 1, "maximum": MAX_ID} if name.endswith("_id") else {"type": "string"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(model: type[BaseModel], in_path: list[str]) -> list[Json]:
    """A parameter per field; those that the path gives already are left out."""
    schema = schemas_of([(model, "validation")])[model.__name__]
    sortable: tuple[str, ...] = getattr(model, "sortable", ())
    parameters = []
    for name, field in schema["properties"].items():
        if name in in_path:
            continue
        described = {key: value for key, value in field.items() if key not in {"title", "default"} or value is not None}
        if "anyOf" in described:
            (described,) = ({**option} for option in described["anyOf"] if option != {"type": "null"})
        if name == "sort":
            described["enum"] = [sign + column for column in sortable for sign in ("", "-")]
        parameter: Json = {"name": name, "in": "query", "schema": described}
        if described.get("type") == "array":
            parameter |= {"style": "form", "explode": False}
        parameters.append(parameter)
    return parameters


def _page(listing: Listing) -> Json:
    whole = {"type": "integer", "minimum": 0}
    properties = {
        listing.plural: {"type": "array", "items": _ref(listing.item)},
        "start": whole,
        "limit": {"type": "integer", "minimum": 1},
        "count": whole,
        "total": whole,
        "total_exact": {"type": "boolean", "description": "Whether it is all of them; if not, there are at least as many."},
        "next_after": {
            "type": ["integer", "null"],
            "description": "What to give as `after` for the next page; null on the last. Others may follow a short page, too.",
        },
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
