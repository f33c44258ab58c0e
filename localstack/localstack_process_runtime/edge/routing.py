"""Which resource and method a path means: a tree of its segments, literal before parameter before `{proxy+}`.

Paths are compared undecoded, a slash at the end says nothing, and a resource without the method gives way to the next that has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

Target = TypeVar("Target")
ANY = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


@dataclass(slots=True)
class _Node(Generic[Target]):
    literal: dict[str, _Node[Target]] = field(default_factory=dict)
    parameters: dict[str, _Node[Target]] = field(default_factory=dict)
    greedy: dict[str, dict[str, Target]] = field(default_factory=dict)
    methods: dict[str, Target] = field(default_factory=dict)


class Router(Generic[Target]):
    """Resources by path and method."""

    def __init__(self) -> None:
        self._root: _Node[Target] = _Node()

    def add(self, path: str, method: str, target: Target) -> None:
        """`path` as API Gateway spells it: `/orders/{id}/parts/{proxy+}`."""
        node = self._root
        for segment in path.strip("/").split("/") if path.strip("/") else ():
            if segment.startswith("{") and segment.endswith("+}"):
                node.greedy.setdefault(segment[1:-2], {})[method] = target
                return
            if segment.startswith("{") and segment.endswith("}"):
                node = node.parameters.setdefault(segment[1:-1], _Node())
            else:
                node = node.literal.setdefault(segment, _Node())
        node.methods[method] = target

    def match(self, path: str, method: str) -> tuple[Target, dict[str, str]] | None:
        """The target and the path's parameters; None where there is no such route."""
        trimmed = path.rstrip("/")
        segments = trimmed.split("/")[1:] if trimmed else []
        return _match(self._root, segments, 0, method)


def _match(node: _Node[Target], segments: list[str], at: int, method: str) -> tuple[Target, dict[str, str]] | None:
    if at == len(segments):
        found = _of_method(node.methods, method)
        return (found, {}) if found is not None else None
    segment = segments[at]
    child = node.literal.get(segment)
    if child is not None and (below := _match(child, segments, at + 1, method)):
        return below
    if segment:
        for name, inner in node.parameters.items():
            if below := _match(inner, segments, at + 1, method):
                below[1][name] = segment
                return below
    for name, methods in node.greedy.items():
        found = _of_method(methods, method)
        if found is not None:
            return found, {name: "/".join(segments[at:])}
    return None


def _of_method(methods: dict[str, Target], method: str) -> Target | None:
    found = methods.get(method)
    return methods.get("ANY") if found is None and method in ANY else found
