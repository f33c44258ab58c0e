"""A LocalStack of the tests' own: free ports, data of its own, ended with the tests."""

from __future__ import annotations

import contextlib
import http.client
import io
import itertools
import json
import os
import socket
import subprocess
import sys
import textwrap
import time
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import psutil
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

ROLE = "arn:aws:iam::000000000000:role/function"
FORWARDER_KEY = "known-to-the-edge"


_ports = itertools.cycle(range(10_000 + os.getpid() * 16 % 20_000, 31_000))


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, nobody here was given before, and the kernel gives no client, below the range it takes those from."""
    found: list[int] = []
    while len(found) < count:
        port = next(_ports)
        with socket.socket() as candidate, contextlib.suppress(OSError):
            candidate.bind(("127.0.0.1", port))
            found.append(port)
    return found


def eventually(condition: Callable[[], Any], what: str, seconds: float = 10) -> Any:
    """The condition's first true value, within the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.02)


@contextlib.contextmanager
def _heir() -> Iterator[None]:
    """Bury what a LocalStack that ends here leaves behind: it is ours where a pool in this process made us a subreaper."""
    others = {child.pid for child in psutil.Process().children()}  # its own are not known beforehand: it starts more while it lives
    yield

    def buried() -> bool:
        orphans = [child for child in psutil.Process().children() if child.pid not in others]
        for orphan in orphans:  # whose own children may become ours by that
            os.waitpid(orphan.pid, os.WNOHANG)
        return not orphans

    eventually(buried, "all that it started has ended")


def archive(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, textwrap.dedent(content))
    return buffer.getvalue()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class LocalStack:
    def __init__(self, directory: Path, **variables: str) -> None:
        self.directory = directory
        self.port, self.edge_port = free_ports(2)
        home = directory / "home"
        home.mkdir(parents=True)
        self.log = directory / "log"
        self.writable = directory / "writable"
        self.writable.mkdir()
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_CACHE_HOME": str(directory / "cache"),
            "LOCALSTACK_VOLUME_DIR": str(directory / "volume"),
            "TMPDIR": str(directory),
            "LAMBDA_RUNTIME_EXECUTOR": "process",
            "GATEWAY_LISTEN": f"127.0.0.1:{self.port}",
            "EDGE_LISTEN": f"127.0.0.1:{self.edge_port}",
            "PROCESS_RUNTIME_DIR": str(directory / "runtime"),
            "PROCESS_RUNTIME_WRITABLE": str(self.writable),
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "LAMBDA_RETRY_BASE_DELAY": "0",
            **variables,
        }
        self._clients: dict[str, Any] = {}
        self._edge: http.client.HTTPConnection | None = None
        self.start()

    def start(self, **variables: str) -> None:
        """Start it, or, once its process has ended, start it again, with more variables perhaps."""
        command = [sys.executable, "-m", "localstack.runtime.main"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=self._environment | variables, cwd=self.directory, stdout=log, stderr=log, start_new_session=True
            )

    def wait(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return "\nReady." in self.log.read_text()

        eventually(ready, "LocalStack is ready", 30)

    def stop(self) -> None:
        with _heir():
            self.process.terminate()
            try:
                self.process.wait(20)
            finally:
                self.process.kill()
                self.process.wait()

    def kill(self) -> None:
        """End it as a power cut would."""
        with _heir():
            self.process.kill()
            self.process.wait()

    def client(self, service: str) -> Any:
        if service not in self._clients:
            config = Config(retries={"max_attempts": 0}, read_timeout=30)
            endpoint = f"http://127.0.0.1:{self.port}"
            keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
            self._clients[service] = boto3.client(service, region_name="us-east-1", endpoint_url=endpoint, config=config, **keys)
        return self._clients[service]

    def request(self, method: str, path: str, *, port: int | None = None, body: Any = None, **headers: str) -> Answer:
        """One request over a connection of its own; header names with `_` for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.edge_port, timeout=30)
        connection.request(method, path, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        connection.close()
        return answer

    def environments(self, function: str = "") -> list[dict[str, Any]]:
        all_ = self.introspect()["environments"]
        return [each for each in all_ if function in ("", each["function"])]

    def introspect(self) -> dict[str, Any]:
        return self.request("GET", "/_lambda/environments", port=self.port).json()

    def invocations(self, function: str) -> int:
        return self.introspect()["functions"].get(function, {}).get("invocations", 0)

    def create_function(self, name: str, code: str | Mapping[str, str], **settings: Any) -> str:
        files = {"app.py": code} if isinstance(code, str) else code
        arguments = {"Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE, "Timeout": 10, "MemorySize": 256, **settings}
        function = self.client("lambda").create_function(FunctionName=name, Code={"ZipFile": archive(files)}, **arguments)
        self.wait_active(name)
        return function["FunctionArn"]

    def wait_active(self, name: str) -> None:
        def active() -> bool:
            function = self.client("lambda").get_function_configuration(FunctionName=name)
            assert function["State"] != "Failed", function
            return function["State"] == "Active" and function["LastUpdateStatus"] == "Successful"

        eventually(active, f"{name} is active")

    def invoke(self, name: str, event: Any = None, **arguments: Any) -> tuple[Any, dict[str, Any]]:
        """The function's answer, and the response it came in."""
        response = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode(), **arguments)
        payload = response["Payload"].read()
        return (json.loads(payload) if payload else None), response
