"""How long things take here: `python tests/measure.py`. For orientation; a comparison needs everything measured side by side."""

from __future__ import annotations

import http.client
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from api import AUTHORIZER, Api
from stack import LocalStack

if TYPE_CHECKING:
    from collections.abc import Callable

TRIVIAL = "handler = lambda event, context: {'statusCode': 200, 'body': '{}'}"


def report(what: str, milliseconds: list[float]) -> None:
    cuts = statistics.quantiles(milliseconds, n=100)
    sys.stdout.write(f"{what:<44} p50 {cuts[49]:7.2f} ms   p95 {cuts[94]:7.2f} ms   p99 {cuts[98]:7.2f} ms\n")


def timed(times: int, call: Callable[[], object]) -> list[float]:
    milliseconds = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        milliseconds.append((time.perf_counter() - started) * 1000)
    return milliseconds


def requests(port: int, path: str, times: int) -> list[float]:
    """Over one connection that is kept."""
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def request() -> None:
        connection.request("GET", path, headers={"Authorization": "ada"})
        response = connection.getresponse()
        response.read()
        assert response.status == 200

    return timed(times, request)


def crowd(port: int, path: str, clients: int, total: int) -> None:
    measured: list[float] = []
    threads = [threading.Thread(target=lambda: measured.extend(requests(port, path, total // clients))) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report(f"{clients} clients, {len(measured) / (time.perf_counter() - started):.0f} requests/s", measured)


def measure(stack: LocalStack) -> None:
    function = stack.create_function("trivial", TRIVIAL)
    api = Api(stack, "edge").authorizer("Jwt", stack.create_function("authorizer", AUTHORIZER))
    api.route("GET", "/plain", function).route("GET", "/guarded", function, "Jwt").deploy()
    on_aws_port = f"/_aws/execute-api/{api.id}/{api.stage}/guarded"
    for what, port, path in (
        ("edge, no authorizer", stack.edge_port, "/plain"),
        ("edge, cached authorizer", stack.edge_port, "/guarded"),
        ("LocalStack's port, cached authorizer", stack.port, on_aws_port),
    ):
        requests(port, path, 50)
        report(what, requests(port, path, 500))
    for _ in range(2):
        report("boto3 invoke", timed(300, lambda: stack.invoke("trivial", {})))
        report("boto3 invoke with the log's end", timed(300, lambda: stack.invoke("trivial", {}, LogType="Tail")))
    for clients in (8, 64):
        crowd(stack.edge_port, "/guarded", clients, 1600)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        stack = LocalStack(Path(directory))
        try:
            stack.wait()
            measure(stack)
        finally:
            stack.stop()
