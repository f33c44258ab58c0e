"""What LocalStack 4.13.1 loses when it imports an OpenAPI document, as CloudFormation and SAM have it do for every API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localstack.services.apigateway.helpers import import_api_from_openapi_spec
from localstack.services.apigateway.legacy import provider
from localstack.services.apigateway.models import apigateway_stores
from localstack.services.apigateway.next_gen.execute_api.gateway_response import DEFAULT_GATEWAY_RESPONSES, build_gateway_response

if TYPE_CHECKING:
    from localstack.aws.api import RequestContext

GATEWAY_RESPONSES = "x-amazon-apigateway-gateway-responses"


def import_with_gateway_responses(rest_api: Any, context: RequestContext, open_api_spec: dict[str, Any], mode: str) -> Any:
    """LocalStack's import, and the document's gateway responses; overwriting also drops the authorizers and validators of before."""
    container = apigateway_stores[context.account_id][context.region].rest_apis[rest_api.id]
    if mode == "overwrite":
        for kept in (container.authorizers, container.validators, container.gateway_responses):
            kept.clear()
    imported = import_api_from_openapi_spec(rest_api, context=context, open_api_spec=open_api_spec, mode=mode)
    for response_type, definition in (open_api_spec.get(GATEWAY_RESPONSES) or {}).items():
        if response_type in DEFAULT_GATEWAY_RESPONSES:
            status = definition.get("statusCode")
            container.gateway_responses[response_type] = build_gateway_response(
                response_type=response_type,
                status_code=str(status) if status else None,
                response_parameters=definition.get("responseParameters"),
                response_templates=definition.get("responseTemplates"),
                default_response=False,
            )
    return imported


def install() -> None:
    provider.import_api_from_openapi_spec = import_with_gateway_responses
