"""`RUN_DIR=.run python -m tests.bench.order_cost`: processor time of MariaDB and Redis for an order, until it is confirmed.

It asks the running system, which it gives an account, a product and orders. Other work of the machine changes little, other work of
the system much.
"""

from __future__ import annotations

import concurrent.futures
import os
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil

from infra.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

ORDERS = 1000
AT_ONCE = 4
WITHIN = 120.0


def main() -> int:
    """Print what an order costs."""
    stack = Stack.of(Path(os.environ.get("RUN_DIR", ".run")))
    if stack is None or not stack.state.supervised():
        sys.exit("The system is not running. Start it with: make up")
    servers = stack.state.read()["servers"]
    processes = {name: psutil.Process(servers[name]["pid"]) for name in ("mariadb", "redis")}

    def used() -> dict[str, float]:
        return {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}

    with httpx.Client(base_url=f"{stack.gateway_url}/api", timeout=60) as api:
        name = f"cost-{uuid.uuid4().hex[:12]}"
        who = {"username": name, "password": "long enough"}
        created(api, "/auth/register", who | {"email": f"{name}@example.com"})
        api.headers["Authorization"] = f"Bearer {created(api, '/auth/login', who)['token']}"
        where = {"name": name, "city": "Riga", "address": "Brivibas 1", "contact_person": "Ilze"}
        supplier, customer = created(api, "/suppliers", where), created(api, "/customers", where)
        wanted = {"product_code": name[:20], "name": name, "category": "cost", "price_buy": 1, "price_sell": 2, "measure_unit": "piece"}
        product = created(api, "/products", wanted | {"supplier_id": supplier["id"]})
        created(api, "/procurements", {"supplier_id": supplier["id"], "product_id": product["id"], "quantity": ORDERS})
        wait_until(lambda: api.get(f"/inventory/product/{product['id']}").json().get("quantity") == ORDERS)
        order = {"customer_id": customer["id"], "product_id": product["id"], "quantity": 1}
        before = used()
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as crowd:
            list(crowd.map(lambda _: created(api, "/orders", order), range(ORDERS)))
        # Asked rarely, as asking costs as well.
        wait_until(lambda: api.get("/orders", params={"status": "pending", "limit": 1}).json()["total"] == 0)
        after = used()
    for server, seconds in after.items():
        print(f"{server}: {(seconds - before[server]) / ORDERS * 1e3:.2f} ms an order")  # noqa: T201  # a command
    return 0


def created(api: httpx.Client, path: str, body: dict[str, object]) -> dict[str, object]:
    """What was made."""
    return api.post(path, json=body).raise_for_status().json()


def wait_until(condition: Callable[[], bool]) -> None:
    """Look twice a second."""
    deadline = time.monotonic() + WITHIN
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"It did not come about within {WITHIN:.0f} s.")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
