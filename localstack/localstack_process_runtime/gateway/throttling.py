"""Token buckets: the stage's method settings, and usage plans with their API keys.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from localstack.services.apigateway.next_gen.execute_api.api import RestApiGatewayHandler
from localstack.services.apigateway.next_gen.execute_api.gateway_response import QuotaExceededError, ThrottledError
from localstack.services.apigateway.next_gen.execute_api.handlers.api_key_validation import ApiKeyValidationHandler
from localstack.services.apigateway.next_gen.execute_api.moto_helpers import get_usage_plan_keys, get_usage_plans

if TYPE_CHECKING:
    from localstack.services.apigateway.next_gen.execute_api.context import RestApiInvocationContext

Scope = tuple[str, ...]


class TokenBucket:
    """`burst` tokens at first and at most, `rate` more each second."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate, self.burst = rate, burst
        self._tokens, self._at = burst, now

    def take(self, now: float) -> bool:
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class TokenBuckets:
    """One bucket per scope; a changed limit starts a new one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets: dict[Scope, TokenBucket] = {}

    def take(self, scope: Scope, rate: float, burst: float) -> bool:
        with self._lock:
            now = time.monotonic()
            bucket = self._buckets.get(scope)
            if bucket is None or (bucket.rate, bucket.burst) != (rate, burst):
                bucket = self._buckets[scope] = TokenBucket(rate, burst, now)
            return bucket.take(now)


def method_limit(settings: dict[str, dict[str, Any]], resource_path: str, http_method: str) -> tuple[float, float] | None:
    """Rate and burst for a method: its own setting, else that of all methods of its resource, else the stage's; None is unlimited."""
    named = {_setting_name(name): setting for name, setting in settings.items()}
    for name in ((resource_path, http_method), (resource_path, "*"), ("/*", "*"), ("*", "*")):
        setting = named.get(name)
        if setting and setting.get("throttlingRateLimit") is not None:
            rate = float(setting["throttlingRateLimit"])
            burst = float(setting.get("throttlingBurstLimit") or 0)
            if rate >= 0:
                return rate, burst
    return None


def _setting_name(name: str) -> tuple[str, str]:
    """`~1api~1products/GET`, `/~1api~1products/GET`, `api/products/GET` and `*/*` as a path and a method."""
    path, _, method = name.rpartition("/")
    return (path if path in ("*", "/*") else "/" + path.replace("~1", "/").lstrip("/")), method


class ThrottleHandler(RestApiGatewayHandler):  # type: ignore[misc] # LocalStack is untyped here
    """Per method and stage, before the authorizer: a flood must not become a flood of authorizer calls."""

    def __init__(self, buckets: TokenBuckets) -> None:
        self._buckets = buckets

    def __call__(self, chain: object, context: RestApiInvocationContext, response: object) -> None:  # noqa: ARG002 (LocalStack's signature)
        settings = (context.stage_configuration or {}).get("methodSettings")
        if not settings:
            return
        path, method = context.resource["path"], context.invocation_request["http_method"]
        limit = method_limit(settings, path, method)
        if limit and not self._buckets.take((context.api_id, context.stage, path, method), *limit):
            raise ThrottledError("Too Many Requests")


class ApiKeyHandler(ApiKeyValidationHandler):  # type: ignore[misc] # LocalStack is untyped here
    """LocalStack's check of the key, then the throttle and the quota of the key's usage plan."""

    def __init__(self) -> None:
        self._buckets = TokenBuckets()
        self._lock = threading.Lock()
        self._used: dict[Scope, int] = {}

    def __call__(self, chain: object, context: RestApiInvocationContext, response: object) -> None:
        super().__call__(chain, context, response)
        key_id = context.context_variables["identity"].get("apiKeyId")
        plan = _plan_of(key_id, context) if key_id else None
        if plan is None:
            return
        throttle, quota = plan.get("throttle") or {}, plan.get("quota") or {}
        scope = (plan["id"], str(key_id))
        if throttle.get("rateLimit") is not None:
            allowed = self._buckets.take(scope, float(throttle["rateLimit"]), float(throttle.get("burstLimit") or 0))
            if not allowed:
                raise ThrottledError("Too Many Requests")
        if quota.get("limit") and not self._count((*scope, _period(quota)), int(quota["limit"])):
            raise QuotaExceededError("Limit Exceeded")

    def _count(self, scope: Scope, limit: int) -> bool:
        with self._lock:
            self._used[scope] = self._used.get(scope, 0) + 1
            return self._used[scope] <= limit


def _plan_of(key_id: str, context: RestApiInvocationContext) -> dict[str, Any] | None:
    for plan in get_usage_plans(account_id=context.account_id, region_name=context.region):
        covers = any(stage.get("apiId") == context.api_id and stage.get("stage") == context.stage for stage in plan.get("apiStages", []))
        keys = get_usage_plan_keys(usage_plan_id=plan["id"], account_id=context.account_id, region_name=context.region)
        if covers and any(key["id"] == key_id for key in keys):
            return dict(plan)
    return None


def _period(quota: dict[str, Any]) -> str:
    today = datetime.now(UTC).date()
    match quota.get("period"):
        case "WEEK":
            return str(today - timedelta(days=today.weekday()))
        case "MONTH":
            return f"{today:%Y-%m}"
    return str(today)
