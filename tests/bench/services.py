"""The real services: behind our gateway, behind `chalice local`, and as a plain Flask app under gunicorn, on the same database."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING
from unittest.mock import patch

import httpx

from infra.cli.local import deployed_settings
from infra.stack import Ports, Stack, launcher
from tests.bench.contenders.contender import BUILD, PROJECT
from tests.bench.wrk import load
from tests.e2e.client import Clerk, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.bench.wrk import Load

PRODUCTS = 100
READS = {"product": "/api/products/{id}", "list of 50": "/api/products?limit=50"}


@dataclass(frozen=True)
class Way:
    """One way to reach the services: by name of the service, its address."""

    name: str
    urls: dict[str, str]


@dataclass(frozen=True)
class Figure:
    """One thing asked in one way, medians over the rounds; milliseconds, and answers per second at 8 clients where asked by many."""

    what: str
    way: str
    p50: float
    p95: float
    p99: float
    per_second: float | None
    errors: int


def measure(
    directory: Path, *, rounds: int = 3, seconds: float = 3, orders: int = 150, say: Callable[[str], None] = lambda _: None
) -> list[Figure]:
    """Start the whole system in `directory` and ask it in turn in each way, `rounds` times."""
    stack = Stack(directory, Ports.free())
    say("starting the system")
    try:
        # Its own limit would be what is measured.
        with patch.dict(os.environ, REQUESTS_PER_SECOND="100000"):
            launcher.up(stack)
        clerk = Clerk(stack.gateway_url)
        products = _stocked(clerk)
        customer = clerk.customer()
        with ExitStack() as processes:
            ways = [
                Way("ours", dict.fromkeys(("product", "order"), stack.gateway_url)),
                Way("chalice local", {name: processes.enter_context(_chalice_local(stack, name)) for name in ("product", "order")}),
                Way("Flask under gunicorn", dict.fromkeys(("product", "order"), processes.enter_context(_gunicorn(stack)))),
            ]
            return [
                *_reads(ways, clerk, products[0]["id"], rounds, seconds, say),
                *_orders(ways, clerk, customer["id"], products, rounds, orders, say),
            ]
    finally:
        launcher.down(stack)


def _stocked(clerk: Clerk) -> list[dict[str, int]]:
    supplier = clerk.supplier()
    products = [clerk.product(supplier_id=supplier["id"]) for _ in range(PRODUCTS)]
    for product in products:
        clerk.procure(product, 100_000)
    for product in products:
        eventually(lambda product=product: clerk.stock(product) == 100_000, seconds=60, what="the opening stock")
    return products


def _reads(ways: list[Way], clerk: Clerk, product_id: int, rounds: int, seconds: float, say: Callable[[str], None]) -> list[Figure]:
    headers = {"Authorization": f"Bearer {clerk.token}"}
    taken: dict[tuple[str, str], list[tuple[Load, Load]]] = {}
    for number in range(1, rounds + 1):
        for what, path in READS.items():
            for way in ways:
                say(f"round {number} of {rounds}: {what}, {way.name}")
                url = way.urls["product"] + path.format(id=product_id)
                load(url, headers, clients=8, seconds=1)
                one, eight = (load(url, headers, clients=clients, seconds=seconds) for clients in (1, 8))
                taken.setdefault((what, way.name), []).append((one, eight))
    return [
        Figure(
            what=what,
            way=way,
            **{name: median(getattr(one, name) for one, _ in loads) for name in ("p50", "p95", "p99")},
            per_second=median(eight.per_second for _, eight in loads),
            errors=sum(one.errors + eight.errors for one, eight in loads),
        )
        for (what, way), loads in taken.items()
    ]


def _orders(
    ways: list[Way], clerk: Clerk, customer_id: int, products: list[dict[str, int]], rounds: int, count: int, say: Callable[[str], None]
) -> list[Figure]:
    """One order after another, each until it is confirmed; who takes it differs, who decides it does not."""
    taken: dict[str, list[float]] = {way.name: [] for way in ways}
    for number in range(1, rounds + 1):
        for way in ways:
            say(f"round {number} of {rounds}: orders until confirmed, {way.name}")
            with httpx.Client(base_url=way.urls["order"], headers=clerk.http.headers, timeout=30) as client:
                # The first one is nobody's figure: consumers that had nothing to do for a minute may have to start.
                for warm, product in enumerate((products * (count // PRODUCTS + 1))[: count + 1]):
                    began = time.perf_counter()
                    document = {"customer_id": customer_id, "product_id": product["id"], "quantity": 1}
                    answer = client.post("/api/orders", json=document)
                    assert answer.status_code == 201, answer.text
                    clerk.decided(answer.json()["id"])
                    if warm:
                        taken[way.name].append((time.perf_counter() - began) * 1000)
    figures = []
    for way, times in taken.items():
        cuts = statistics.quantiles(times, n=100)
        figures.append(Figure("order until confirmed", way, cuts[49], cuts[94], cuts[98], per_second=None, errors=0))
    return figures


@contextmanager
def _chalice_local(stack: Stack, service: str) -> Iterator[str]:
    command = [sys.executable, "-m", "infra.cli.main", "--run-dir", str(stack.run_dir), "local", service]
    with _process(command, stack.environment(), PROJECT) as answering:
        yield answering(stack.ports.as_mapping()[service])


@contextmanager
def _gunicorn(stack: Stack) -> Iterator[str]:
    port = Ports.free().gateway
    workers = ("--workers", "2", "--worker-class", "gthread", "--threads", "4", "--keep-alive", "30")
    command = [str(BUILD / "venv" / "bin" / "gunicorn"), *workers, "--bind", f"127.0.0.1:{port}", "tests.bench.flask_services:app"]
    path = (".", "functions", "layers/common/python", ".build/layers/dependencies/python")
    settings = deployed_settings(stack, "auth") | deployed_settings(stack, "product") | deployed_settings(stack, "order")
    # One process does the work of three functions: it has the rights of all.
    settings |= {name: value for name, value in stack.addresses().items() if name in ("DATABASE_USER", "DATABASE_PASSWORD")}
    environment = stack.environment() | settings | {"PYTHONPATH": os.pathsep.join(str(PROJECT / part) for part in path)}
    with _process(command, environment, PROJECT) as answering:
        yield answering(port)


@contextmanager
def _process(command: list[str], environment: dict[str, str], directory: Path) -> Iterator[Callable[[int], str]]:
    process = subprocess.Popen(
        command, env=environment, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )

    def answering(port: int) -> str:
        url = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            assert process.poll() is None, f"{command} ended with {process.returncode}"
            with suppress(httpx.TransportError):
                httpx.get(url)
                return True
            return False

        eventually(answers, seconds=60, what=f"an answer from {command}")
        return url

    try:
        yield answering
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
