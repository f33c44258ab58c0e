"""LocalStack's own gateway for what the data plane has no table for: other integrations, API keys, canaries.

It works in threads, on requests as its own port would hand them over, but at the root instead of under the API's id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from localstack.services.apigateway.next_gen.execute_api.gateway import RestApiGateway
from localstack.services.apigateway.next_gen.execute_api.handlers.parse import InvocationRequestParser
from localstack.services.apigateway.next_gen.execute_api.router import ApiGatewayEndpoint
from rolo import Request
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from localstack.services.apigateway.next_gen.execute_api.context import InvocationRequest, RestApiInvocationContext

    from localstack_process_runtime.edge.http import HttpRequest


class RootMappedParser(InvocationRequestParser):  # type: ignore[misc] # LocalStack is untyped here
    """Paths as under a custom domain that maps its root to the stage: the stage is in none of them."""

    def create_invocation_request(self, context: RestApiInvocationContext) -> InvocationRequest:
        # Read before anybody parses it: a form, which is what curl says its data is, would be put together anew.
        body = context.request.get_data(cache=True, parse_form_data=False)
        invocation_request: InvocationRequest = super().create_invocation_request(context)
        invocation_request["body"] = body
        return invocation_request

    @staticmethod
    def _enrich_with_raw_path(context: RestApiInvocationContext, invocation_request: InvocationRequest) -> None:
        path = root_path(context.request.environ.get("RAW_URI") or context.request.path)
        invocation_request["path"] = invocation_request["raw_path"] = path

    @staticmethod
    def create_context_variables(context: RestApiInvocationContext) -> Any:
        variables = InvocationRequestParser.create_context_variables(context)
        variables["path"] = context.invocation_request["raw_path"]
        variables["identity"]["sourceIp"] = context.request.remote_addr
        return variables


class RootMappedGateway(RestApiGateway):  # type: ignore[misc] # LocalStack is untyped here
    """LocalStack's chain of handlers, with that parser."""

    def __init__(self) -> None:
        super().__init__()
        self.request_handlers[0] = RootMappedParser()


class PassingOn:
    """Answers by LocalStack's gateway; to be called on a thread that may wait."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._endpoint = ApiGatewayEndpoint(rest_gateway=RootMappedGateway())

    def answer(self, request: HttpRequest, api_id: str, stage: str) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body."""
        path, _, query = request.target.partition("?")
        wanted = Request(
            method=request.method,
            path=unquote(path),
            headers=Headers(request.headers),
            body=request.body,
            query_string=query.encode("latin-1"),
            remote_addr=request.client,
            server=("127.0.0.1", self._port),
            raw_path=request.target,
        )
        context, response = self._endpoint.prepare_rest_api_invocation(wanted, api_id, stage)
        self._endpoint.rest_gateway.process_with_context(context, response)
        left_out = {"content-length", "connection", "date", "transfer-encoding"}
        headers = [(name, value) for name, value in response.headers if name.lower() not in left_out]
        return response.status_code, headers, response.get_data()


def root_path(target: str) -> str:
    """The path of a request's target, undecoded, with one slash in front."""
    path = target.partition("?")[0]
    if path[:1] != "/" and "://" in path:  # absolute form, https://datatracker.ietf.org/doc/html/rfc9112#section-3.2.2
        path = path.partition("://")[2].partition("/")[2]
    return "/" + path.lstrip("/")
