"""Functions' logs on their way to CloudWatch Logs: in batches, in the background, never in an answer's way."""

from __future__ import annotations

import logging
import queue
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lambda_environments import LogBatch, LogEvent

LOG = logging.getLogger(__name__)
BATCH_EVENTS = 10_000  # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
BATCH_BYTES = 1_000_000

Stream = tuple[str, str, str, str]
"""Account, region, log group, log stream."""


class LogWriter:
    """Takes batches from any thread at the cost of a queue's put; `close` writes what is left."""

    def __init__(self, flush_seconds: float) -> None:
        self._flush_seconds = flush_seconds
        self._queue: queue.SimpleQueue[LogBatch] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._known: set[Stream] = set()
        self._thread = threading.Thread(target=self._run, name="process-runtime-logs", daemon=True)
        self._thread.start()

    def put(self, batch: LogBatch) -> None:
        self._queue.put(batch)

    def close(self) -> None:
        self._closing.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._closing.wait(self._flush_seconds):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        streams: dict[Stream, list[LogEvent]] = defaultdict(list)
        while True:
            try:
                batch = self._queue.get_nowait()
            except queue.Empty:
                break
            streams[(batch.spec.account, batch.spec.region, batch.spec.log_group, batch.stream)] += batch.events
        for stream, events in streams.items():
            try:
                self._write(stream, events)
            except Exception:  # a log that cannot be written must not end the writing of the others
                LOG.exception("could not write %d log events to %s", len(events), stream)

    def _write(self, stream: Stream, events: list[LogEvent]) -> None:
        from localstack.aws.connect import connect_to  # noqa: PLC0415 (LocalStack's modules load when it runs)

        account, region, group, name = stream
        logs = connect_to(aws_access_key_id=account, region_name=region).logs
        if stream not in self._known:
            self._create(logs, group, name)
            self._known.add(stream)
        for batch in _batches(events):
            try:
                logs.put_log_events(logGroupName=group, logStreamName=name, logEvents=batch)
            except logs.exceptions.ResourceNotFoundException:  # deleted meanwhile
                self._create(logs, group, name)
                logs.put_log_events(logGroupName=group, logStreamName=name, logEvents=batch)

    @staticmethod
    def _create(logs: Any, group: str, name: str) -> None:
        for create, arguments in (
            (logs.create_log_group, {"logGroupName": group}),
            (logs.create_log_stream, {"logGroupName": group, "logStreamName": name}),
        ):
            try:
                create(**arguments)
            except logs.exceptions.ResourceAlreadyExistsException:
                LOG.debug("%s exists", arguments)


def _batches(events: list[LogEvent]) -> list[list[dict[str, Any]]]:
    batches: list[list[dict[str, Any]]] = [[]]
    size = 0
    for event in events:
        if not event.message.strip():  # CloudWatch Logs refuses empty messages
            continue
        cost = len(event.message.encode()) + 26
        if len(batches[-1]) >= BATCH_EVENTS or size + cost > BATCH_BYTES:
            batches.append([])
            size = 0
        batches[-1].append({"timestamp": event.timestamp_ms, "message": event.message})
        size += cost
    return [batch for batch in batches if batch]
