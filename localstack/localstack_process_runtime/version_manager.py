"""Where LocalStack's Lambda service meets the pool.

LocalStack's own chain is version manager -> assignment service -> execution environment -> runtime executor: threads, timers and locks
that start one environment per concurrent invocation, without bound or queue, and that hold the log in the answer's way. The runtime
executor, its official plugin point, sits below all that. The version manager sits above: one object per function revision, with
`start`, `stop` and `invoke`. Replacing it leaves functions, versions, aliases, state, retries and destinations to LocalStack and everything
about environments to the pool.
"""

from __future__ import annotations

import base64
import binascii
import logging
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

from localstack.aws.api.lambda_ import ProvisionedConcurrencyStatusEnum, State, StateReasonCode, TooManyRequestsException
from localstack.services.lambda_.invocation.lambda_models import (
    InvocationResult,
    ProvisionedConcurrencyState,
    RequestEntityTooLargeException,
    VersionState,
)
from localstack.services.lambda_.invocation.version_manager import LambdaVersionManager

from lambda_environments import FunctionSpec, Invocation, PoolSaturatedError
from localstack import config
from localstack_process_runtime.runtime import get_runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from localstack.services.lambda_.invocation.lambda_models import Invocation as LocalStackInvocation

LOG = logging.getLogger(__name__)
REQUEST_LIMIT_BYTES = 6_291_456


class PooledVersionManager(LambdaVersionManager):  # type: ignore[misc] # LocalStack is untyped here
    """One revision of a function, run by the pool."""

    _deployed: FunctionSpec | None = None

    @property
    def spec(self) -> FunctionSpec:
        """What runs now: what was deployed, or what somebody is working on."""
        assert self._deployed is not None
        return get_runtime().hot_reload.current(self._deployed)

    def start(self) -> VersionState:
        try:
            self._deployed = get_runtime().specify(self.function_version, f"{self.function_arn}@{self.id}")
            self.state = VersionState(state=State.Active)
        except Exception as error:
            LOG.exception("could not prepare %s", self.function_arn)
            self.state = VersionState(
                state=State.Failed, code=StateReasonCode.InternalError, reason=f"Error while creating lambda: {error}"
            )
        return self.state

    def stop(self) -> None:
        """A revision that is replaced or deleted; an invocation already on its way here still runs, on this revision's code."""
        self.state = VersionState(state=State.Inactive, code=StateReasonCode.Idle, reason="Shutting down")
        self.shutdown_event.set()
        if self._deployed is not None:
            get_runtime().hot_reload.forget(self._deployed)
            get_runtime().pool.retire(self._deployed.identity)

    def update_provisioned_concurrency_config(self, provisioned_concurrent_executions: int) -> Future[None]:
        """Accepted at once: the pool keeps environments warm, but starts none before they are needed."""
        with self.provisioned_state_lock:
            count = provisioned_concurrent_executions
            ready = ProvisionedConcurrencyStatusEnum.READY
            self.provisioned_state = ProvisionedConcurrencyState(allocated=count, available=count, status=ready) if count else None
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def lease(self) -> Callable[[], None]:
        """Take the right to run one more; gives what gives it back. Raises TooManyRequestsException beyond the function's concurrency."""
        function, version = self.function, self.function_version.id
        tracker = self.counting_service.on_demand_concurrency_trackers.get((version.account, version.region))
        reserved = function.reserved_concurrent_executions is not None or function.provisioned_concurrency_configs
        if tracker is not None and not reserved:
            with tracker.lock:
                # As many as no setting can take away from functions without one: no need to add up what all the others have.
                if sum(tracker.concurrent_executions.values()) < config.LAMBDA_LIMITS_MINIMUM_UNRESERVED_CONCURRENCY:
                    scope = version.unqualified_arn()
                    tracker.increment(scope)
                    return partial(tracker.atomic_decrement, scope)
        lease = self.counting_service.get_invocation_lease(function, self.function_version)
        lease.__enter__()
        return partial(lease.__exit__, None, None, None)

    def invoke(self, *, invocation: LocalStackInvocation) -> InvocationResult:
        return self.run(invocation)

    def run(self, invocation: LocalStackInvocation, timeout_seconds: float | None = None) -> InvocationResult:
        """Raises TimeoutError when `timeout_seconds` pass first; the function then runs on, and nobody waits."""
        if len(invocation.payload) > REQUEST_LIMIT_BYTES:
            size = f"{len(invocation.payload)} byte payload is too large"
            raise RequestEntityTooLargeException(f"{size} for the RequestResponse invocation type (limit {REQUEST_LIMIT_BYTES} bytes)")
        give_back = self.lease()
        try:
            spec = self.spec
            patience = None if spec.debugger else timeout_seconds
            result = get_runtime().pool.invoke(spec, _for_pool(invocation), patience)
        except PoolSaturatedError as error:
            raise too_many(error) from error
        finally:
            give_back()
        return InvocationResult(
            request_id=result.request_id,
            payload=result.payload,
            is_error=result.function_error is not None,
            logs="".join(result.log_lines),
            executed_version=self.function_version.id.qualifier,
        )


def too_many(error: PoolSaturatedError) -> TooManyRequestsException:
    """What Lambda says when the pool has no place."""
    return TooManyRequestsException(str(error), Reason="ConcurrentInvocationLimitExceeded", Type="User")


def _for_pool(invocation: LocalStackInvocation) -> Invocation:
    trace = (invocation.trace_context or {}).get("aws_trace_header")
    return Invocation(
        payload=invocation.payload,
        request_id=invocation.request_id,
        invoked_arn=invocation.invoked_arn,
        trace_id=trace.to_header_str() if trace else "",
        client_context=_decoded(invocation.client_context),
    )


def _decoded(client_context: str | None) -> str:
    """The API takes it in base64, the runtime hands it over as JSON."""
    try:
        return base64.b64decode(client_context or "", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
