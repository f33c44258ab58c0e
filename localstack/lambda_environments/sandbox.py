"""What a function's processes may touch of this machine: its own code and scratch directory, and nobody else's process (`landlock`)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lambda_environments.model import FunctionSpec


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Beside the system's own files."""

    readable: frozenset[Path]
    writable: frozenset[Path]

    def as_order(self) -> Mapping[str, list[str]]:
        """What `bootstrap` is told."""
        return {"readable": sorted(map(str, self.readable)), "writable": sorted(map(str, self.writable))}


@dataclass(frozen=True, slots=True)
class SandboxRules:
    """From which each function's sandbox follows."""

    directory: Path
    """Holds code, layers and runtime of all functions, and no secret: a base may read all of it."""
    readable: frozenset[Path] = frozenset()
    """What every function may read beside its own."""
    writable: frozenset[Path] = frozenset()

    def of_function(self, spec: FunctionSpec, runtime_dir: Path, scratch_dir: Path) -> Sandbox:
        """`scratch_dir` holds those of the function's environments."""
        own = {spec.code_dir, *spec.layer_dirs, *spec.sources, runtime_dir}
        if spec.bytecode_dir:
            own.add(spec.bytecode_dir)
        if spec.debugger:
            own |= {spec.debugger.path, *(each.resolve() for each in spec.debugger.path.iterdir())}  # debugpy may be a link
        return Sandbox(self.readable | own, self.writable | {scratch_dir})

    def of_base(self, function: Sandbox, scratch_dir: Path) -> Sandbox:
        """Of a process that others become of: it runs layers' code only, and each gives up more before it imports its function.

        `scratch_dir` holds those of all functions.
        """
        elsewhere = {path for path in function.readable if not path.is_relative_to(self.directory)}
        return replace(function, readable=frozenset({self.directory, *elsewhere}), writable=self.writable | {scratch_dir})


def scratch_name(spec: FunctionSpec) -> str:
    """Of the directory with those of a function's environments."""
    whose = f"{spec.account}:{spec.region}:{spec.name}"
    return f"{spec.name[:40]}-{hashlib.sha256(whose.encode()).hexdigest()[:8]}"
