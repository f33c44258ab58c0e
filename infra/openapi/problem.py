"""The form of every answer other than success."""

from pydantic import BaseModel, ConfigDict


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str
    type: str | None = None


class Problem(BaseModel):
    """Problem details (RFC 9457). Some codes carry more, such as `available` beside `insufficient_stock`."""

    model_config = ConfigDict(extra="allow", json_schema_serialization_defaults_required=False)

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    trace_id: str
    errors: list[FieldError] = []
