"""Asynchronous invocations, with LocalStack's queue, retries and destinations, for the functions that get any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localstack.services.lambda_.invocation.event_manager import LambdaEventManager

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.lambda_models import Invocation


class EventManagerOnDemand(LambdaEventManager):  # type: ignore[misc] # LocalStack is untyped here
    """LocalStack makes an SQS queue and a polling thread for every function; here the first event does.

    The queue outlives a revision, and so may hold retries for the next one: a function that has had an event keeps its poller.
    """

    _functions_with_events: set[str] = set()  # noqa: RUF012 (of all instances)

    def start(self) -> None:
        if self._function() in self._functions_with_events:
            super().start()

    def enqueue_event(self, invocation: Invocation) -> None:
        with self.lifecycle_lock:
            if self.poller is None:
                self._functions_with_events.add(self._function())
                super().start()
        super().enqueue_event(invocation)

    def _function(self) -> str:
        return f"{self.version_manager.function_arn}-{self.version_manager.function.instance_id}"
