"""A debugger on a deployed function: it attaches, stops at a breakpoint that a request hits, looks, lets it go on."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from tests.e2e.client import Clerk, eventually

pytestmark = pytest.mark.supervised

PROJECT = Path(__file__).resolve().parents[2]
SOURCE = PROJECT / "functions" / "product" / "app.py"
LINE = next(n for n, line in enumerate(SOURCE.read_text().splitlines(), 1) if "service.list_products(" in line)


class DebugAdapter:
    """The client's side of https://microsoft.github.io/debug-adapter-protocol."""

    def __init__(self, port):
        self._stream = socket.create_connection(("127.0.0.1", port), timeout=60).makefile("rwb")
        self._numbers = itertools.count(1)
        self._messages = []

    def ask(self, command, **arguments):
        return self.answer_to(self.send(command, **arguments))

    def send(self, command, **arguments):
        number = next(self._numbers)
        body = json.dumps({"seq": number, "type": "request", "command": command, "arguments": arguments}).encode()
        self._stream.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._stream.flush()
        return number

    def answer_to(self, number):
        answer = self._await(lambda message: message["type"] == "response" and message["request_seq"] == number)
        assert answer["success"], answer
        return answer.get("body", {})

    def event(self, name):
        return self._await(lambda message: message["type"] == "event" and message["event"] == name).get("body", {})

    def _await(self, wanted):
        """The first message of that kind; others wait until somebody wants them."""
        while not any(map(wanted, self._messages)):
            self._messages.append(self._read())
        found = next(filter(wanted, self._messages))
        self._messages.remove(found)
        return found

    def close(self):
        self._stream.close()

    def _read(self):
        length = 0
        while line := self._stream.readline().strip():
            length = int(line.removeprefix(b"Content-Length: "))
        assert length, "the debugger hung up"
        return json.loads(self._stream.read(length))


def attach(port):
    adapter = DebugAdapter(port)
    adapter.ask("initialize", adapterID="test", pathFormat="path", linesStartAt1=True, columnsStartAt1=True)
    attaching = adapter.send("attach", justMyCode=True)
    adapter.event("initialized")
    found = adapter.ask("setBreakpoints", source={"path": str(SOURCE)}, breakpoints=[{"line": LINE}])
    assert found["breakpoints"][0]["verified"]
    adapter.ask("configurationDone")
    adapter.answer_to(attaching)
    return adapter


def environments(system):
    found = httpx.get(f"{system.localstack_url}/_lambda/environments", timeout=30).json()["environments"]
    return [each for each in found if each["function"] == "inventory-product" and not each["retired"]]


def test_a_debugger_stops_a_deployed_function_at_a_breakpoint_and_lets_it_go_on(system):
    clerk = Clerk(system.gateway_url)
    port = system.ports.product  # where it would listen alone, as nobody runs it here
    command = [str(Path(sys.executable).with_name("inventory")), "debug", "product", "--port", str(port)]
    debugging = subprocess.Popen(command, env={**os.environ, "RUN_DIR": str(system.run_dir)}, stdout=subprocess.PIPE, text=True)
    try:
        assert "waits for a debugger" in debugging.stdout.readline()
        adapter = attach(port)
        answers = []
        asking = [threading.Thread(target=lambda: answers.append(clerk.get("/api/products"))) for _ in range(2)]
        for thread in asking:
            thread.start()
        for _ in asking:  # one at a time: the other waits for the same environment
            stopped = adapter.event("stopped")
            assert stopped["reason"] == "breakpoint"
            frame = adapter.ask("stackTrace", threadId=stopped["threadId"])["stackFrames"][0]
            assert (frame["name"], frame["line"], frame["source"]["path"]) == ("list_products", LINE, str(SOURCE))
            assert adapter.ask("evaluate", expression="app.service", frameId=frame["id"])["result"] == "'product'"
            assert len(environments(system)) == 1
            adapter.ask("continue", threadId=stopped["threadId"])
        for thread in asking:
            thread.join(60)
        assert [set(answer) >= {"products", "total"} for answer in answers] == [True, True]
        adapter.close()
    finally:
        debugging.send_signal(signal.SIGTERM)
        debugging.wait(30)
    clerk.get("/api/products")
    eventually(lambda: {each["spawned"] for each in environments(system)} <= {"fork", "layers"})
