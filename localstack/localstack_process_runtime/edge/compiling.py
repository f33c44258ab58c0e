"""A deployed stage as tables: what of an answer does not depend on the request is worked out once per deployment and setting."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from localstack.constants import AWS_REGION_US_EAST_1, DEFAULT_AWS_ACCOUNT_ID
from localstack.services.apigateway.models import apigateway_stores
from localstack.services.apigateway.next_gen.execute_api.helpers import (
    get_lambda_function_arn_from_invocation_uri,
    render_integration_uri,
)
from localstack.services.apigateway.next_gen.execute_api.moto_helpers import get_stage_configuration

from localstack_process_runtime.edge.routing import Router
from localstack_process_runtime.gateway.authorizers import time_to_live
from localstack_process_runtime.gateway.lambda_integration import DEFAULT_TIMEOUT_MS
from localstack_process_runtime.gateway.throttling import method_limit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localstack.services.apigateway.models import RestApiDeployment

    from localstack_process_runtime.edge.http import Header

LOG = logging.getLogger(__name__)


@dataclass(slots=True, frozen=True)
class Constant:
    """An answer that is the same for every request."""

    status: int
    headers: tuple[Header, ...]
    body: bytes


@dataclass(slots=True, eq=False)
class Route:
    """A method of a resource."""

    resource: dict[str, Any]
    method: dict[str, Any]
    integration: dict[str, Any]
    of_any_method: bool
    limit: tuple[float, float] | None
    """Rate and burst; of ANY each method has its own."""
    function_arn: str | None
    """None where something else than a Lambda proxy answers: LocalStack's gateway then does."""
    timeout_seconds: float
    authorizer: dict[str, Any] | None
    authorizer_arn: str
    seconds_granted: int
    """For how long the authorizer's answers are kept."""
    token_header: str | None
    """In lower case, the header that alone identifies the caller to a TOKEN authorizer."""
    validates: bool
    is_constant: bool
    constants: dict[str, Constant] = field(default_factory=dict)
    """By what the client accepts, once it was asked for."""


@dataclass(slots=True, eq=False)
class CompiledApi:
    """One stage of one API, as it was deployed and set."""

    api_id: str
    stage: str
    deployment_id: str
    deployment: RestApiDeployment
    stage_configuration: dict[str, Any]
    stage_variables: dict[str, str] | None
    canary: bool
    binary_media_types: list[str]
    compressed_from: int | None
    """Bytes from which on answers are compressed for clients that take it; None is never."""
    router: Router[Route] = field(default_factory=Router)


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


def stages_of(api_id: str) -> Mapping[str, str]:
    """The id of what is deployed at each stage: LocalStack's own table, which changes with every deployment."""
    found: Mapping[str, str] = apigateway_stores[DEFAULT_AWS_ACCOUNT_ID][AWS_REGION_US_EAST_1].active_deployments.get(api_id, {})
    return found


def configuration_of(api_id: str, stage: str) -> dict[str, Any]:
    """The stage's settings and variables as they are now."""
    found: dict[str, Any] = get_stage_configuration(
        account_id=DEFAULT_AWS_ACCOUNT_ID, region=AWS_REGION_US_EAST_1, api_id=api_id, stage_name=stage
    )
    return found


def compile_api(api_id: str, stage: str) -> CompiledApi:
    """Raises KeyError when it went meanwhile."""
    store = apigateway_stores[DEFAULT_AWS_ACCOUNT_ID][AWS_REGION_US_EAST_1]
    deployment_id = store.active_deployments[api_id][stage]
    deployment = store.internal_deployments[api_id][deployment_id]
    configuration = configuration_of(api_id, stage)
    api = CompiledApi(
        api_id=api_id,
        stage=stage,
        deployment_id=deployment_id,
        deployment=deployment,
        stage_configuration=configuration,
        stage_variables=configuration.get("variables") or None,
        canary=bool(configuration.get("canarySettings")),
        binary_media_types=deployment.rest_api.rest_api.get("binaryMediaTypes") or [],
        compressed_from=deployment.rest_api.rest_api.get("minimumCompressionSize"),
    )
    for resource in deployment.rest_api.resources.values():
        for name, method in resource.get("resourceMethods", {}).items():
            route = _route(api, resource, name, method)
            if route is not None:
                api.router.add(resource["path"], name, route)
    return api


def _route(api: CompiledApi, resource: dict[str, Any], name: str, method: dict[str, Any]) -> Route | None:
    integration = method.get("methodIntegration")
    if not integration:  # LocalStack's router knows it, and fails on it
        integration = {"type": "MOCK"}
    authorizer = None
    if method.get("authorizationType") == "CUSTOM":
        authorizer = api.deployment.rest_api.authorizers.get(method.get("authorizerId"))
    settings = api.stage_configuration.get("methodSettings") or {}
    return Route(
        resource=resource,
        method=method,
        integration=integration,
        of_any_method=name == "ANY",
        limit=method_limit(settings, resource["path"], name) if settings and name != "ANY" else None,
        function_arn=_function(api, method, integration),
        timeout_seconds=int(integration.get("timeoutInMillis") or DEFAULT_TIMEOUT_MS) / 1000,
        authorizer=authorizer,
        authorizer_arn=_arn_in(authorizer["authorizerUri"]) if authorizer else "",
        seconds_granted=time_to_live(authorizer) if authorizer else 0,
        token_header=_token_header(authorizer),
        validates=bool((method.get("requestValidatorId") or "").strip()),
        is_constant=_is_constant(method, integration),
    )


def _function(api: CompiledApi, method: dict[str, Any], integration: dict[str, Any]) -> str | None:
    """The function's ARN where this data plane can do all that the method asks for."""
    simple = integration.get("type") == "AWS_PROXY" and integration.get("httpMethod") == "POST" and not integration.get("requestParameters")
    known = method.get("authorizationType", "NONE") in {"NONE", "CUSTOM"} and not method.get("apiKeyRequired")
    if not simple or not known or api.canary:
        return None
    uri = render_integration_uri(integration.get("uri"), {}, api.stage_variables)
    return _arn_in(uri) if "functions/" in uri else None


def _arn_in(uri: str) -> str:
    return str(get_lambda_function_arn_from_invocation_uri(uri))


def _token_header(authorizer: dict[str, Any] | None) -> str | None:
    if authorizer is None or authorizer.get("type") != "TOKEN":
        return None
    source = (authorizer.get("identitySource") or "").strip()
    name: str = source.removeprefix("method.request.header.")
    return name.lower() if name != source and "," not in name else None


def _is_constant(method: dict[str, Any], integration: dict[str, Any]) -> bool:
    """Whether nothing in the answer comes from the request, as with the mocks that SAM makes for CORS."""
    if integration.get("type") != "MOCK" or method.get("authorizationType", "NONE") != "NONE" or method.get("apiKeyRequired"):
        return False
    if (method.get("requestValidatorId") or "").strip() or integration.get("requestParameters"):
        return False
    responses = integration.get("integrationResponses") or {}
    templates = [*(integration.get("requestTemplates") or {}).values()]
    for response in responses.values():
        templates += (response.get("responseTemplates") or {}).values()
        parameters = (response.get("responseParameters") or {}).values()
        if not all(str(value).startswith("'") and str(value).endswith("'") for value in parameters):
            return False
    return not any(mark in str(template) for template in templates for mark in "$#")
