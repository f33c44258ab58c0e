"""The deployed API at the root of an address of its own, whatever id it got, and nothing of LocalStack's own APIs."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from localstack.constants import AWS_REGION_US_EAST_1, DEFAULT_AWS_ACCOUNT_ID
from localstack.http import Response
from localstack.services.apigateway.models import apigateway_stores
from localstack.services.apigateway.next_gen.execute_api.gateway import RestApiGateway
from localstack.services.apigateway.next_gen.execute_api.handlers.parse import InvocationRequestParser
from localstack.services.apigateway.next_gen.execute_api.router import ApiGatewayEndpoint
from rolo.gateway import Gateway
from rolo.serving.twisted import TwistedGateway

from localstack_process_runtime.loopback import listen
from localstack_process_runtime.settings import Settings, get_settings

if TYPE_CHECKING:
    from localstack.services.apigateway.next_gen.execute_api.context import InvocationRequest, RestApiInvocationContext
    from rolo.gateway import RequestContext
    from werkzeug import Request

LOG = logging.getLogger(__name__)


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
        raw = context.request.environ.get("RAW_URI") or context.request.path
        path = "/" + raw.partition("?")[0].lstrip("/")
        invocation_request["path"] = invocation_request["raw_path"] = path

    @staticmethod
    def create_context_variables(context: RestApiInvocationContext) -> Any:
        variables = InvocationRequestParser.create_context_variables(context)
        variables["path"] = context.invocation_request["raw_path"]
        return variables


class EdgeGateway(RestApiGateway):  # type: ignore[misc] # LocalStack is untyped here
    def __init__(self) -> None:
        super().__init__()
        self.request_handlers[0] = RootMappedParser()


class Edge(Gateway):  # type: ignore[misc] # rolo is untyped here
    """Takes every request for the one deployed API."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._endpoint = ApiGatewayEndpoint(rest_gateway=EdgeGateway())
        self.request_handlers.append(self._handle)

    def _handle(self, chain: Any, context: RequestContext, response: Response) -> None:
        response.update_from(self._answer(context.request))
        chain.stop()

    def _answer(self, request: Request) -> Response:
        found = deployed_stage(self._settings.edge_api_name, self._settings.edge_stage)
        if found is None:
            wanted = f"an API named {self._settings.edge_api_name}" if self._settings.edge_api_name else "an API"
            return _unavailable(f"nothing is deployed yet: {wanted} with a stage is awaited")
        context, response = self._endpoint.prepare_rest_api_invocation(request, *found)
        self._endpoint.rest_gateway.process_with_context(context, response)
        return response


def deployed_stage(api_name: str, stage_name: str) -> tuple[str, str] | None:
    """The id and stage of the API deployed last, of those with this name when one is given.

    SAM's translation for Swagger 2.0 makes an additional stage named `Stage`, which is nobody's choice.
    """
    store = apigateway_stores[DEFAULT_AWS_ACCOUNT_ID][AWS_REGION_US_EAST_1]
    for api_id, stages in reversed(store.active_deployments.copy().items()):
        deployments = store.internal_deployments.get(api_id, {})
        candidates = [stage for stage, deployment in stages.copy().items() if deployment in deployments]
        if stage_name:
            candidates = [stage for stage in candidates if stage == stage_name]
        if not candidates:
            continue
        named = deployments[stages[candidates[-1]]].rest_api.rest_api.get("name")
        if api_name in ("", named):
            chosen = [stage for stage in candidates if stage != "Stage"] or candidates
            return api_id, chosen[-1]
    return None


def _unavailable(detail: str) -> Response:
    problem = {"type": "about:blank", "title": "Service Unavailable", "status": 503, "code": "not_deployed", "detail": detail}
    headers = {"Content-Type": "application/problem+json", "Retry-After": "1"}
    return Response(response=json.dumps(problem), status=503, headers=headers)


def start() -> None:
    """Listen on EDGE_LISTEN, when it is set."""
    settings = get_settings()
    if settings.edge_listen is not None:
        address = settings.edge_listen
        listen(TwistedGateway(Edge(settings)), address.host, address.port)
        LOG.info("edge on http://%s:%d", address.host, address.port)
