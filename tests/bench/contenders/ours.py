"""LocalStack with our plugin: by the edge, and by LocalStack's own gateway in front of the same functions."""

from __future__ import annotations

from typing import ClassVar

from infra.stack import Ports, Stack
from tests.bench.contenders import aws
from tests.bench.contenders.contender import Contender


class LocalStackGateway(Contender):
    """The way in by LocalStack's port."""

    name: ClassVar[str] = "LocalStack's gateway, our executor"

    def start(self) -> None:
        """LocalStack as `make up` starts it, with nothing else."""
        self._stack = Stack(self.directory, Ports.free())
        server = self._stack.servers["localstack"]
        server.prepare()
        self._spawn(server.command, cwd=server.directory, **server.environment)
        self._until(server.healthy)
        self._api = aws.deploy(self._stack.localstack_url)

    def url(self, path: str) -> str:
        return f"{self._stack.localstack_url}/_aws/execute-api/{self._api}/{aws.STAGE}{path}"


class Edge(LocalStackGateway):
    """The way in by the edge."""

    name: ClassVar[str] = "ours"

    def url(self, path: str) -> str:
        return f"{self._stack.gateway_url}{path}"
