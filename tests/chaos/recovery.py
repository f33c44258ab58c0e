"""How long nobody can buy: from a fault to the first order, begun after it, that is confirmed."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx

from tests.chaos.plan import FIRST_PROBE, tag_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.api_client import ApiClient

_LOOK_AGAIN = 0.02
# A request that hangs is given up and made anew, as a person would.
_PATIENCE = 3.0


class NotRecoveredError(Exception):
    """No order was confirmed within the time a run waits for one."""


class Probe:
    """A customer who orders one piece of a product there is plenty of, over and over, until one order is confirmed."""

    def __init__(self, base_url: str, api: ApiClient, customer_id: int, product_id: int) -> None:
        self._api = api
        self._customer_id = customer_id
        self._product_id = product_id
        self._number = FIRST_PROBE
        self._http = httpx.Client(base_url=base_url, timeout=_PATIENCE, trust_env=False)
        # Number of each order that was tried -> its id, once there was an answer.
        self.tried: dict[int, int | None] = {}

    def measure(self, since: float, patience: float) -> float:
        """Seconds from `since` (of time.monotonic) to a confirmed order. Raises NotRecoveredError."""
        deadline = time.monotonic() + patience
        number, key = self._number, uuid.uuid4().hex
        self._number += 1
        self.tried[number] = None
        body = {"customer_id": self._customer_id, "product_id": self._product_id, "quantity": 1, "unit_price": tag_of(number)}
        made = self._until(lambda: self._ask("POST", "/api/orders", 201, json=body, headers={"Idempotency-Key": key}), deadline)
        self.tried[number] = made["id"]

        def confirmed() -> dict[str, Any] | None:
            order = self._ask("GET", f"/api/orders/{made['id']}", 200)
            return order if order is not None and order["status"] == "confirmed" else None

        self._until(confirmed, deadline)
        return time.monotonic() - since

    def close(self) -> None:
        """End its connections."""
        self._http.close()

    def _ask(self, method: str, path: str, wanted: int, *, headers: dict[str, str] | None = None, **options: Any) -> dict[str, Any] | None:
        try:
            signed = {"Authorization": f"Bearer {self._api.token}"} | (headers or {})
            answer = self._http.request(method, path, headers=signed, **options)
        except httpx.TransportError:
            return None
        if answer.status_code == 401:
            self._api.sign_in()
        return answer.json() if answer.status_code == wanted else None

    def _until(self, look: Callable[[], dict[str, Any] | None], deadline: float) -> dict[str, Any]:
        while (seen := look()) is None:
            if time.monotonic() > deadline:
                raise NotRecoveredError("no order was confirmed")
            time.sleep(_LOOK_AGAIN)
        return seen
