"""The HTTP side of a service: a Chalice app whose routes parse, call and shape, and whose every error has one form."""

import functools
import hashlib
import inspect
import json
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import unquote

from chalice.app import AuthRequest, AuthResponse, Chalice, Request, Response
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from common import metrics
from common.aws import get_client
from common.config import get_settings
from common.db import in_transaction
from common.errors import ForbiddenError, InvalidError, MalformedError, ProblemError
from common.fields import MAX_ID, Payload
from common.idempotency import Attempt, Outcome, Row, each_once
from common.identity import Identity, Role
from common.observability import logger, trace
from common.operations import Listing, Operation, tells_of_people
from common.tracing import TRACEPARENT, begun, current_trace_id, note, trace_id_of

Model = TypeVar("Model", bound=BaseModel)
Result = TypeVar("Result")
View = Callable[..., Any]
_EXPOSED_HEADERS = "X-Trace-Id, Location, Retry-After, Idempotency-Replayed, ETag"
Effect = Callable[[Session], dict[str, Any]]


class ServiceApp(Chalice):
    """A service's routes.

    Behind the gateway its authorizer has already decided who gets in; under `chalice local` the app's own does the same.
    A body is read as JSON whatever its content type says, since every route takes JSON and nothing else.
    """

    current_request: Request

    def __init__(self, service: str, before_request: Callable[[], None] = lambda: None) -> None:
        super().__init__(app_name=service, configure_logs=False)
        self.service = service
        self.operations: list[Operation] = []
        self._before_request = before_request
        self._local_authorizer = self.authorizer(name="jwt")(_authorize_locally)

    def route(  # type: ignore[override]  # it says what Chalice's keyword arguments are
        self,
        path: str,
        *,
        methods: Sequence[str],
        public: bool = False,
        role: Role | None = None,
        body: type[BaseModel] | None = None,
        query: type[BaseModel] | None = None,
        answers: type[BaseModel] | Listing | str | None = None,
        creates: type[BaseModel] | None = None,
        refuses: Sequence[int] = (),
        repeatable: bool = False,
        **options: Any,
    ) -> Callable[[View], View]:
        """As Chalice's; `public` routes need no token, any other a user of that `role` or a higher one.

        Unless said otherwise, what reads is for viewers and what changes something is for clerks.

        `body` and `query` say what the view parses, `answers` what it gives (nothing: 204), `creates` what it made (201, once per
        Idempotency-Key, which other `repeatable` routes honour as well), `refuses` by which statuses its rules say no: see
        common.operations.
        """
        needed = None if public else role or (Role.VIEWER if list(methods) == ["GET"] else Role.CLERK)
        if needed:
            options["authorizer"] = self._local_authorizer
        # What tells of nobody may be kept by a browser, to be asked about each time.
        kept = needed is not None and list(methods) == ["GET"] and not tells_of_people(answers)
        register = super().route(path, methods=list(methods), content_types=[], **options)

        def decorate(view: View) -> View:
            register(self._answering(view, needed, kept=kept))
            status = 201 if creates else 200 if answers else 204
            self.operations.extend(
                Operation(
                    service=self.service,
                    method=method,
                    path=path,
                    name=view.__name__,
                    description=inspect.getdoc(view) or "",
                    role=needed,
                    body=body,
                    query=query,
                    answers=creates or answers,
                    status=status,
                    refuses=tuple(refuses),
                    repeatable=repeatable or creates is not None,
                    kept=kept,
                )
                for method in methods
            )
            return view

        return decorate

    def _answering(self, view: View, needed: Role | None, *, kept: bool) -> View:
        """The view for those who may call it, under the request's trace, its errors rendered as problem+json, its answer with
        CORS headers and logged.
        """

        @functools.wraps(view)
        def answering(**path: Any) -> Response:
            request, began = self.current_request, time.perf_counter()
            parent, route = request.headers.get(TRACEPARENT), request.context.get("resourcePath")
            known = trace_id_of(parent) or str(request.context.get("requestId") or "").replace("-", "")
            attributes = {"http.request.method": request.method, "http.route": route or request.path}
            with trace(known), begun(f"{request.method} {route}", "server", parent, attributes):
                try:
                    if needed:
                        self._require(needed)
                    self._before_request()
                    # A REST API hands path parameters on as they came, percent-encoded.
                    response = as_response(view(**{name: unquote(value) for name, value in path.items()}))
                except ProblemError as problem:
                    response = problem_response(problem, request)
                except Exception:  # noqa: BLE001  # a bug: the client learns no more than the trace id
                    logger.exception("unhandled_error", route=route)
                    response = problem_response(ProblemError("something went wrong on our side"), request)
                if kept and response.status_code == 200:
                    response = unless_known(response, request.headers.get("if-none-match"))
                response.headers.update(self._common_headers() | response.headers)
                note({"http.response.status_code": response.status_code}, failed=response.status_code >= 500)
                logger.info(
                    "request",
                    service=self.service,
                    method=request.method,
                    route=route,
                    status=response.status_code,
                    milliseconds=round((time.perf_counter() - began) * 1000, 2),
                )
                metrics.tell()
                return response

        return answering

    def _common_headers(self) -> dict[str, str]:
        headers = {"X-Trace-Id": current_trace_id(), "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        origin = self.current_request.headers.get("origin")
        if origin in get_settings().origins:
            headers |= {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": _EXPOSED_HEADERS}
        return headers | {"Vary": "Origin"}

    @property
    def identity(self) -> Identity:
        """Who is calling, as the authorizer told. Raises UnauthorizedError where nobody asked the authorizer."""
        return Identity.of_context(self.current_request.context.get("authorizer") or {})

    def _require(self, needed: Role) -> None:
        """The gateway's policy says the same; who invokes a function past the gateway meets it here."""
        role = self.identity.role
        if not role.may_act_as(needed):
            raise ForbiddenError(f"that needs the role {needed}, yours is {role}")

    @property
    def address(self) -> str:
        """Where the request came from, as the gateway saw it; empty where it came past the gateway."""
        return str((self.current_request.context.get("identity") or {}).get("sourceIp") or "")

    def body(self, model: type[Model]) -> Model:
        """The request's JSON body. Raises MalformedError if it is no JSON object, InvalidError naming each unfit field."""
        document = parse_json(_raw_body(self.current_request))
        try:
            return model.model_validate(document)
        except ValidationError as error:
            raise InvalidError.from_pydantic(error) from None

    def no_body(self) -> None:
        """Refuse a body that says anything, where the path says it all. Raises as `body` does."""
        if self.current_request.raw_body:
            self.body(Payload)

    def query(self, model: type[Model], **more: Any) -> Model:
        """The query parameters, with `more` from the path. Raises InvalidError naming each unfit one."""
        given = self.current_request.to_original_event().get("multiValueQueryStringParameters") or {}
        parameters: dict[str, Any] = {}
        for name, values in given.items():
            if len(values) > 1:
                raise InvalidError.of_field(name, "may be given only once")
            parameters[name] = values[0]
        try:
            return model.model_validate({**parameters, **more})
        except ValidationError as error:
            raise InvalidError.from_pydantic(error) from None

    def create(self, effect: Effect, *, location: str | None = None, fingerprint: Mapping[str, Any] | None = None) -> Response:
        """201 with what `effect` created, once per Idempotency-Key.

        `location` is the path that the new id is put behind. `fingerprint` is what tells two requests of one key apart, where
        that is not to be the whole body.
        """
        document, headers = self._once(effect, json.dumps(fingerprint).encode() if fingerprint is not None else None)
        if location:
            headers["Location"] = f"{location}/{document['id']}"
        return json_response(document, status=201, headers=headers)

    def change_once(self, effect: Effect) -> Response:
        """200 with what a change that adds up (a delta, say) came to, once per Idempotency-Key."""
        document, headers = self._once(effect)
        return json_response(document, headers=headers)

    def change_each_once(self, rows: Sequence[Row], effect: Callable[[Session, Sequence[Row]], list[Outcome]]) -> Response:
        """200 with what became of each row, done once per row's key."""
        scope = self._scope()
        return json_response({"rows": in_transaction(lambda session: each_once(session, scope, rows, effect))})

    def _once(self, effect: Effect, fingerprint: bytes | None = None) -> tuple[dict[str, Any], dict[str, str]]:
        request = self.current_request
        attempt = Attempt(
            scope=self._scope(),
            key=request.headers.get("idempotency-key"),
            payload=fingerprint if fingerprint is not None else _raw_body(request),
        )
        document, replayed = attempt.run(effect)
        return document, {"Idempotency-Replayed": "true"} if replayed else {}

    def _scope(self) -> str:
        """Whose keys, and of which route: nobody meets another's."""
        request = self.current_request
        context = request.context.get("authorizer") or {}
        return f"{context.get('user_id', '-')} {request.method} {_path_of(request)}"[:120]

    def change(self, effect: Callable[[Session], Result]) -> Result:
        """What `effect` made of something that exists, committed."""
        return in_transaction(effect)


def _authorize_locally(request: AuthRequest) -> AuthResponse:
    """Chalice's own authorizer, used by `chalice local` only: it asks the deployed one, as AWS and LocalStack do."""
    question = {"type": "TOKEN", "authorizationToken": request.token, "methodArn": request.method_arn}
    function = f"{get_settings().stack_name}-authorizer"
    answer = get_client("lambda").invoke(FunctionName=function, Payload=json.dumps(question))
    if "FunctionError" in answer:
        return AuthResponse(routes=[], principal_id="nobody")
    allowed = json.loads(answer["Payload"].read())
    return AuthResponse(routes=["*"], principal_id=allowed["principalId"], context=allowed["context"])


def _raw_body(request: Request) -> bytes:
    body = request.raw_body or b""
    return body.encode() if isinstance(body, str) else body


def _path_of(request: Request) -> str:
    """The path as it was asked for; Chalice's `request.path` is the route's pattern."""
    return str(request.to_original_event().get("path") or request.path)


def path_id(name: str, text: str) -> int:
    """An id from the path. Raises InvalidError if it is none."""
    if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_ID)) and 1 <= int(text) <= MAX_ID:
        return int(text)
    raise InvalidError.of_field(name, f"must be a whole number from 1 to {MAX_ID}")


def parse_json(raw: bytes) -> dict[str, Any]:
    """A JSON object whose numbers are as exact as they were written. Raises MalformedError."""
    try:
        document = json.loads(raw.decode(), parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError):  # an exponent may be too long for any decimal
        raise _malformed_body("is not valid JSON") from None
    if not isinstance(document, dict):
        raise _malformed_body("must be a JSON object")
    return document


def _malformed_body(message: str) -> MalformedError:
    return MalformedError(f"the body {message}", code="malformed_json", errors=[{"field": "body", "message": message}])


def as_response(answer: Any) -> Response:
    """A view's answer: a Response as it is, None as 204, anything else as JSON."""
    if isinstance(answer, Response):
        return answer
    return json_response(answer) if answer is not None else Response(body="", status_code=204)


def json_response(document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return Response(body=text, status_code=status, headers={"Content-Type": "application/json", **(headers or {})})


def unless_known(response: Response, known: str | None) -> Response:
    """An answer with its entity tag, or 304 where the client says that it has this very answer.

    The tag is of the whole answer, as more than one entity may have a part in it. It is weak, since who passes the answer on may
    compress it. What is kept is to be asked about each time. https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2
    """
    tag = f'W/"{hashlib.blake2b(response.body.encode(), digest_size=12).hexdigest()}"'
    headers: dict[str, str | list[str]] = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if known is not None and any(each.strip() in {tag, tag.removeprefix("W/"), "*"} for each in known.split(",")):
        return Response(body="", status_code=304, headers=headers)
    response.headers.update(headers)
    return response


def problem_response(problem: ProblemError, request: Request) -> Response:
    """A problem as RFC 9457 writes it."""
    document = {**problem.document(), "instance": _path_of(request), "trace_id": current_trace_id()}
    headers: dict[str, str | list[str]] = {"Content-Type": "application/problem+json"}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(problem.retry_after)))
    return Response(body=json.dumps(document, ensure_ascii=False), status_code=problem.status, headers=headers)
