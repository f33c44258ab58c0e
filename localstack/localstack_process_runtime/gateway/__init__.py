"""What LocalStack's REST gateway stores but does not enforce, and the edge in front of it."""

from __future__ import annotations


def install() -> None:
    """Put our handlers into LocalStack's chain, before its gateway is made; then open the edge."""
    from localstack.services.apigateway.next_gen.execute_api import handlers  # noqa: PLC0415 (LocalStack's modules load when it runs)
    from localstack.services.apigateway.next_gen.execute_api.integrations import REST_API_INTEGRATIONS  # noqa: PLC0415

    from localstack_process_runtime import edge  # noqa: PLC0415
    from localstack_process_runtime.gateway import cloudformation, openapi  # noqa: PLC0415
    from localstack_process_runtime.gateway.authorizer_cache import GrantCache  # noqa: PLC0415
    from localstack_process_runtime.gateway.authorizers import AuthorizerHandler  # noqa: PLC0415
    from localstack_process_runtime.gateway.gateway_responses import GatewayResponseHandler  # noqa: PLC0415
    from localstack_process_runtime.gateway.lambda_integration import InProcessProxyIntegration  # noqa: PLC0415
    from localstack_process_runtime.gateway.request_limit import RequestLimitHandler  # noqa: PLC0415
    from localstack_process_runtime.gateway.throttling import ApiKeyHandler, ThrottleHandler, TokenBuckets  # noqa: PLC0415

    grants, buckets = GrantCache(), TokenBuckets()
    handlers.modify_request.append(RequestLimitHandler())
    handlers.preprocess_request.append(ThrottleHandler(buckets))
    handlers.preprocess_request.append(AuthorizerHandler(grants))
    handlers.api_key_validation_handler = ApiKeyHandler()
    handlers.gateway_exception_handler = GatewayResponseHandler()
    REST_API_INTEGRATIONS["AWS_PROXY"] = InProcessProxyIntegration()
    openapi.install()
    cloudformation.install()
    edge.start(grants, buckets)
