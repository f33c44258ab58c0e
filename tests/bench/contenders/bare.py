"""Ceilings: what is left when nothing of a gateway is emulated."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from infra.stack import Ports
from tests.bench.contenders.contender import BUILD, PROJECT, TRIVIAL, Contender

WORKERS = 8


class BareLoop(Contender):
    """awslambdaric on the smallest Runtime API that can be."""

    name: ClassVar[str] = "bare Runtime API loop"
    authorizes: ClassVar[bool] = False

    def start(self) -> None:
        self._port = Ports.free().gateway
        python = PROJECT / "localstack" / ".venv" / "bin" / "python"
        loop = Path(__file__).with_name("bare_loop.py")
        self._spawn([python, loop, str(self._port), str(WORKERS), python, str(TRIVIAL)])
        self._until_answering(self._port)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"


class Gunicorn(Contender):
    """Flask under gunicorn with two workers: no function at all."""

    name: ClassVar[str] = "Flask under gunicorn"

    def start(self) -> None:
        self._port = Ports.free().gateway
        gunicorn = BUILD / "venv" / "bin" / "gunicorn"
        threads = ("--workers", "2", "--worker-class", "gthread", "--threads", "8", "--keep-alive", "30")
        self._spawn([gunicorn, *threads, "--bind", f"127.0.0.1:{self._port}", "flask_app:app"], cwd=TRIVIAL, PYTHONPATH=str(TRIVIAL))
        self._until_answering(self._port)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"
