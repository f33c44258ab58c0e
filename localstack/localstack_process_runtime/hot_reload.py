"""Functions run from the sources somebody works on, and follow what is saved there: for development, off unless switched on.

`PUT /_lambda/hot-reload` names a process, and the directories that functions and layers are made of. As long as that process lives, those
functions' environments import from there instead of from what was deployed. Each invocation looks at the files first, so that no request
after a save is answered by what was there before; a thread looks as well, so that most of them find the new code imported already.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import logging
import os
import py_compile
import select
import shutil
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambda_environments import Debugger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lambda_environments import FunctionSpec, PoolThread

LOG = logging.getLogger(__name__)
LOOK_SECONDS = 0.1
REPORTS = 1000
DEBUGGED_SECONDS = 7 * 24 * 3600.0
"""Whoever stands at a breakpoint is not hurried."""

Files = dict[str, tuple[int, int, int]]
"""Path -> time of the last change in ns, size, inode."""


@dataclass(frozen=True, slots=True)
class Sources:
    process: int
    """They are used as long as it lives."""
    functions: Mapping[str, Path]
    """Function name -> directory of the package its handler is in."""
    layers: Mapping[str, Path]
    """ARN without version -> directory that is the layer's root."""
    debuggers: Mapping[str, Debugger]
    """Function name -> what waits in its process, for those that somebody debugs."""

    @property
    def directories(self) -> frozenset[Path]:
        """Where what is imported lies, links followed."""
        return frozenset(path.resolve() for path in (*self.functions.values(), *self.layers.values()))

    @classmethod
    def from_json(cls, document: Any) -> Sources:
        """Raises ValueError."""
        try:
            functions = {str(name): Path(directory) for name, directory in document["functions"].items()}
            layers = {str(arn): Path(directory) for arn, directory in document["layers"].items()}
            process = int(document["process"])
            debuggers = {
                str(name): Debugger(int(each["port"]), Path(each["path"]), bool(each.get("wait")))
                for name, each in document.get("debuggers", {}).items()
            }
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(
                'it takes {"process": number, "functions": {name: directory}, "layers": {ARN: directory}}, '
                'and for some functions "debuggers": {name: {"port": number, "path": directory, "wait": bool}}'
            ) from error
        for directory in (*functions.values(), *layers.values(), *(each.path for each in debuggers.values())):
            if not directory.is_absolute() or not directory.is_dir():
                raise ValueError(f"{directory} is no directory")
        if not debuggers.keys() <= functions.keys():
            raise ValueError("a function that is debugged runs from its sources, which are to be named")
        return cls(process, functions, layers, debuggers)


@dataclass(slots=True)
class _Version:
    """What was saved at some moment."""

    spec: FunctionSpec
    files: Files
    changed: list[str]
    seen_at: float
    reported: bool = False


class HotReload:
    """May be asked from any thread."""

    def __init__(self, pool: PoolThread, directory: Path) -> None:
        self._pool = pool
        self._directory = directory
        self._bytecode = directory / "bytecode"
        self._compiled: Files = {}
        self._lock = threading.RLock()
        self._sources: Sources | None = None
        self._deployed: dict[str, FunctionSpec] = {}
        self._layers: dict[Path, str] = {}
        self._versions: dict[str, _Version] = {}
        self._count = 0
        self._reports: deque[dict[str, Any]] = deque(maxlen=REPORTS)

    def deployed(self, spec: FunctionSpec, layers: Mapping[Path, str]) -> None:
        """A function, and the ARNs of its layers by their unpacked directory."""
        with self._lock:
            self._layers.update(layers)
            if spec.version == "$LATEST":
                self._deployed[spec.name] = spec

    def forget(self, deployed: FunctionSpec) -> None:
        with self._lock:
            if self._deployed.get(deployed.name) is deployed:
                del self._deployed[deployed.name]
            version = self._versions.pop(deployed.identity, None)
        if version is not None:
            self._pool.retire(version.spec.identity)

    def switch_on(self, sources: Sources) -> None:
        """Raises ProcessLookupError."""
        process = os.pidfd_open(sources.process)
        with self._lock:
            self.switch_off()
            self._sources = sources
        threading.Thread(target=self._follow, args=(sources, process), name="hot-reload", daemon=True).start()
        LOG.info("functions run from their sources: %s", ", ".join(sources.functions))

    def switch_off(self) -> None:
        with self._lock:
            self._sources = None
            versions, self._versions = list(self._versions.values()), {}
            for version in versions:
                self._pool.retire(version.spec.identity)
            self._compiled.clear()
            shutil.rmtree(self._directory, ignore_errors=True)

    def current(self, deployed: FunctionSpec) -> FunctionSpec:
        """What an invocation is to run now."""
        sources = self._sources
        if sources is None or deployed.name not in sources.functions or deployed.version != "$LATEST":
            return deployed
        with self._lock:
            if self._sources is not sources:  # switched off, or on again, while this waited
                return self.current(deployed)
            layers = {path: sources.layers[arn] for path in deployed.layer_dirs if (arn := self._layers[path]) in sources.layers}
            package = self._as_deployed(deployed.name, sources.functions[deployed.name])
            files = dict(_files(package, *layers.values()))
            version = self._versions.get(deployed.identity)
            if version is not None and version.files == files:
                return version.spec
            return self._follow_change(deployed, package, layers, files, version, sources)

    def describe(self, since: int) -> dict[str, Any]:
        """Whether it is on, and what was imported anew after the report of this number."""
        with self._lock:
            return {"on": self._sources is not None, "reports": [each for each in self._reports if each["number"] > since]}

    def _follow_change(
        self,
        deployed: FunctionSpec,
        package: Path,
        layers: Mapping[Path, Path],
        files: Files,
        before: _Version | None,
        sources: Sources,
    ) -> FunctionSpec:
        self._count += 1
        spec = replace(
            deployed,
            identity=f"{deployed.identity}#{self._count}",
            code_dir=package.parent,
            layer_dirs=tuple(layers.get(path, path) for path in deployed.layer_dirs),
            changing_layers=frozenset(layers.values()),
            bytecode_dir=self._bytecode,
            sources=sources.directories,
        )
        if debugger := sources.debuggers.get(deployed.name):
            # By the paths that an editor knows, and has its breakpoints at.
            real = package.resolve().parent
            spec = replace(spec, debugger=debugger, forkable=False, timeout_seconds=DEBUGGED_SECONDS, code_dir=real)
        if before:
            self._pool.retire(before.spec.identity)
        else:
            self._pool.put_aside(deployed.identity)
        changed = {path for path, _ in set(files.items()) ^ set(before.files.items())} if before else set()
        self._versions[deployed.identity] = _Version(spec, files, sorted(Path(path).name for path in changed), time.monotonic())
        return spec

    def _as_deployed(self, function: str, package: Path) -> Path:
        """The package as in an archive: in a directory that holds no other function's."""
        link = self._directory / function / package.name
        if not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(package)
        return link

    def _follow(self, sources: Sources, process: int) -> None:
        """Import what was saved before somebody asks for it, and report what came of it."""
        ended = select.poll()
        ended.register(process, select.POLLIN)
        problems: set[str] = set()
        while self._sources is sources:
            with self._lock:
                deployed = [spec for name, spec in self._deployed.items() if name in sources.functions]
            for spec in sorted(deployed, key=lambda spec: spec.name not in sources.debuggers):  # somebody waits for those
                if ended.poll(0):
                    break
                try:
                    self.current(spec)
                except OSError as error:  # links in a circle, a full disk: whoever saves next may have mended it
                    if str(error) not in problems:
                        LOG.warning("what is saved of %s is not followed: %s", spec.name, error)
                        problems.add(str(error))
                    continue
                version = self._versions.get(spec.identity)
                if version is not None and not version.reported:
                    version.reported = True
                    self._report(spec.name, version, ended)
                    self._compile(version.files)
            if ended.poll(LOOK_SECONDS * 1000):
                with self._lock:
                    if self._sources is sources:
                        LOG.info("process %d is gone: functions run as they were deployed", sources.process)
                        self.switch_off()
        os.close(process)

    def _report(self, function: str, version: _Version, ended: select.poll) -> None:
        """Nothing when the process is gone first: what waits for its debugger would never start."""
        prepared = self._pool.prepare(version.spec)
        while not concurrent.futures.wait([prepared], LOOK_SECONDS).done:
            if ended.poll(0):
                return
        error = prepared.result()
        took = time.monotonic() - version.seen_at
        report = {
            "function": function,
            "changed": version.changed,
            "milliseconds": round(took * 1000),
            "error": json.loads(error or b"null"),
        }
        with self._lock:
            self._reports.append({"number": self._reports[-1]["number"] + 1 if self._reports else 1, **report})

    def _compile(self, files: Files) -> None:
        """Spare the next import the compilation of what stays as it is; compiled modules know their source by its hash, not its time."""
        for path, stamp in files.items():
            if path.endswith(".py") and self._compiled.get(path) != stamp:
                self._compiled[path] = stamp
                target = f"{self._bytecode}{path.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"
                with contextlib.suppress(OSError, py_compile.PyCompileError):  # whoever imports it will say so
                    py_compile.compile(path, target, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)


def _files(*directories: Path) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """All that may be imported or read, below these directories."""
    for directory in directories:
        with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.startswith((".", "__pycache__")):
                    continue
                if entry.is_dir():
                    yield from _files(Path(entry.path))
                else:
                    with contextlib.suppress(FileNotFoundError):  # an editor's temporary file
                        stat = entry.stat()
                        yield entry.path, (stat.st_mtime_ns, stat.st_size, stat.st_ino)
