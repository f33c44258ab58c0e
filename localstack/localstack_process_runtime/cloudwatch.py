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
BATCH_EVENTS = 200
"""The API takes 10,000, but whoever writes them holds the interpreter meanwhile."""
BATCH_BYTES = 1_000_000  # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
REST_SECONDS = 0.001
KEPT_EVENTS = 20_000
"""Of all functions together: LocalStack keeps them in memory, nearly 1 kB each, and would for ever."""
STREAM_COUNTS_FOR = 50
"""Events, as it is something itself; every environment has one of its own."""

Stream = tuple[str, str, str, str]
"""Account, region, log group, log stream."""


class LogWriter:
    """Takes batches from any thread at the cost of a queue's put; `close` writes what is left."""

    def __init__(self, flush_seconds: float) -> None:
        self._flush_seconds = flush_seconds
        self._queue: queue.SimpleQueue[LogBatch] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._groups: dict[tuple[str, str], set[str]] = defaultdict(set)  # by account and region: others' logs are theirs
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
        if streams:
            try:
                self._make_room()
            except Exception:  # nor must it
                LOG.exception("could not make room among the log events")

    def _write(self, stream: Stream, events: list[LogEvent]) -> None:
        from localstack.aws.connect import connect_to  # noqa: PLC0415 (LocalStack's modules load when it runs)
        from localstack.services.logs.models import get_moto_logs_backend  # noqa: PLC0415

        account, region, group, name = stream
        logs = connect_to(aws_access_key_id=account, region_name=region).logs
        backend = get_moto_logs_backend(account, region)
        if name not in _streams(backend, group):  # new, deleted meanwhile, or gone to make room
            self._create(logs, group, name)
        self._groups[account, region].add(group)
        for batch in _batches(events):
            if backend.filters.metric_filters:  # LocalStack's API looks at them
                logs.put_log_events(logGroupName=group, logStreamName=name, logEvents=batch)
            else:
                # By the API, each event would be written as JSON and read again under the lock of the interpreter that answers requests.
                _streams(backend, group)[name].put_log_events(batch)
            self._closing.wait(REST_SECONDS)

    def _make_room(self) -> None:
        from localstack.services.logs.models import get_moto_logs_backend  # noqa: PLC0415

        written = ((get_moto_logs_backend(*place), groups) for place, groups in self._groups.items())
        make_room([_streams(backend, group) for backend, groups in written for group in groups], KEPT_EVENTS)

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


def _streams(backend: Any, group: str) -> dict[str, Any]:
    found = backend.groups.get(group)
    return found.streams if found else {}


def make_room(groups: list[dict[str, Any]], kept: int) -> None:
    """Forget the oldest of the fullest groups until no more than `kept` events are left in all of them together.

    So a function that says little keeps what it said however much the others say. Of a group, the stream that was silent longest goes
    first; the stream of an environment that lives begins anew with its next line. `groups` are moto's: each its log streams by name.
    """
    sizes = [sum(map(_size, list(streams.values()))) for streams in groups]  # the API's threads make and delete streams meanwhile
    most = _water_level(sizes, kept)
    for streams, size in zip(groups, sizes, strict=True):
        excess = size - most
        for name, stream in sorted(streams.items(), key=_last_heard):
            if excess < _size(stream):
                del stream.events[: max(0, excess)]
                break
            excess -= _size(stream)
            streams.pop(name, None)


def _size(stream: Any) -> int:
    return STREAM_COUNTS_FOR + len(stream.events)


def _last_heard(item: tuple[str, Any]) -> int:
    _, stream = item
    heard: int = stream.last_ingestion_time or stream.creation_time
    return heard


def _water_level(sizes: list[int], capacity: int) -> int:
    """How much each may have at most, for all together to have no more than `capacity`."""
    left = capacity
    for rank, size in enumerate(sorted(sizes)):
        share = left // (len(sizes) - rank)
        if size > share:
            return share
        left -= size
    return capacity
