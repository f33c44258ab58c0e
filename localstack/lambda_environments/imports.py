"""What a function is certain to import of its layers, read from its source: so much can be imported before the function is."""

from __future__ import annotations

import ast
import contextlib
import threading
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class CertainImports:
    modules: tuple[str, ...]
    """In the order in which the function's import would finish them."""
    packages: frozenset[str]
    """The installed packages among them, by the first part of their name."""


@dataclass(frozen=True, slots=True)
class _Import:
    module: str
    names: tuple[str, ...]
    level: int


class _EffectError(Exception):
    """The function's own code does something that a module imported after it may notice."""


def certain_imports(handler: str, own: Sequence[Path], layers: Sequence[Path]) -> CertainImports:
    """Follows imports at the top of modules from the handler's on, through directories of `own` code and through those of `layers`
    that hold source rather than installed packages; stops where code of its own, a call say, runs before an import.
    """
    reader = _Reader(own, layers)
    with contextlib.suppress(_EffectError):
        reader.visit(handler.rpartition(".")[0].replace("/", "."))
    packages = frozenset(name.partition(".")[0] for name, root in reader.found.items() if root in reader.installed)
    return CertainImports(tuple(name for name, root in reader.found.items() if root in layers), packages)


class _Reader:
    def __init__(self, own: Sequence[Path], layers: Sequence[Path]) -> None:
        self.found: dict[str, Path] = {}
        self.installed = {path for path in layers if any(path.glob("*.dist-info"))}
        self._own = own
        self._layers = layers
        self._seen: set[str] = set()

    def visit(self, name: str) -> None:
        """A module and, first, its parents."""
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            self._visit_one(".".join(parts[:length]))

    def _visit_one(self, name: str) -> None:
        if name in self._seen:
            return
        self._seen.add(name)
        located = self._locate(name)
        if located is None:
            return
        root, file, is_package = located
        if root not in self.installed and file.suffix == ".py":
            package = name if is_package else name.rpartition(".")[0]
            stat = file.stat()
            for found in _imports_of(file, stat.st_mtime_ns, stat.st_size):
                if found is None:
                    if root in self._own:
                        raise _EffectError
                    continue
                self._follow(found, package)
        self.found[name] = root

    def _follow(self, found: _Import, package: str) -> None:
        base = found.module
        if found.level:
            parts = package.split(".")
            base = ".".join([*parts[: len(parts) - found.level + 1], *([found.module] if found.module else [])])
        self.visit(base)
        for name in found.names:
            if self._locate(f"{base}.{name}") is not None:
                self.visit(f"{base}.{name}")

    def _locate(self, name: str) -> tuple[Path, Path, bool] | None:
        relative = name.replace(".", "/")
        for root in (*self._own, *self._layers):
            package = root / relative / "__init__.py"
            if package.exists():
                return root, package, True
            for extension in (".py", *EXTENSION_SUFFIXES):
                file = root / f"{relative}{extension}"
                if file.exists():
                    return root, file, False
        return None


_PARSING = threading.Lock()
"""CPython 3.11 counts how deep it is in a tree for all threads together: https://github.com/python/cpython/issues/106905"""


@lru_cache(maxsize=4096)
def _imports_of(file: Path, mtime_ns: int, size: int) -> tuple[_Import | None, ...]:  # noqa: ARG001 (they say whether it changed)
    """The imports a module does in any case, in order; None stands for something else it does."""
    try:
        with _PARSING:
            tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return (None,)
    return tuple(_of_statements(tree.body))


def _of_statements(statements: list[ast.stmt]) -> Iterator[_Import | None]:
    for statement in statements:
        match statement:
            case ast.Import(names=names):
                for alias in names:
                    yield _Import(alias.name, (), 0)
            case ast.ImportFrom(module=module, names=names, level=level) if module != "__future__":
                yield _Import(module or "", tuple(alias.name for alias in names), level)
            case ast.Expr(value=ast.Call()) | ast.With() | ast.For() | ast.While() | ast.Delete():
                yield None
            case ast.Assign(targets=targets) if any(not isinstance(target, ast.Name | ast.Tuple) for target in targets):
                yield None
