"""JSON schemas of pydantic models, as clients see them: money is a number, a moment is a text in ISO 8601."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel
    from pydantic_core import core_schema

Mode = Literal["validation", "serialization"]


class _AsClientsSeeIt(GenerateJsonSchema):
    def decimal_schema(self, schema: core_schema.DecimalSchema) -> dict[str, Any]:
        bounds = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
        found: dict[str, Any] = {"type": "number"}
        for bound, name in bounds.items():
            value = schema.get(bound)
            if value is not None:
                found[name] = int(value)  # type: ignore[call-overload]
        places = schema.get("decimal_places")
        if places is not None and self.mode == "validation":  # of an answer it is the server's word, and of a client's the rule
            found["multipleOf"] = float(f"1e-{places}")
        return found

    def ser_schema(self, schema: Any) -> None:
        """A serializer here only writes what the type says already."""


def schemas_of(models: Sequence[tuple[type[BaseModel], Mode]]) -> dict[str, Any]:
    """Schemas by the models' names. Raises ValueError for two models of one name."""
    _, document = models_json_schema(
        list(dict.fromkeys(models)), ref_template="#/components/schemas/{model}", schema_generator=_AsClientsSeeIt
    )
    schemas: dict[str, Any] = document.get("$defs", {})
    ambiguous = [name for name in schemas if "__" in name]
    if ambiguous:
        raise ValueError(f"two models have the same name: {', '.join(ambiguous)}")
    return schemas
