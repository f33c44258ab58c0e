"""A request of more than 10 MB is refused, as on AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localstack.services.apigateway.next_gen.execute_api.api import RestApiGatewayHandler
from localstack.services.apigateway.next_gen.execute_api.gateway_response import RequestTooLargeError

if TYPE_CHECKING:
    from localstack.services.apigateway.next_gen.execute_api.context import RestApiInvocationContext

LIMIT_BYTES = 10_485_760  # https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html


class RequestLimitHandler(RestApiGatewayHandler):  # type: ignore[misc] # LocalStack is untyped here
    def __call__(self, chain: object, context: RestApiInvocationContext, response: object) -> None:  # noqa: ARG002 (LocalStack's signature)
        if len(context.invocation_request["body"]) > LIMIT_BYTES:
            raise RequestTooLargeError(f"HTTP content length exceeded {LIMIT_BYTES} bytes.")
