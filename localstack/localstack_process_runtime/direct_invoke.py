"""Lambda's Invoke as nearly everybody asks for it, answered before LocalStack's chain of handlers.

LocalStack takes some thirty handlers, a model of the service and a thread for every call; that is most of what an invocation of a small
function costs, and other requests wait for it meanwhile. Here a synchronous invocation goes from LocalStack's port to the environment
pool and back. Whatever is unusual in one (another type of invocation, a log tail, a header that is not known here, anything that might
be refused) goes LocalStack's way, which says what there is to say: nothing is refused here, and localstack/tests/test_direct_invoke.py
holds both ways to the same answers.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from localstack.aws.accounts import get_account_id_from_access_key_id
from localstack.aws.api import ServiceException
from localstack.aws.api.lambda_ import ServiceException as LambdaServiceException
from localstack.aws.protocol.serializer import create_serializer
from localstack.aws.spec import load_service
from localstack.runtime import events
from localstack.services.lambda_.invocation.models import lambda_stores
from localstack.services.plugins import SERVICE_PLUGINS
from localstack.utils.aws.arns import get_partition
from twisted.internet import reactor
from twisted.web.resource import IResource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from lambda_environments import Invocation, PoolSaturatedError
from localstack_process_runtime import functions
from localstack_process_runtime.edge.events import new_id, trace_id
from localstack_process_runtime.roles.enforcement import allowed
from localstack_process_runtime.roles.permissions import Permission
from localstack_process_runtime.roles.sessions import UnknownTokenError, get_sessions
from localstack_process_runtime.runtime import get_runtime
from localstack_process_runtime.settings import get_settings
from localstack_process_runtime.version_manager import REQUEST_LIMIT_BYTES, too_many

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twisted.web.server import Request

    from lambda_environments import InvocationResult

LOG = logging.getLogger(__name__)

PATH = re.compile(rb"/2015-03-31/functions/(?P<name>[A-Za-z0-9_-]{1,64}|arn(?::|%3A)[A-Za-z0-9_:%$-]+)/invocations")
QUERY = re.compile(rb"Qualifier=(?P<qualifier>(?:[A-Za-z0-9_-]|\$|%24){1,128})")
SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[a-z0-9-]+)/lambda/aws4_request,"
    r" ?SignedHeaders=[a-z0-9;-]+, ?Signature=\w+"
)
SYNCHRONOUS = "RequestResponse"
USUAL_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-invocation-type",
        "x-amz-security-token",
        "x-amz-user-agent",
        "x-amzn-trace-id",
    }
)


class UnusualError(Exception):
    """LocalStack is to answer; nothing has happened yet."""


@implementer(IResource)
class DirectInvoke:
    """In front of LocalStack's resource, on the reactor's thread."""

    isLeaf = True  # noqa: N815 (twisted's name)

    def __init__(self, original: Any) -> None:
        self._original = original
        self._enforces_roles = get_settings().enforce_roles

    def getChildWithDefault(self, name: bytes, request: Request) -> Any:  # noqa: N802
        return self._original.getChildWithDefault(name, request)

    def putChild(self, path: bytes, child: Any) -> None:  # noqa: N802
        self._original.putChild(path, child)

    def render(self, request: Request) -> Any:
        """Begin to answer."""
        if request.method == b"POST" and (path := PATH.fullmatch(request.path)):
            named = unquote(path["name"].decode())
            try:
                self._invoke(request, named)
            except UnusualError:
                pass
            except Exception:
                LOG.exception("%s could not be invoked directly", named)
            else:
                return NOT_DONE_YET
            request.content.seek(0)
        return self._original.render(request)

    def _invoke(self, request: Request, named: str) -> None:
        """Give it to the pool. Raises UnusualError."""
        if events.infra_stopping.is_set() or not _running("lambda"):
            raise UnusualError
        headers = _usual_headers(request)
        payload = _usual_payload(request)
        arn = self._function(request, headers, named)
        try:
            manager = functions.version_manager(arn)
            give_back = manager.lease()
        except (functions.FunctionNotFoundError, ServiceException) as error:
            raise UnusualError from error
        trace = trace_id({name: (name, [value]) for name, value in headers.items() if name == "x-amzn-trace-id"})
        answer = _Answer(request, manager.function_version.id.qualifier, new_id(), give_back)
        try:
            get_runtime().pool.submit(manager.spec, Invocation(payload, answer.request_id, arn, trace, wants_log=False), answer)
        except BaseException:
            give_back()
            raise

    def _function(self, request: Request, headers: Mapping[str, str], named: str) -> str:
        """The ARN of whom the caller means and may invoke. Raises UnusualError where it is not plain who that is, or that they may."""
        signed = SIGNED.fullmatch(headers.get("authorization", ""))
        if signed is None:
            raise UnusualError
        region = signed["region"]
        try:
            session = get_sessions().by_key(signed["key"], headers.get("x-amz-security-token", "")) if self._enforces_roles else None
        except UnknownTokenError as error:
            raise UnusualError from error
        account = session.account if session is not None else get_account_id_from_access_key_id(signed["key"])
        unqualified = f"arn:{get_partition(region)}:lambda:{region}:{account}:function:"
        name, _, qualifier = named.removeprefix(unqualified).partition(":")
        try:
            function = lambda_stores[account][region].functions.get(name)
        except ValueError as error:  # there is no such region
            raise UnusualError from error
        if function is None or "$LATEST.PUBLISHED" in function.versions:
            raise UnusualError
        qualifier = _qualifier(request, qualifier)
        arn = f"{unqualified}{name}{':' if qualifier else ''}{qualifier}"
        if session is not None and not (_running("iam") and allowed(session, Permission("lambda:InvokeFunction", arn))):
            raise UnusualError
        return arn


class _Answer:
    """Waits for the function's result in the pool's sense, and answers the request on the reactor's thread."""

    __slots__ = ("_done", "_give_back", "_gone", "_request", "_version", "request_id")

    def __init__(self, request: Request, version: str, request_id: str, give_back: Callable[[], None]) -> None:
        self._request = request
        self._version = version
        self.request_id = request_id
        self._give_back = give_back
        self._done = self._gone = False
        request.notifyFinish().addErrback(self._left)

    def done(self) -> bool:
        return self._done

    def set_result(self, result: InvocationResult, /) -> None:
        self._finish()
        reactor.callFromThread(self._reply, result)

    def set_exception(self, exception: BaseException, /) -> None:
        self._finish()
        reactor.callFromThread(self._refuse, exception)

    def _finish(self) -> None:
        self._done = True
        self._give_back()

    def _left(self, _failure: object) -> None:
        """The client has; the function runs on, as it does on AWS."""
        self._gone = True

    def _reply(self, result: InvocationResult) -> None:
        headers = {"Content-Type": "application/json", "X-Amz-Executed-Version": self._version}
        if result.function_error is not None:
            headers["X-Amz-Function-Error"] = result.function_error
        self._write(200, headers, result.payload)

    def _refuse(self, exception: BaseException) -> None:
        """Where the pool would not run it after all."""
        if isinstance(exception, PoolSaturatedError):
            exception = too_many(exception)
        else:
            LOG.error("an invocation failed", exc_info=exception)
            exception = LambdaServiceException(f"[{self.request_id}] {type(exception).__name__}: {exception}")
        service = load_service("lambda")
        answer = create_serializer(service).serialize_error_to_response(
            exception, service.operation_model("Invoke"), headers=None, request_id=self.request_id
        )
        self._write(answer.status_code, dict(answer.headers), answer.get_data())

    def _write(self, status: int, headers: dict[str, str], body: bytes) -> None:
        if self._gone:
            return
        request = self._request
        request.setResponseCode(status)
        for name, value in (headers | {"x-amzn-RequestId": self.request_id, "Content-Length": str(len(body))}).items():
            request.responseHeaders.rememberHeaderCasing(name.encode())
            request.responseHeaders.setRawHeaders(name, [value])
        request.write(body)
        request.finish()


def _running(service: str) -> bool:
    """Services that were not asked before are loaded, with what was kept of them, by LocalStack's chain."""
    return bool(SERVICE_PLUGINS.is_running(service))


def _usual_headers(request: Request) -> dict[str, str]:
    """By lower-case name, each a known one and there once. Raises UnusualError."""
    found = {}
    for name, values in request.requestHeaders.getAllRawHeaders():
        lowered = name.decode("latin-1").lower()
        if lowered not in USUAL_HEADERS or len(values) != 1:
            raise UnusualError
        found[lowered] = values[0].decode("latin-1")
    if found.get("x-amz-invocation-type", SYNCHRONOUS) != SYNCHRONOUS:
        raise UnusualError
    return found


def _usual_payload(request: Request) -> bytes:
    payload: bytes = request.content.read()
    if not 0 < len(payload) <= REQUEST_LIMIT_BYTES:
        raise UnusualError
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise UnusualError from error
    return payload


def _qualifier(request: Request, of_name: str) -> str:
    """What the query says, or the name; both would be one too many."""
    if request.uri == request.path:
        return of_name
    query = QUERY.fullmatch(request.uri.removeprefix(request.path + b"?"))
    if query is None or of_name:
        raise UnusualError
    return unquote(query["qualifier"].decode())
