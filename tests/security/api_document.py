"""The gateway against its own document, by schemathesis: every operation, alone and one after another, as an admin.

What is answered has to be in the document: its status, its content type, its form; nothing is answered with 5xx, what the document
forbids is refused, and what needs a token is not had without.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.security.part import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from tests.security.target import Target

# The live events are the page's, a stream without an end: `authentication` asks for them.
STREAMED = "/api/events"
# They end the token they are asked with, so they get one of their own.
ENDING = frozenset({"/api/auth/logout", "/api/auth/password"})
NOT_CHECKED = {
    "positive_data_acceptance": "what the document allows may be refused all the same: an id may be nobody's",
    "unsupported_method": "API Gateway knows routes of method and path, and says 404",
    "allow_header_conformance": "so it has no Allow header either",
}
PHASES = ("coverage", "fuzzing", "stateful")
# Of the cases that were asked for: so many are made one by one, the others follow one another.
_ALONE = 0.75
_STEPS = 30
# Most end long before that.
_STEPS_OF_MOST = 4
_FOLLOWING = "cases: stateful"
_FOR_WHAT_FOLLOWS = 0.5
_DETAIL = 600


def attack(
    target: Target, cases: int, seed: int, *, seconds: float = 180, phases: Iterable[str] = PHASES, without: Collection[str] = ()
) -> Part:
    """About so many random cases, and before them those that the document's bounds call for; for so many seconds at most.

    Each operation is asked for at least once, however long that takes; `without` some paths, where others use the same system.
    """
    part = Part("the API against its document")
    attacker, spare = target.user("admin"), target.user("viewer")
    with target.client() as client:
        document = client.get("/api/openapi.json").json()
    for path in (STREAMED, *without):
        document["paths"].pop(path, None)
    deadline = time.monotonic() + seconds
    lasting, ending = _of(document, lambda path, *_: path not in ENDING), _of(document, lambda path, *_: path in ENDING)
    share = len(ending["paths"]) / len(document["paths"])
    spared = {str(attacker.id): str(spare.id)}
    asked = Asked()
    url, alone, following = target.stack.gateway_url, set(phases) - {"stateful"}, set(phases) & {"stateful"}
    # What has no end of its own comes last: on a slow machine it is what there is less of.
    run(part, ending, url, spare.token, round(cases * share), seed, deadline, asked, phases=alone)
    if following:
        # Hypothesis ends when it finds little that is new, from one beginning; from others there is more.
        until = time.monotonic() + (deadline - time.monotonic()) * _FOR_WHAT_FOLLOWS
        for beginning in itertools.count(seed):
            run(part, _linked(lasting), url, attacker.token, cases, beginning, until, asked, phases=following, spared=spared)
            if part.tried[_FOLLOWING] >= cases * (1 - _ALONE) or time.monotonic() > until:
                break
    run(part, lasting, url, attacker.token, cases, seed, deadline, asked, phases=alone, spared=spared)
    for some, token in ((ending, spare.token), (lasting, attacker.token)):
        unasked = _of(some, lambda path, method, _: f"{method.upper()} {path}" not in asked.all)
        if unasked["paths"]:
            run(part, unasked, url, token, 1, seed, math.inf, asked, phases={"fuzzing"}, spared=spared)
    part.cases("operations of the document", len(operations_of(document)), asked.missing(document))
    part.cases("operations that did what was asked", len(asked.done))
    part.cases("things read, changed and deleted, each by what another answer said", len(asked.walked))
    with target.client(attacker.token) as client:
        # Without this, all could have been answered to nobody.
        still = client.get("/api/auth/users").status_code
        part.case("an admin to the end", [] if still == 200 else [f"the attacker was answered {still} in the end"])
    return part


@dataclass
class Asked:
    """Which operations were asked for, and which did what was asked."""

    all: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    walked: set[str] = field(default_factory=set)
    """What was there to be read, changed and deleted, one after another."""

    def missing(self, document: dict[str, Any]) -> list[str]:
        """What nobody asked for is not known to be sound."""
        return [f"{operation} was never asked for" for operation in operations_of(document) if operation not in self.all]


def operations_of(document: dict[str, Any]) -> list[str]:
    """By method and path."""
    return [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]


def run(
    part: Part,
    document: dict[str, Any],
    url: str,
    token: str,
    cases: int,
    seed: int,
    deadline: float,
    asked: Asked,
    *,
    phases: Iterable[str] = PHASES,
    spared: Mapping[str, str] | None = None,
) -> None:
    """Ask for what the document describes; `spared` users, ourselves, are not changed but others in their place."""
    operations = len(operations_of(document))
    schema = schemathesis.openapi.from_dict(_strict(document), config=_config(url, token, operations, cases, seed, set(phases)))

    with _sparing(spared or {}):
        _follow(part, from_schema(schema).execute(), asked, deadline)


def _follow(part: Part, stream: Any, asked: Asked, deadline: float) -> None:
    """Count what is asked, and keep what is wrong with the answers."""
    seen: set[tuple[str, str, Any]] = set()
    for event in stream:
        if isinstance(event, events.ScenarioFinished):
            part.cases(f"cases: {event.phase.value.lower()}", len(event.recorder.interactions))
            asked.all.update(_operations_in(event.recorder))
            asked.done.update(_operations_in(event.recorder, succeeded=True))
            asked.walked.update(_walked(event.recorder))
            for tried, key, detail in _failures(event.recorder):
                if key not in seen:  # one of a kind is enough
                    seen.add(key)
                    part.cases(tried, 0, [detail])
        elif isinstance(event, events.NonFatalError):
            part.cases("schemathesis itself", 0, [f"{event.label}: {event.value}"[:_DETAIL]])
        elif isinstance(event, events.FatalError):
            part.cases("schemathesis itself", 0, [str(event.exception)[:_DETAIL]])
        if time.monotonic() > deadline:
            stream.stop()


@contextlib.contextmanager
def _sparing(spared: Mapping[str, str]) -> Iterator[None]:
    """While this lasts, requests about some users are made about others."""

    def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
        held = str((case.path_parameters or {}).get("user_id"))
        if held in spared:
            case.path_parameters["user_id"] = spared[held]

    schemathesis.hook("before_call")(before_call)
    try:
        yield
    finally:
        schemathesis.hooks.unregister(before_call)


def _of(document: dict[str, Any], wanted: Callable[[str, str, dict[str, Any]], bool]) -> dict[str, Any]:
    """The document of some operations: those whose path, method and description are wanted."""
    paths = {
        path: {method: described for method, described in methods.items() if wanted(path, method, described)}
        for path, methods in document["paths"].items()
    }
    return {**document, "paths": {path: methods for path, methods in paths.items() if methods}}


def _linked(document: dict[str, Any]) -> dict[str, Any]:
    """What may follow something and be followed: among lists and sums, which need nothing, the chains would be few."""
    return _of(document, lambda _path, _method, described: any("links" in answer for answer in described["responses"].values()))


def _strict(document: dict[str, Any]) -> dict[str, Any]:
    """The document without `default`, as an answer that nobody told beforehand is to be seen, and without links out of it."""
    strict = copy.deepcopy(document)
    described = [operation for methods in strict["paths"].values() for operation in methods.values()]
    names = {operation.get("operationId") for operation in described}
    for operation in described:
        operation["responses"].pop("default", None)
        for answer in operation["responses"].values():
            if links := answer.get("links"):
                answer["links"] = {name: link for name, link in links.items() if link["operationId"] in names}
    return strict


def _config(url: str, token: str, operations: int, cases: int, seed: int, phases: set[str]) -> SchemathesisConfig:
    alone = max(1, round(cases * _ALONE / max(1, operations)))
    following = max(1, round(cases * (1 - _ALONE) / _STEPS_OF_MOST))
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "base-url": url,
            "headers": {"Authorization": f"Bearer {token}"},
            "workers": 2,
            "continue-on-failure": True,
            "request-timeout": 30,
            "generation": {"max-examples": alone, "no-shrink": True, "database": "none"},
            "checks": {name: {"enabled": False} for name in NOT_CHECKED},
            "phases": {
                "examples": {"enabled": False},
                "coverage": {"enabled": "coverage" in phases, "unexpected-methods": []},
                "fuzzing": {"enabled": "fuzzing" in phases},
                "stateful": {"enabled": "stateful" in phases, "max-steps": _STEPS, "generation": {"max-examples": following}},
            },
        }
    )


def _operations_in(recorder: Any, *, succeeded: bool = False) -> Iterator[str]:
    for case_id, node in recorder.cases.items():
        interaction = recorder.interactions.get(case_id)
        answer = interaction.response if interaction else None
        if not succeeded or (answer is not None and answer.status_code < 300):
            yield f"{node.value.operation.method.upper()} {node.value.operation.path}"


def _walked(recorder: Any) -> Iterator[str]:
    """Addresses at which all that can be done to a thing was done."""
    done: dict[str, set[str]] = defaultdict(set)
    for interaction in recorder.interactions.values():
        if interaction.response is not None and interaction.response.status_code < 300:
            done[urlsplit(interaction.request.uri).path].add(interaction.request.method)
    yield from (path for path, methods in done.items() if methods >= {"GET", "PUT", "DELETE"})


def _failures(recorder: Any) -> Iterable[tuple[str, tuple[str, str, Any], str]]:
    """What was checked, what makes it another failure than others, and how to see it again."""
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is None or _is_repeated(check):
                continue
            failure, answer = check.failure_info.failure, recorder.interactions[case_id].response
            status = answer.status_code if answer is not None else None
            words = f"{failure.operation} answered {status}: {failure.title}: {failure.message} | {check.failure_info.code_sample}"
            yield check.name, (check.name, str(failure.operation), status), words[:_DETAIL]


def _is_repeated(check: Any) -> bool:
    """What an Idempotency-Key had created may be gone when its answer is repeated."""
    return check.name == "ensure_resource_availability" and "Idempotency-Key" in check.failure_info.code_sample
