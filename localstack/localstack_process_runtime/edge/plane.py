"""The data plane: each request, from its route to its answer, on the event loop of the functions' environments.

What it decides, it decides by the same code as LocalStack's gateway with this plugin does (policies, grants, buckets, gateway
responses, Lambda proxy answers), and in the same order; localstack/tests/test_differential.py holds it to that.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from localstack.aws.api import ServiceException
from localstack.services.apigateway.next_gen.execute_api import handlers
from localstack.services.apigateway.next_gen.execute_api.context import RestApiInvocationContext
from localstack.services.apigateway.next_gen.execute_api.gateway_response import (
    AuthorizerConfigurationError,
    AuthorizerFailureError,
    BaseGatewayException,
    IntegrationFailureError,
    IntegrationTimeoutError,
    InternalFailureException,
    InternalServerError,
    MissingAuthTokenError,
    RequestTooLargeError,
    ThrottledError,
    UnauthorizedError,
)
from localstack.services.apigateway.next_gen.execute_api.header_utils import DROPPED_FROM_REQUEST_COMMON_LOWER
from werkzeug.datastructures import Headers

from lambda_environments import Invocation, InvocationResult, PoolSaturatedError
from localstack_process_runtime import functions
from localstack_process_runtime.edge import forwarding
from localstack_process_runtime.edge.compiling import (
    CompiledApi,
    Constant,
    Route,
    compile_api,
    configuration_of,
    deployed_stage,
    stages_of,
)
from localstack_process_runtime.edge.compressing import AT_ONCE_BYTES, gzipped, is_encoded, takes_gzip
from localstack_process_runtime.edge.counted import Counting
from localstack_process_runtime.edge.events import context_variables, event_of, grouped, new_id, query_of, response_of, short_id, trace_id
from localstack_process_runtime.edge.passing_on import PassingOn, root_path
from localstack_process_runtime.edge.spans import Spans
from localstack_process_runtime.gateway.authorizers import (
    UNAUTHORIZED,
    authorizer_event,
    enforce,
    grant_of,
    identity_of,
    method_arn,
)
from localstack_process_runtime.gateway.gateway_responses import GatewayResponseHandler
from localstack_process_runtime.gateway.lambda_integration import FAILED
from localstack_process_runtime.gateway.request_limit import LIMIT_BYTES
from localstack_process_runtime.gateway.throttling import method_limit
from localstack_process_runtime.version_manager import REQUEST_LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Executor, Future

    from lambda_environments import EnvironmentPool
    from localstack_process_runtime.edge.http import Header, HttpRequest, Reply
    from localstack_process_runtime.gateway.authorizer_cache import Grant, GrantCache
    from localstack_process_runtime.gateway.throttling import TokenBuckets
    from localstack_process_runtime.settings import Settings

LOG = logging.getLogger(__name__)
Result = TypeVar("Result")
LOOK_AGAIN_SECONDS = 0.05
"""What changes behind the APIs' back is seen after so long; what their calls change, at once."""
CONSTANTS = 16
_NEW_EACH_TIME = frozenset({"x-amzn-requestid", "x-amz-apigw-id"})
_RESPONSES = GatewayResponseHandler()


class DataPlane:
    """Answers for the one deployed API; lives on the pool's event loop."""

    def __init__(
        self, settings: Settings, pool: EnvironmentPool, grants: GrantCache, buckets: TokenBuckets, passing_on: PassingOn, threads: Executor
    ) -> None:
        self.pool = pool
        self.grants = grants
        self.buckets = buckets
        self.port = str(settings.edge_listen.port) if settings.edge_listen else ""
        self.loop = asyncio.get_running_loop()
        self._settings = settings
        self._passing_on = passing_on
        self._threads = threads
        self._api: CompiledApi | None = None
        self._stages: Mapping[str, str] = {}
        """What is deployed at each of its stages, as LocalStack's store goes on telling."""
        self._stale = True
        self._look_again_at = 0.0
        self._closing = False
        self.forwarder_key = settings.edge_forwarder_key
        self.counting = Counting()
        self.spans = Spans() if settings.tells_spans else None

    def changed(self) -> None:
        """Something was deployed or set; may be called from any thread."""
        self._stale = True

    def close(self) -> None:
        """Begin nothing any more: what is asked from now on is refused."""
        self._closing = True

    def handle(self, request: HttpRequest, reply: Reply) -> None:
        """Answer a request, now or later."""
        if self._closing:
            _unavailable(reply, "shutting_down", "the system is being stopped", retry_after=5)
            return
        try:
            api = self._current()
        except Exception:
            LOG.exception("the deployed API could not be compiled")
            api = None
        if api is None:
            name = self._settings.edge_api_name
            detail = f"nothing is deployed yet: {f'an API named {name}' if name else 'an API'} with a stage is awaited"
            _unavailable(reply, "not_deployed", detail, retry_after=1)
        else:
            Exchange(self, api, request, reply).begin()

    def pass_on(self, exchange: Exchange) -> None:
        """Have LocalStack's gateway answer, on a thread."""
        api = exchange.api
        self.on_a_thread(self._passing_on.answer, exchange.request, api.api_id, api.stage).add_done_callback(exchange.passed_on)

    def on_a_thread(self, work: Callable[..., Result], *arguments: Any) -> asyncio.Future[Result]:
        """What takes too long for the loop."""
        return self.loop.run_in_executor(self._threads, work, *arguments)

    def _current(self) -> CompiledApi | None:
        api = self._api
        if not self._stale and api is not None and self._stages.get(api.stage) == api.deployment_id:
            if self.loop.time() < self._look_again_at:
                return api
            self._stages = stages_of(api.api_id)
            if self._wanted() == (api.api_id, api.stage) and configuration_of(api.api_id, api.stage) == api.stage_configuration:
                self._look_again_at = self.loop.time() + LOOK_AGAIN_SECONDS
                return api
        self._stale = False  # before looking: what changes meanwhile is looked at again
        wanted = self._wanted()
        self._api = compile_api(*wanted) if wanted else None
        self._stages = stages_of(self._api.api_id) if self._api else {}
        self._look_again_at = self.loop.time() + LOOK_AGAIN_SECONDS
        return self._api

    def _wanted(self) -> tuple[str, str] | None:
        return deployed_stage(self._settings.edge_api_name, self._settings.edge_stage)


def _unavailable(reply: Reply, code: str, detail: str, *, retry_after: int) -> None:
    problem = {"type": "about:blank", "title": "Service Unavailable", "status": 503, "code": code, "detail": detail}
    reply(503, [("Content-Type", "application/problem+json"), ("Retry-After", str(retry_after))], json.dumps(problem).encode())


class Exchange:
    """One request and its answer."""

    __slots__ = ("_began", "_reply_with", "api", "headers", "parameters", "path", "plane", "request", "route", "span", "trace", "variables")

    def __init__(self, plane: DataPlane, api: CompiledApi, request: HttpRequest, reply: Reply) -> None:
        self.plane = plane
        self.api = api
        self.request = request
        self._reply_with = reply
        self._began: float | None = plane.loop.time()
        self.headers = grouped(request.headers)
        if forwarding.KEY in self.headers:
            forwarding.settle_client(request, self.headers, plane.forwarder_key)
        self.span = plane.spans.begin(request.method, self.headers) if plane.spans else None
        self.path = root_path(request.target)
        self.trace = trace_id(self.headers)
        self.variables = context_variables(api, request, self.path, self.headers, new_id())
        self.parameters: dict[str, str] = {}
        self.route: Route | None = None

    def begin(self) -> None:
        self._guarded(self._route)

    def passed_on(self, answering: Future[tuple[int, list[Header], bytes]] | asyncio.Future[tuple[int, list[Header], bytes]]) -> None:
        """LocalStack's gateway has answered."""
        error = answering.exception()
        if error is not None:
            self._refuse(error)
            return
        status, headers, body = answering.result()
        route = self.route if status < HTTPStatus.BAD_REQUEST else None  # what was refused, or failed, may be answered the next time
        if route is not None and route.is_constant and self._asks_for_a_constant() and len(route.constants) < CONSTANTS:
            kept = tuple((name, value) for name, value in headers if name.lower() not in _NEW_EACH_TIME)
            route.constants.setdefault(self._accept(), Constant(status, kept, body))
        self._reply(status, headers, body)

    def _reply(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        self._reply_with(status, headers, body)
        if self._began is None:  # nobody waits for it any more
            return
        path = self.route.resource["path"] if self.route is not None else None
        self.plane.counting.answered(self.request.method, path, status, self.plane.loop.time() - self._began)
        if self.plane.spans is not None and self.span is not None:
            self.plane.spans.answered(self.span, self.request.method, path, status)
        self._began = None

    def _guarded(self, step: Callable[..., None], *arguments: Any) -> None:
        """Take a step; what it raises is the answer."""
        try:
            step(*arguments)
        except Exception as error:  # noqa: BLE001 (told to the client as the API says, and logged if it is none of the gateway's own)
            self._refuse(error)

    def _route(self) -> None:
        if self.request.too_large:
            raise RequestTooLargeError(f"HTTP content length exceeded {LIMIT_BYTES} bytes.")
        found = self.api.router.match(self.path, self.request.method)
        if found is None:
            raise MissingAuthTokenError("Missing Authentication Token")
        self.route, self.parameters = route, _ = found
        self.variables["resourcePath"], self.variables["resourceId"] = route.resource["path"], route.resource["id"]
        if route.function_arn is None:
            constant = route.constants.get(self._accept()) if route.is_constant and self._asks_for_a_constant() else None
            if constant is None:
                self.plane.pass_on(self)
                return
            self._throttle(route)
            self._reply(constant.status, [*constant.headers, *self._ids()], constant.body)
            return
        self._throttle(route)
        if route.method.get("authorizationType") == "CUSTOM":
            self._authorize(route)
        else:
            self._integrate(route)

    def _throttle(self, route: Route) -> None:
        method, path = self.request.method, route.resource["path"]
        limit = route.limit
        if route.of_any_method:
            limit = method_limit(self.api.stage_configuration.get("methodSettings") or {}, path, method)
        if limit and not self.plane.buckets.take((self.api.api_id, self.api.stage, path, method), *limit):
            raise ThrottledError("Too Many Requests")

    def _authorize(self, route: Route) -> None:
        authorizer = route.authorizer
        if authorizer is None:
            LOG.warning("method %s %s names an authorizer that does not exist", self.path, self.request.method)
            raise AuthorizerConfigurationError
        ttl = route.seconds_granted
        identity = self._token(route, authorizer) if route.token_header else identity_of(authorizer, self._context())
        key = (self.api.api_id, self.api.stage, self.api.deployment_id, authorizer["id"], *identity)
        grant = self.plane.grants.get(key) if ttl > 0 else None
        if grant is not None:
            self.plane.counting.grants_found += 1
            self._granted(route, grant)
            return
        self.plane.counting.grants_asked += 1
        event = json.dumps(authorizer_event(authorizer, self._context(), identity)).encode()
        asking = self.plane.spans.asking(self.span, authorizer["name"]) if self.plane.spans and self.span else None

        def asked(result: InvocationResult) -> None:
            if asking is not None:
                asking.end()
            new = grant_of(authorizer, result.payload, is_error=result.function_error is not None)
            if ttl > 0:
                self.plane.grants.put(key, new, ttl)
            self._granted(route, new)

        try:
            self._invoke(route.authorizer_arn, event, asked, seconds=None, refused=AuthorizerFailureError(None))
        except functions.FunctionNotFoundError as error:
            LOG.warning("authorizer %s could not be called: %s", authorizer.get("name"), error)
            raise AuthorizerFailureError(None) from error

    def _token(self, route: Route, authorizer: dict[str, Any]) -> tuple[str, ...]:
        """As `identity_of`, for a TOKEN authorizer whose source is a header."""
        held = self.headers.get(route.token_header or "")
        value = ",".join(held[1]) if held else ""
        expression = authorizer.get("identityValidationExpression")
        if not value or (expression and not re.fullmatch(expression, value)):
            raise UnauthorizedError(UNAUTHORIZED)
        return (value,)

    def _granted(self, route: Route, grant: Grant) -> None:
        enforce(grant, method_arn(self.api.deployment, self.api.api_id, self.api.stage, self.request.method, self.path))
        identity = self.variables["identity"]
        if grant.usage_key and not identity.get("apiKey"):
            identity["apiKey"] = grant.usage_key
        self.variables["authorizer"] = {"principalId": grant.principal_id, **grant.context, "integrationLatency": 0}
        self._integrate(route)

    def _integrate(self, route: Route) -> None:
        if route.validates:
            handlers.method_request_handler(None, self._context(), None)
        event = event_of(self, self.plane.port)
        if len(event) > REQUEST_LIMIT_BYTES:
            raise RequestTooLargeError("Request Too Long")
        assert route.function_arn is not None
        try:
            self._invoke(route.function_arn, event, self._answered, seconds=route.timeout_seconds, refused=_failed(502))
        except functions.FunctionNotFoundError as error:
            LOG.warning("the integration of %s names no function: %s", route.resource["path"], error)
            raise InternalServerError(FAILED, status_code=500) from error

    def _answered(self, result: InvocationResult) -> None:
        if result.function_error is not None:
            assert self.route is not None
            LOG.warning("%s failed: %s", self.route.function_arn, result.payload[:2000].decode(errors="replace"))
            raise InternalServerError(FAILED, status_code=502)
        status, headers, body = response_of(self.api, self._header("accept"), result.payload)
        head = [*headers, *self._ids(), ("X-Amzn-Trace-Id", self.trace)]
        least = self.api.compressed_from
        if least is None or len(body) < least or not takes_gzip(self._header("accept-encoding")) or is_encoded(headers):
            self._reply(status, head, body)
            return
        head.append(("Content-Encoding", "gzip"))
        if len(body) <= AT_ONCE_BYTES:
            self._reply(status, head, gzipped(body))
        else:
            self.plane.on_a_thread(gzipped, body).add_done_callback(lambda done: self._reply(status, head, done.result()))

    def _invoke(
        self, arn: str, event: bytes, then: Callable[[InvocationResult], None], *, seconds: float | None, refused: BaseGatewayException
    ) -> None:
        """Have the pool run a function. Raises FunctionNotFoundError; `refused` where Lambda would not take it."""
        manager = functions.version_manager(arn)
        spec = manager.spec  # before the lease, which an error here would keep for ever
        try:
            give_back = manager.lease()
        except ServiceException as error:
            LOG.warning("%s could not be invoked: %s", arn, error)
            raise refused from error
        waiter = _Waiter(self, then, give_back, refused)
        self.plane.pool.submit(spec, Invocation(event, new_id(), arn, self.trace, wants_log=False), waiter)
        if seconds is not None and spec.debugger is None and not waiter.done():
            waiter.timer = self.plane.loop.call_later(seconds, waiter.too_late)

    def _refuse(self, error: BaseException) -> None:
        if not isinstance(error, BaseGatewayException):
            LOG.error("the edge failed at %s", self.request.target, exc_info=error)
            error = InternalFailureException("Internal server error")
        context = self._context()
        _RESPONSES.set_error_context(error, context)
        response = _RESPONSES.create_exception_response(error, context)
        self._reply(response.status_code, [*response.headers, *self._ids()], response.get_data())

    def _context(self) -> RestApiInvocationContext:
        """The request as LocalStack's handlers see it."""
        context = RestApiInvocationContext(None)
        api, route = self.api, self.route
        context.deployment, context.api_id, context.stage, context.deployment_id = api.deployment, api.api_id, api.stage, api.deployment_id
        context.account_id, context.region = api.deployment.account_id, api.deployment.region
        context.stage_variables, context.stage_configuration = api.stage_variables, api.stage_configuration
        context.context_variables, context.trace_id = self.variables, self.trace
        if route is not None:
            context.resource, context.resource_method, context.integration = route.resource, route.method, route.integration
        query, queries = query_of(self.request.target)
        seen = [
            (name, value)
            for lowered, (name, values) in self.headers.items()
            if lowered not in DROPPED_FROM_REQUEST_COMMON_LOWER
            for value in values
        ]
        context.invocation_request = {
            "http_method": self.request.method,
            "path": self.path,
            "raw_path": self.path,
            "path_parameters": self.parameters,
            "query_string_parameters": query,
            "multi_value_query_string_parameters": queries,
            "headers": Headers(seen),
            "body": self.request.body,
        }
        return context

    def _ids(self) -> tuple[Header, Header]:
        return ("x-amzn-RequestId", self.variables["requestId"]), ("x-amz-apigw-id", short_id() + "=")

    def _header(self, name: str) -> str | None:
        held = self.headers.get(name)
        return held[1][0] if held else None

    def _accept(self) -> str:
        return self._header("accept") or ""

    def _asks_for_a_constant(self) -> bool:
        """A mock's template, and whether there is one, depends on the content type."""
        return not self.request.body and "content-type" not in self.headers


def _failed(status: int) -> BaseGatewayException:
    return IntegrationFailureError(FAILED, status_code=status)


class _Waiter:
    """Waits for a function's result in the pool's sense, and goes on with the exchange."""

    __slots__ = ("_done", "_exchange", "_give_back", "_refused", "_then", "timer")

    def __init__(
        self, exchange: Exchange, then: Callable[[InvocationResult], None], give_back: Callable[[], None], refused: BaseGatewayException
    ) -> None:
        self._exchange = exchange
        self._then = then
        self._give_back = give_back
        self._refused = refused
        self._done = False
        self.timer: asyncio.TimerHandle | None = None

    def done(self) -> bool:
        return self._done

    def set_result(self, result: InvocationResult, /) -> None:
        self._finish()
        self._exchange._guarded(self._then, result)  # noqa: SLF001 (a part of the exchange)

    def set_exception(self, exception: BaseException, /) -> None:
        self._finish()
        if isinstance(exception, PoolSaturatedError):
            LOG.warning("could not be invoked: %s", exception)
            exception = self._refused
        self._exchange._refuse(exception)  # noqa: SLF001

    def too_late(self) -> None:
        """The function runs on, and nobody waits."""
        self._finish()
        self._exchange._refuse(IntegrationTimeoutError("Endpoint request timed out"))  # noqa: SLF001

    def _finish(self) -> None:
        self._done = True
        if self.timer is not None:
            self.timer.cancel()
        self._give_back()
