"""AWS_PROXY without LocalStack calling itself over HTTP: the event goes straight into the pool."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from localstack.aws.api import ServiceException
from localstack.services.apigateway.next_gen.execute_api.context import EndpointResponse
from localstack.services.apigateway.next_gen.execute_api.gateway_response import (
    IntegrationFailureError,
    IntegrationTimeoutError,
    InternalServerError,
    RequestTooLargeError,
)
from localstack.services.apigateway.next_gen.execute_api.helpers import (
    get_lambda_function_arn_from_invocation_uri,
    mime_type_matches_binary_media_types,
)
from localstack.services.apigateway.next_gen.execute_api.integrations.aws import RestApiAwsProxyIntegration
from werkzeug.datastructures import Headers

from localstack_process_runtime import functions
from localstack_process_runtime.version_manager import REQUEST_LIMIT_BYTES

if TYPE_CHECKING:
    from localstack.services.apigateway.next_gen.execute_api.context import RestApiInvocationContext

LOG = logging.getLogger(__name__)
DEFAULT_TIMEOUT_MS = 29_000
FAILED = "Internal server error"


class InProcessProxyIntegration(RestApiAwsProxyIntegration):  # type: ignore[misc] # LocalStack is untyped here
    """LocalStack's event and answer, our way in between; failures answer as AWS: 502 for the function's, 504 when it takes too long."""

    def invoke(self, context: RestApiInvocationContext) -> EndpointResponse:
        request = context.integration_request
        if request["http_method"] != "POST":
            LOG.warning("AWS_PROXY needs POST as its integration method")
            raise IntegrationFailureError(FAILED)
        event = json.dumps(self.create_lambda_input_event(context), separators=(",", ":")).encode()
        if len(event) > REQUEST_LIMIT_BYTES:
            raise RequestTooLargeError("Request Too Long")
        answer = self.parse_lambda_response(self._call(context, event))
        headers = Headers({"Content-Type": "application/json"})
        headers.update(self._merge_lambda_response_headers(answer))
        binary = mime_type_matches_binary_media_types(
            mime_type=context.invocation_request["headers"].get("Accept"),
            binary_media_types=context.deployment.rest_api.rest_api.get("binaryMediaTypes", []),
        )
        body = self._parse_body(body=answer.get("body"), is_base64_encoded=binary and answer.get("isBase64Encoded"))
        return EndpointResponse(headers=headers, body=body, status_code=int(answer.get("statusCode") or 200))

    @staticmethod
    def _call(context: RestApiInvocationContext, event: bytes) -> bytes:
        function_arn = get_lambda_function_arn_from_invocation_uri(context.integration_request["uri"])
        timeout = int(context.integration.get("timeoutInMillis") or DEFAULT_TIMEOUT_MS) / 1000
        try:
            result = functions.invoke(function_arn, event, context.trace_id, timeout)
        except TimeoutError as error:
            raise IntegrationTimeoutError("Endpoint request timed out") from error
        except functions.FunctionNotFoundError as error:
            LOG.warning("the integration of %s names no function: %s", context.resource["path"], error)
            raise InternalServerError(FAILED, status_code=500) from error
        except ServiceException as error:
            LOG.warning("%s could not be invoked: %s", function_arn, error)
            raise IntegrationFailureError(FAILED, status_code=502) from error
        if result.is_error:
            LOG.warning("%s failed: %s", function_arn, (result.payload or b"")[:2000].decode(errors="replace"))
            raise InternalServerError(FAILED, status_code=502)
        return result.payload or b""
