"""People at work: buying, selling and looking, all the time, from several threads, with a record of every answer."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import httpx

from tests.e2e.client import Clerk, eventually

if TYPE_CHECKING:
    from types import TracebackType


@dataclass
class Traffic:
    """Runs for as long as a `with` block lasts. Nothing is tried again: what a client would see is seen here."""

    base_url: str
    threads: int = 4
    orders: dict[int, float] = field(default_factory=dict)
    """The orders answered 201, each with the moment (time.monotonic) of the answer."""
    answers: int = 0
    failures: list[str] = field(default_factory=list)
    """Requests that were not answered as they should be."""

    def __enter__(self) -> Self:
        self.clerk = Clerk(self.base_url)
        self.customer, self.product = self.clerk.customer(), self.clerk.stocked_product(100_000)
        self._ending = threading.Event()
        self._crew = [threading.Thread(target=self._work, args=(number,), daemon=True) for number in range(self.threads)]
        for worker in self._crew:
            worker.start()
        self.goes_on()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ending.set()
        for worker in self._crew:
            worker.join(60)

    def goes_on(self, more: int = 10) -> None:
        """Return once so many more orders are answered."""
        wanted = len(self.orders) + more
        eventually(lambda: len(self.orders) >= wanted, seconds=60, what=f"{more} more orders")

    def answered_before(self, moment: float) -> set[int]:
        """The orders whose answer had come by then."""
        return {order for order, answered in self.orders.copy().items() if answered < moment}

    def _work(self, number: int) -> None:
        with httpx.Client(base_url=self.base_url, headers=dict(self.clerk.http.headers), timeout=60) as http:
            turn = number
            while not self._ending.is_set():
                turn += 1
                try:
                    self._step(http, turn)
                except httpx.HTTPError as error:
                    self.failures.append(f"{error.request.method} {error.request.url.path}: {error!r}")
                    self._ending.wait(0.05)
                self.answers += 1

    def _step(self, http: httpx.Client, turn: int) -> None:
        deal = {"product_id": self.product["id"], "quantity": 1}
        if turn % 4 == 0:
            answer = http.get("/api/orders", params={"sort": "-id", "limit": 5})
        elif turn % 4 == 1:
            answer = http.post("/api/procurements", json={**deal, "supplier_id": self.product["supplier_id"]})
        else:
            answer = http.post("/api/orders", json={**deal, "customer_id": self.customer["id"]})
            if answer.status_code == 201:
                self.orders[answer.json()["id"]] = time.monotonic()
        if answer.status_code not in {200, 201}:
            self.failures.append(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:300]}")
