"""The least there can be between HTTP and a handler: `python bare_loop.py PORT WORKERS PYTHON DIRECTORY`.

Any request is an event for one of WORKERS processes of the real awslambdaric, running the code in DIRECTORY by the Lambda Runtime API
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html). No routes, no authorizer, no logs, no limits: a ceiling.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import deque
from typing import cast

EVENT = b'{"resource":"/plain","path":"/plain","httpMethod":"GET","headers":{},"requestContext":{"stage":"bench"},"body":null}'


class _Http(asyncio.Protocol):
    """Splits what comes into requests: head, and a body as long as it says."""

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            length = 0
            for line in head.split(b"\r\n")[1:]:
                if line[:15].lower() == b"content-length:":
                    length = int(line[15:])
            if len(self._received) < end + 4 + length:
                return
            body, self._received = self._received[end + 4 : end + 4 + length], self._received[end + 4 + length :]
            self.request(head, body)

    def request(self, head: bytes, body: bytes) -> None:
        raise NotImplementedError


class _Loop:
    def __init__(self) -> None:
        self.waiting: deque[_Client] = deque()
        self.idle: deque[_Runtime] = deque()

    def match(self) -> None:
        while self.waiting and self.idle:
            self.idle.popleft().give(self.waiting.popleft())


class _Client(_Http):
    def __init__(self, loop: _Loop) -> None:
        super().__init__()
        self._loop = loop

    def request(self, head: bytes, body: bytes) -> None:  # whatever is asked
        self._loop.waiting.append(self)
        self._loop.match()

    def answer(self) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")


class _Runtime(_Http):
    def __init__(self, loop: _Loop) -> None:
        super().__init__()
        self._loop = loop
        self._client: _Client | None = None

    def request(self, head: bytes, body: bytes) -> None:  # the handler's answer is always the same
        if head.startswith(b"GET"):
            self._loop.idle.append(self)
            self._loop.match()
            return
        self.transport.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        if self._client is not None:
            self._client.answer()
            self._client = None

    def give(self, client: _Client) -> None:
        self._client = client
        head = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 1\r\nLambda-Runtime-Deadline-Ms: 9999999999999\r\n"
        arn = b"Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:bench\r\n"
        self.transport.write(head + arn + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(EVENT) + EVENT)


async def _serve(port: int, workers: int, python: str, directory: str) -> None:
    running = asyncio.get_running_loop()
    loop = _Loop()
    runtime_api = await running.create_server(lambda: _Runtime(loop), "127.0.0.1", 0)
    api = f"127.0.0.1:{runtime_api.sockets[0].getsockname()[1]}"
    told = {"AWS_LAMBDA_RUNTIME_API": api, "_HANDLER": "app.handler", "LAMBDA_TASK_ROOT": directory, "PYTHONPATH": directory}
    command = (python, "-m", "awslambdaric", "app.handler")
    runtimes = [await asyncio.create_subprocess_exec(*command, env={**os.environ, **told}) for _ in range(workers)]
    await running.create_server(lambda: _Client(loop), "127.0.0.1", port)
    ended = asyncio.Event()
    running.add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    for runtime in runtimes:
        runtime.kill()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]))
