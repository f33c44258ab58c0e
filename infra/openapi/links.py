"""What may follow an answer: operations that take what it tells (https://spec.openapis.org/oas/v3.1.1#link-object).

An id that is answered is a path's parameter, or a body's field, of others: they are linked by its name, as `supplier_id`. What is called
`id` where it is answered is the parameter that a path of the same model ends in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from common.operations import Operation

Json = dict[str, Any]


class Links:
    """The links of a document's operations."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = operations
        self._known = {name for operation in operations for name in _in_path(operation)}

    def of(self, operation: Operation) -> Json:
        """By name, the links of what it answers when all went well."""
        told = self._told_by(operation)
        links = {}
        for target in self._operations:
            if target is not operation and (link := _link(target, told)):
                links[target.name] = link
        return links

    def _told_by(self, operation: Operation) -> dict[str, str]:
        """The ids that are known once it has answered -> where they are found."""
        if operation.method == "DELETE":  # whoever asks for it again is to be told that it is gone
            return {name: f"$request.path.{name}" for name in _in_path(operation)}
        model = operation.answers
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return {}
        told = {name: f"$response.body#/{name}" for name in model.model_fields if name in self._known}
        if "id" in model.model_fields and (own := self._id_of(model)):
            told[own] = "$response.body#/id"
        return told

    def _id_of(self, model: type[BaseModel]) -> str | None:
        paths = [each.path for each in self._operations if each.answers is model and each.path.endswith("_id}")]
        return _names(min(paths, key=len))[-1] if paths else None


def _link(target: Operation, told: Mapping[str, str]) -> Json | None:
    """None where it takes nothing of that, or needs more in its path."""
    in_path = _in_path(target)
    if not all(name in told for name in in_path):
        return None
    in_body = {name: told[name] for name in (target.body.model_fields if target.body else ()) if name in told}
    if not in_path and not in_body:
        return None
    link: Json = {"operationId": target.name}
    if in_path:
        link["parameters"] = {name: told[name] for name in in_path}
    if in_body:
        link["requestBody"] = in_body
    return link


def _in_path(operation: Operation) -> list[str]:
    return [name for name in _names(operation.path) if name.endswith("_id")]


def _names(path: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", path)
