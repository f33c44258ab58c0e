"""The errors a client may see, each with its HTTP status and a stable code (RFC 9457 problem details)."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError


class ProblemError(Exception):
    """Base of every answer other than success; `common.http` renders it and nothing else does."""

    status: int = 500
    code: str = "internal_error"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        errors: Iterable[Mapping[str, Any]] = (),
        retry_after: float | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.errors = [dict(error) for error in errors]
        self.retry_after = retry_after
        self.extensions = extensions

    def document(self) -> dict[str, Any]:
        """The problem+json document, less what only the request knows (`instance`, `trace_id`)."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.extensions,
        }
        if self.errors:
            document["errors"] = self.errors
        return document


class MalformedError(ProblemError):
    """The request is not what HTTP or JSON say it must be."""

    status = 400
    code = "malformed_request"


class UnauthorizedError(ProblemError):
    """Nobody, or nobody we know."""

    status = 401
    code = "unauthorized"


class ForbiddenError(ProblemError):
    """Somebody we know, who may not do that."""

    status = 403
    code = "access_denied"


class NotFoundError(ProblemError):
    """What the path names does not exist."""

    status = 404
    code = "not_found"


class ConflictError(ProblemError):
    """A rule of the business says no."""

    status = 409
    code = "conflict"


class InvalidError(ProblemError):
    """The payload does not validate, or points to something that does not exist."""

    status = 422
    code = "validation_failed"

    @classmethod
    def of_field(cls, field: str, message: str, *, code: str | None = None) -> "InvalidError":
        """An error about a single field of the payload."""
        return cls(f"{field}: {message}", code=code, errors=[{"field": field, "message": message}])

    @classmethod
    def from_pydantic(cls, error: ValidationError, *, prefix: str = "") -> "InvalidError":
        """Name each field that does not validate."""
        fields = [
            {"field": prefix + (".".join(map(str, e["loc"])) or "body"), "message": e["msg"], "type": e["type"]}
            for e in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        return cls("; ".join(f"{f['field']}: {f['message']}" for f in fields), errors=fields)


class TooManyError(ProblemError):
    """Asked too often; `retry_after` (seconds) says when to ask again."""

    status = 429
    code = "too_many_requests"


class UnavailableError(ProblemError):
    """Something this answer needs is down; `retry_after` (seconds) says when to ask again."""

    status = 503
    code = "unavailable"

    def __init__(self, detail: str, *, retry_after: float = 2, **rest: Any) -> None:
        super().__init__(detail, retry_after=retry_after, **rest)
