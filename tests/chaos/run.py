"""A run: the stage is set, the clients work, things break as planned; then everything is to come to rest, and is judged."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import redis as redis_client

from common.liveness import STATES_KEY
from infra.reconcile.sums import SUMS
from tests.chaos.faults import BREAK, HINDRANCES, Attack
from tests.chaos.invariants import Facts, Violation, violations
from tests.chaos.kinds import ARGUMENTS, CRASHES
from tests.chaos.recovery import NotRecoveredError, Probe
from tests.chaos.workload import Workload
from tests.chaos.world import cached_entities, read_world, told_by_the_api, unsettled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymysql.connections import Connection
    from pymysql.cursors import DictCursor

    from tests.chaos.plan import Fault, Plan
    from tests.chaos.system import ChaosSystem

_RECOVERY_PATIENCE = 120.0
_SETTLING_PATIENCE = 120.0
_TELL_SECONDS = 5.0
# A consumer that is killed again and again is given up, by design; the operator of this run is quick.
_LOOK_AT_CONSUMERS_SECONDS = 1.0


def possible_kinds(system: ChaosSystem) -> dict[str, str]:
    """Every kind of fault -> why it cannot be made on this machine; empty where it can."""
    reasons = dict.fromkeys(ARGUMENTS, "")
    if not system.can_fill_the_disk:
        reasons["fill the disk"] = "mounting a small volume for the database takes root"
    if not system.can_move_the_clock:
        reasons["jump the clock"] = "libfaketime is not installed"
    return reasons


@dataclass
class Happened:
    """What became of the plan's faults."""

    made: list[Fault] = field(default_factory=list)
    hindered: list[tuple[Fault, str]] = field(default_factory=list)
    dead_letters: set[tuple[str, str]] = field(default_factory=set)
    recoveries: list[tuple[list[Fault], float]] = field(default_factory=list)
    """Those that broke together -> seconds until an order begun afterwards was confirmed."""
    never_recovered: list[list[Fault]] = field(default_factory=list)
    revivals: int = 0

    def longest_recovery(self, kind: str) -> float | None:
        """Of the times this kind broke alone."""
        return max((seconds for faults, seconds in self.recoveries if len(faults) == 1 and faults[0].kind == kind), default=None)


@dataclass(frozen=True)
class Outcome:
    """All that a run has to tell."""

    plan: Plan
    facts: Facts
    happened: Happened
    violations: list[Violation]
    seconds: float
    settling_seconds: float
    begun: int
    retries: dict[str, int]


def run(
    system: ChaosSystem,
    plan: Plan,
    say: Callable[[str], None],
    *,
    seconds: float = float("inf"),
    at_least: int = 0,
    patience: float = 180.0,
) -> Outcome:
    """Do what the plan says on a system that runs: all of it, or after so many seconds no more than `at_least` faults of it.

    `patience` is what a client has for an answer.
    """
    workload = Workload(plan, system.stack.gateway_url, system.directory / "clients", patience)
    workload.set_the_stage()
    sum_up(system)
    say(f"the stage is set: {len(plan.staged)} operations, and summed up")
    probe = _probe(workload, system)
    happened = Happened()
    began = time.monotonic()
    with _telling(workload, happened, plan, say), reviving(system, happened), contextlib.closing(probe):
        probe.measure(time.monotonic(), _RECOVERY_PATIENCE)
        workload.start()
        _break_things(system, plan, workload, probe, happened, began + seconds, at_least)
        workload.join()
        worked = time.monotonic() - began
        say("all answered; waiting for what is on its way")
        unrest = _settle(system)
    _put_off_what_nobody_passed(system, happened)
    facts = gather(system, workload, probe, happened)
    found = violations(facts)
    if unrest:
        found.append(Violation("undelivered", f"{unrest} events or orders are not through after {_SETTLING_PATIENCE:g} s"))
    found.extend(Violation("undecided", f"no order was confirmed after {_names(faults)}") for faults in happened.never_recovered)
    settled = time.monotonic() - began - worked
    return Outcome(plan, facts, happened, found, worked, settled, workload.pace.begun, workload.causes())


def sum_up(system: ChaosSystem) -> None:
    """Have all sums there are from now on, which the services would make when they are asked for them a minute later."""
    with system.database(autocommit=False) as connection, connection.cursor() as cursor:
        for sums in SUMS:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            sums.make_anew(cursor, all_of_it=True)
            connection.commit()


def gather(system: ChaosSystem, workload: Workload, probe: Probe, happened: Happened) -> Facts:
    """What there is to be judged, as it is now."""
    api = told_by_the_api(workload.api)
    with system.redis() as client:
        cached = cached_entities(client)
    with system.database(autocommit=False) as connection:
        world = read_world(connection)
    return Facts(workload.plan, workload.ledger, world, dict(probe.tried), frozenset(happened.dead_letters), cached, api)


def gathered(facts: Facts, connection: Connection[DictCursor]) -> Facts:
    """The same, with the database as this connection sees it."""
    return replace(facts, world=read_world(connection))


def _probe(workload: Workload, system: ChaosSystem) -> Probe:
    customer, product = workload.plan.made("add customer")[0].number, workload.plan.made("add product")[-1].number
    ids = [workload.ledger.id_of(number) for number in (customer, product)]
    assert ids[0] is not None
    assert ids[1] is not None
    return Probe(system.stack.gateway_url, workload.api, ids[0], ids[1])


def _break_things(
    system: ChaosSystem, plan: Plan, workload: Workload, probe: Probe, happened: Happened, deadline: float, at_least: int
) -> None:
    versions = itertools.count(1)
    groups = list(plan.groups())
    ends = [group[0].at for group in groups[1:]] + [len(plan.operations)]
    workload.pace.allow(groups[0][0].at if groups else len(plan.operations))
    for group, end in zip(groups, ends, strict=True):
        workload.pace.wait_for(group[0].at, lambda: workload.done)
        if workload.pace.stopped or (time.monotonic() > deadline and len(happened.made) >= at_least):
            workload.pace.stop()
            return
        workload.pace.allow(end)
        _break(system, group, versions, probe, happened)


def _break(system: ChaosSystem, group: list[Fault], versions: Iterator[int], probe: Probe, happened: Happened) -> None:
    attacks = [Attack(system, fault, happened.dead_letters, versions) for fault in group]
    killed = group[0].kind.startswith(("kill", "crash"))
    with contextlib.ExitStack() as broken:
        done = 0
        for attack in attacks:
            try:
                broken.enter_context(BREAK[attack.fault.kind](attack))
            except HINDRANCES as error:
                happened.hindered.append((attack.fault, f"{type(error).__name__}: {error}"))
            else:
                done += 1
                happened.made.append(attack.fault)
        since = time.monotonic()
        time.sleep(max((seconds for attack in attacks for seconds in attack.holds), default=0))
    if not done:
        return
    try:
        # Of a process that was killed, from then on; of what was held broken, from when it was let go.
        taken = probe.measure(since if killed else time.monotonic(), _RECOVERY_PATIENCE)
    except NotRecoveredError:
        happened.never_recovered.append(group)
    else:
        happened.recoveries.append((group, taken))


def _put_off_what_nobody_passed(system: ChaosSystem, happened: Happened) -> None:
    for fault in [fault for fault in happened.made if fault.kind in CRASHES]:
        order = system.crash_point(fault)
        if order.exists():
            order.unlink()
            happened.made.remove(fault)
            happened.hindered.append((fault, "nobody passed there any more"))


def _settle(system: ChaosSystem) -> int:
    """Wait until nothing is on its way any more. Returns how much still is when patience ends."""
    deadline = time.monotonic() + _SETTLING_PATIENCE
    while True:
        with system.database() as connection:
            left = unsettled(connection)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.2)


@contextlib.contextmanager
def _every(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    ended = threading.Event()

    def acting() -> None:
        while not ended.wait(seconds):
            act()

    thread = threading.Thread(target=acting, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _telling(workload: Workload, happened: Happened, plan: Plan, say: Callable[[str], None]) -> contextlib.AbstractContextManager[None]:
    began = time.monotonic()

    def tell() -> None:
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        faults = len(happened.made) + len(happened.hindered)
        latest = _names(happened.made[-1:]) or "none yet"
        operations = f"{workload.pace.begun:,} of {len(plan.operations):,} operations begun, {workload.retries:,} retries"
        say(f"{minutes:02}:{seconds:02}  {operations}, {faults:,} of {len(plan.faults):,} faults, the latest: {latest}")

    return _every(_TELL_SECONDS, tell)


def reviving(system: ChaosSystem, happened: Happened) -> contextlib.AbstractContextManager[None]:
    """An operator who looks every second whether the bridge has given a consumer up."""

    def revive() -> None:
        try:
            with system.redis() as client:
                states: dict[bytes, bytes] = client.hgetall(STATES_KEY)  # type: ignore[assignment]
        except redis_client.RedisError:
            return
        if any(json.loads(state).get("state") == "given_up" for state in states.values()):
            happened.revivals += 1
            system.revive_consumers()

    return _every(_LOOK_AT_CONSUMERS_SECONDS, revive)


def _names(faults: list[Fault]) -> str:
    return " with ".join(f"{fault.kind} {' '.join(map(str, fault.arguments.values()))}".strip() for fault in faults)
