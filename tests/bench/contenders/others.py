"""Other people's ways to run functions behind a gateway without Docker and without a login."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import ClassVar

from infra.stack import Ports
from tests.bench.contenders import aws
from tests.bench.contenders.contender import BUILD, TRIVIAL, Contender


class ChaliceLocal(Contender):
    """`chalice local`: Chalice's own development server."""

    name: ClassVar[str] = "chalice local"

    def start(self) -> None:
        self._port = Ports.free().gateway
        chalice = Path(sys.executable).with_name("chalice")
        command = [chalice, "local", "--host", "127.0.0.1", "--port", str(self._port), "--no-autoreload"]
        self._spawn(command, cwd=TRIVIAL / "chalice_app", PYTHONDONTWRITEBYTECODE="1")
        self._until_answering(self._port)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"


class MiniStack(Contender):
    """ministack: an emulator of AWS that keeps a worker process per function."""

    name: ClassVar[str] = "ministack"

    def start(self) -> None:
        self._port = Ports.free().gateway
        python = BUILD / "venv" / "bin" / "python"
        self._spawn([python, "-m", "ministack.app"], GATEWAY_PORT=str(self._port), BIND_HOST="127.0.0.1")
        self._until_answering(self._port)
        self._api = aws.deploy(f"http://127.0.0.1:{self._port}")

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}/{aws.STAGE}{path}"

    def headers(self) -> dict[str, str]:
        return super().headers() | {"Host": f"{self._api}.execute-api.localhost:{self._port}"}


class ServerlessOffline(Contender):
    """serverless-offline on osls, with functions in JavaScript, in its own process: the fastest it has."""

    name: ClassVar[str] = "serverless-offline"

    def start(self) -> None:
        ports = Ports.free()
        self._port = ports.gateway
        folder = BUILD / "serverless_offline"
        environment = {"BENCH_PORT": str(ports.gateway), "BENCH_LAMBDA_PORT": str(ports.localstack)}
        quiet = {"SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off", "PATH": os.environ["PATH"]}
        self._spawn([folder / "node_modules" / ".bin" / "serverless", "offline", "start"], cwd=folder, **environment, **quiet)
        self._until_logged("Server ready")

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"
