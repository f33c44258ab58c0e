"""The engines that can run docker-compose.yml here: Docker with its compose plugin, or podman with podman-compose."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from tests.containers import composition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from infra.stack import Ports

PROJECT_NAME = "inventory-test"
"""Not the one that a user's own composition has."""

START_SECONDS = 600
"""For one service to be healthy or done, on a slow machine that does other things."""


class EngineFailed(Exception):
    """A command of the engine failed; its text is the command and what it said."""


class Composition:
    """The services of docker-compose.yml under a project's name of its own, on ports of its own."""

    def __init__(self, program: tuple[str, ...], compose: tuple[str, ...], ports: Ports, environment: Mapping[str, str]) -> None:
        self._program = program
        self._compose = (*compose, "--project-name", PROJECT_NAME, "--file", str(composition.FILE))
        self._environment = {
            **os.environ,
            **environment,
            "PAGE_PORT": str(ports.page),
            "GATEWAY_PORT": str(ports.gateway),
            "LOCALSTACK_PORT": str(ports.localstack),
            "MYSQL_PORT": str(ports.mysql),
            "REDIS_PORT": str(ports.redis),
        }

    def has(self, image: str) -> bool:
        return self._succeeds("image", "inspect", image)

    def pull(self, image: str) -> bool:
        return self._succeeds("pull", "--quiet", image)

    def load(self, root: Path, image: str, variables: Mapping[str, str]) -> None:
        """Make an image of a directory."""
        changes = [part for name, value in variables.items() for part in ("--change", f"ENV {name}={value}")]
        with subprocess.Popen(["tar", "--directory", str(root), "--create", "."], stdout=subprocess.PIPE) as packed:
            command = [*self._program, "import", *changes, "-", image]
            loaded = subprocess.run(command, stdin=packed.stdout, env=self._environment, capture_output=True, text=True, check=False)
        if loaded.returncode or packed.returncode:
            raise EngineFailed(f"{' '.join(command)}: {loaded.stderr}")

    def build_base(self, dockerfile: Path, image: str) -> None:
        self._run(*self._program, "build", "--quiet", "--file", str(dockerfile), "--tag", image, str(dockerfile.parent))

    def build(self) -> None:
        self._show(*self._compose, "build")

    def up(self) -> None:
        """Start what is not running, each service once those before it are as it asks, and wait for the last. Raises EngineFailed."""
        raise NotImplementedError

    def down(self, *, forget: bool = False) -> None:
        """Stop and remove the containers; their volumes as well where all is to be forgotten."""
        self._show(*self._compose, "down", *(["--volumes"] if forget else []))

    def logs(self, service: str) -> str:
        container = self._container(service)
        return self._run(*self._program, "logs", "--tail", "60", container, check=False)

    def execute(self, service: str, *command: str) -> str:
        """What a command printed that was run in a service's container. Raises EngineFailed."""
        return self._run(*self._program, "exec", self._container(service), *command)

    def inspect(self, service: str) -> dict[str, object]:
        """What the engine knows of a service's container."""
        return dict(json.loads(self._run(*self._program, "inspect", self._container(service)))[0])

    def stop(self, service: str) -> None:
        """Have a service's process killed, and not started again before `up`."""
        self._run(*self._program, "kill", "--signal", "KILL", self._container(service))

    def image_sizes(self) -> dict[str, int]:
        """Bytes of each image that is built here."""
        names = sorted({service["image"] for service in composition.services().values() if "build" in service})
        return {name: int(self._run(*self._program, "image", "inspect", "--format", "{{.Size}}", name)) for name in names}

    def _container(self, service: str) -> str:
        label = "io.podman.compose" if self._program[0] == "podman" else "com.docker.compose"
        filters = (f"label={label}.project={PROJECT_NAME}", f"label=com.docker.compose.service={service}")
        found = self._run(*self._program, "ps", "--all", "--quiet", "--filter", filters[0], "--filter", filters[1]).split()
        if len(found) != 1:
            raise EngineFailed(f"{service}: {len(found)} containers")
        return found[0]

    def _succeeds(self, *arguments: str) -> bool:
        return subprocess.run([*self._program, *arguments], env=self._environment, capture_output=True, check=False).returncode == 0

    def _show(self, *command: str) -> None:
        """Run a command whose output is the user's."""
        done = subprocess.run(command, env=self._environment, cwd=composition.PROJECT, check=False)
        if done.returncode:
            raise EngineFailed(f"{' '.join(command)}: exit code {done.returncode}")

    def _run(self, *command: str, check: bool = True) -> str:
        done = subprocess.run(command, env=self._environment, cwd=composition.PROJECT, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise EngineFailed(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout if check else done.stdout + done.stderr


class Docker(Composition):
    """Its own compose keeps the order."""

    def up(self) -> None:
        self._show(*self._compose, "up", "--detach", "--wait", "--wait-timeout", str(START_SECONDS))


class Podman(Composition):
    """podman-compose, with the order kept here: it leaves it out for podman before 4.6, whose health checks want systemd besides."""

    def up(self) -> None:
        for service, awaited in composition.order(composition.services()):
            self._run(*self._compose, "up", "--detach", "--no-deps", "--no-build", service)
            if awaited == composition.HEALTHY:
                self._wait_until_healthy(service)
            elif awaited == composition.DONE:
                self._wait_until_done(service)

    def _wait_until_healthy(self, service: str) -> None:
        container = self._container(service)
        for _ in _looks():
            if self._succeeds("healthcheck", "run", container):
                return
        raise EngineFailed(f"{service} is not healthy after {START_SECONDS} s:\n{self.logs(service)}")

    def _wait_until_done(self, service: str) -> None:
        for _ in _looks():
            state = self.inspect(service)["State"]
            assert isinstance(state, dict)
            if state["Status"] in {"exited", "stopped"}:
                if state["ExitCode"]:
                    raise EngineFailed(f"{service} ended with exit code {state['ExitCode']}:\n{self.logs(service)}")
                return
        raise EngineFailed(f"{service} is not done after {START_SECONDS} s:\n{self.logs(service)}")


def _looks() -> Iterator[None]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        yield
        time.sleep(0.5)


def find(ports: Ports) -> Composition | None:
    """The engine of this machine that can run containers, for a composition on these ports."""
    return _docker(ports) or _podman(ports)


def _docker(ports: Ports) -> Composition | None:
    if _answers("docker", "info") and _answers("docker", "compose", "version"):
        return Docker(("docker",), ("docker", "compose"), ports, {})
    return None


def _podman(ports: Ports) -> Composition | None:
    compose = composition.PROJECT / ".build" / "containers" / "venv" / "bin" / "podman-compose"
    settings = composition.PROJECT / ".build" / "containers" / "containers.conf"
    runtime = next((name for name in ("crun", "runc") if shutil.which(name)), None)
    if runtime is None or not compose.exists():
        return None
    settings.parent.mkdir(parents=True, exist_ok=True)
    # It would give containers more than a machine that is itself one may have.
    limits = '["nofile=4096:4096", "nproc=4096:4096"]'
    settings.write_text(f'[containers]\ndefault_ulimits = {limits}\n[engine]\nruntime = "{runtime}"\n', encoding="utf-8")
    environment = {"CONTAINERS_CONF": str(settings), "DISABLE_HC_SYSTEMD": "true", "BUILDAH_FORMAT": "docker"}
    if not _answers("podman", "info", environment=environment):
        return None
    return Podman(("podman",), (str(compose), "--in-pod", "false"), ports, environment)


def _answers(*command: str, environment: Mapping[str, str] | None = None) -> bool:
    try:
        done = subprocess.run(command, env={**os.environ, **(environment or {})}, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
