"""A real Prometheus beside a system of the tests' own, with the project's alert rules, in a hurry."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from infra.metrics.reading import addresses, look
from infra.stack.instance import PROJECT_DIR
from infra.stack.ports import LOOPBACK, Ports
from tests.e2e.client import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from infra.stack import Stack

OBSERVABILITY = PROJECT_DIR / "infra" / "observability"
# Nobody can make LocalStack grow by a gigabyte; that it is seen when it does is what the rule is for.
IN_A_TEST = {"[5m]": "[20s]", "> 1.5e9": "> 1.5e12", "bridge_lag_seconds > 30": "bridge_lag_seconds > 3"}


class Prometheus:
    """Reads every three seconds, and has no alert wait for longer than that."""

    def __init__(self, stack: Stack, directory: Path) -> None:
        self._stack, self._directory = stack, directory
        # Only then is a port that seems free not one that the bridge is about to listen on.
        with httpx.Client(timeout=30) as client:
            eventually(lambda: not look(addresses(stack), client).away, seconds=60, what="metrics")
        self._port = Ports.free().page
        self.url = f"http://{LOOPBACK}:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **changed: str) -> None:
        """With rules in which each key of `changed` is replaced by its value, beside what is always changed for a test."""
        self._write(IN_A_TEST | changed)
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self._directory / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._directory / 'data'}",
                    f"--web.listen-address={LOOPBACK}:{self._port}",
                    "--web.enable-lifecycle",
                ],
                stdout=log,
                stderr=log,
            )
        eventually(self._ready, what="Prometheus")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)

    def with_rules(self, changed: dict[str, str]) -> None:
        """Go on with other rules."""
        self._write(IN_A_TEST | changed)
        httpx.post(f"{self.url}/-/reload", timeout=30).raise_for_status()

    def firing(self, name: str, **labels: str) -> bool:
        """Whether an alert of this name with these labels is raised."""
        alerts = httpx.get(f"{self.url}/api/v1/alerts", timeout=30).json()["data"]["alerts"]
        return any(
            alert["state"] == "firing"
            and (labels | {"alertname": name}).items() <= alert["labels"].items()
            and alert["annotations"]["look"]
            for alert in alerts
        )

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def _write(self, changed: dict[str, str]) -> None:
        self._directory.mkdir(exist_ok=True)
        rules = (OBSERVABILITY / "alerts.yml").read_text()
        for written, wanted in changed.items():
            assert written in rules, f"no rule says {written!r} any more"
            rules = rules.replace(written, wanted)
        document = yaml.safe_load(rules)
        for rule in document["groups"][0]["rules"]:
            rule.pop("for", None)
        (self._directory / "alerts.yml").write_text(yaml.safe_dump(document))
        (self._directory / "prometheus.yml").write_text(yaml.safe_dump(self._configuration()))

    def _configuration(self) -> dict[str, Any]:
        configuration: dict[str, Any] = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())
        configuration["global"] = {"scrape_interval": "3s", "scrape_timeout": "3s", "evaluation_interval": "1s"}
        urls = {name: httpx.URL(url) for name, url in addresses(self._stack).items()}
        for job in configuration["scrape_configs"]:
            url = urls[job["job_name"]]
            assert job["metrics_path"] == url.path
            job["static_configs"] = [{"targets": [f"{url.host}:{url.port}"]}]
        return configuration
