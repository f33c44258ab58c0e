"""The first request of each service, so that a user's first one finds caches loaded and environments started."""

from __future__ import annotations

import concurrent.futures
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx

from common.topology import CONSUMERS, consumer_function

PLURALS = ("auth", "suppliers", "customers", "products", "inventory", "procurements", "orders")
WITHIN = 60.0
NOT_DEPLOYED = "not_deployed"
"""What the edge says of itself."""


@dataclass(frozen=True)
class Answer:
    """What GET /api/<plural>/health answered."""

    plural: str
    status: int
    """0 when nothing answered."""
    milliseconds: float
    detail: str = ""

    @property
    def serves(self) -> bool:
        """An unwell service (503) serves and says so; a missing route, a crash or a gateway that has nothing deployed does not."""
        return self.status in {200, 503} and not self.not_deployed

    @property
    def not_deployed(self) -> bool:
        """The gateway knows of no deployment."""
        return self.status == 503 and NOT_DEPLOYED in self.detail

    def __str__(self) -> str:
        what = f"{self.status}" if self.status else "no answer"
        return f"{self.plural}: {what} in {self.milliseconds:.0f} ms{'' if self.serves else ' ' + self.detail}"


def warm_up(gateway_url: str) -> list[Answer]:
    """Ask every service at once for its health."""
    with concurrent.futures.ThreadPoolExecutor(len(PLURALS)) as pool:
        return list(pool.map(lambda plural: _ask(gateway_url, plural), PLURALS))


def warm_up_consumers(functions: Any, stack_name: str) -> None:
    """Have every consumer function started, by a batch of no events; a user's first order then waits for none of them."""

    def start(consumer: str) -> None:
        functions.invoke(FunctionName=consumer_function(stack_name, consumer), Payload=json.dumps({"events": []}))

    with concurrent.futures.ThreadPoolExecutor(len(CONSUMERS)) as pool:
        list(pool.map(start, CONSUMERS))


def _ask(gateway_url: str, plural: str) -> Answer:
    url = f"{gateway_url}/api/{plural}/health"
    started = time.monotonic()
    while True:
        try:
            answer = httpx.get(url, timeout=WITHIN)
            milliseconds = (time.monotonic() - started) * 1000
            return Answer(plural, answer.status_code, milliseconds, answer.text[:300])
        except httpx.ConnectError as error:
            # The edge may open its port a moment after the deployment.
            if time.monotonic() - started > 5:
                return Answer(plural, 0, (time.monotonic() - started) * 1000, f"{url}: {error}")
            time.sleep(0.1)
        except httpx.HTTPError as error:
            return Answer(plural, 0, (time.monotonic() - started) * 1000, f"{url}: {error!r}")
