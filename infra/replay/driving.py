"""Each line as a request: sales as orders, returns as changes of stock."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from common.fields import as_json_number
from infra.api_client import Answer, ApiClient, GaveUpError, work_through
from infra.replay.lines import Line, Reported

if TYPE_CHECKING:
    from infra.progress import Progress
    from infra.replay.catalogue import Catalogue
    from infra.replay.run import Run


@dataclass
class Driven:
    """What became of the lines that were driven: each is in exactly one of `orders`, `returns` and `reported`."""

    orders: dict[int, int] = field(default_factory=dict)
    """Line number -> order id."""
    returns: set[int] = field(default_factory=set)
    reported: list[Reported] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    """Seconds of each POST /api/orders, from its first attempt to its answer."""
    answered_before: int = 0
    seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, line: Line, answer: Answer) -> None:
        """The gateway's answer to a line."""
        with self._lock:
            self.answered_before += answer.replayed
            if not line.is_return:
                self.latencies.append(answer.seconds)
            if answer.status >= 400:
                code = answer.document.get("code", answer.status)
                self.reported.append(
                    Reported(line.number, "refused", f"{answer.status} {code}: {answer.document.get('detail', '')}", _text(line))
                )
            elif line.is_return:
                self.returns.add(line.number)
            else:
                self.orders[line.number] = answer.document["id"]

    def note_unanswered(self, line: Line, reason: str) -> None:
        """A line that was given up on: whether it was applied is not known; resuming the run would tell."""
        with self._lock:
            self.reported.append(Reported(line.number, "unanswered", reason, _text(line)))


def drive(
    client: ApiClient, run: Run, lines: list[Line], catalogue: Catalogue, storages: dict[str, int], progress: Progress, at_once: int
) -> Driven:
    """Send every line, `at_once` at a time."""
    driven = Driven()
    progress.begin("lines", len(lines))

    def send(line: Line) -> None:
        try:
            answer = _give_back(client, run, line, storages) if line.is_return else _order(client, run, line, catalogue)
            driven.note(line, answer)
        except GaveUpError as error:
            driven.note_unanswered(line, str(error))
        progress.advance()

    began = time.monotonic()
    work_through(lines, send, at_once=at_once)
    driven.seconds = time.monotonic() - began
    return driven


def _order(client: ApiClient, run: Run, line: Line, catalogue: Catalogue) -> Answer:
    document = {
        "customer_id": catalogue.customers[line.customer_id],
        "product_id": catalogue.products[line.stock_code],
        "quantity": as_json_number(line.quantity),
        "unit_price": as_json_number(line.unit_price),
    }
    return client.call("POST", "/api/orders", document, key=run.key(f"line {line.number}"))


def _give_back(client: ApiClient, run: Run, line: Line, storages: dict[str, int]) -> Answer:
    document = {
        "delta": as_json_number(-line.quantity),
        "reason": "return",
        "reference": f"invoice {line.invoice_no} line {line.number}",
    }
    return client.call("PUT", f"/api/inventory/{storages[line.stock_code]}", document, key=run.key(f"line {line.number}"))


def _text(line: Line) -> str:
    return f"{line.invoice_no},{line.stock_code},{line.description},{line.quantity},{line.unit_price}"
