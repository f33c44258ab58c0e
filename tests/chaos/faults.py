"""How each kind of fault is made: a context that breaks something as it begins and lets go of it as it ends."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import botocore.exceptions
import pymysql
import redis as redis_client

from common.topology import CONSUMERS, TOPOLOGY, channels_of, consumer_function
from infra.stack import launcher
from tests.chaos.kinds import ARGUMENTS
from tests.chaos.system import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.chaos.plan import Fault
    from tests.chaos.system import ChaosSystem

_FIND_SECONDS = 20.0
_PASSING_SECONDS = 3.0
# Lambda takes 6 MB; Redis takes what it is given.
_OVERSIZED = 7_000_000
_MOST_LOCKED = 40


class NotDoneError(Exception):
    """The fault could not be made, or did nothing: what it was to strike was not there."""


@dataclass
class Attack:
    """A fault as it is made: on which system, with what, and what it leaves behind that is no violation."""

    system: ChaosSystem
    fault: Fault
    dead_letters: set[tuple[str, str]]
    """(consumer, event_id) of what must end as a dead letter."""
    versions: Iterator[int]
    holds: list[float] = field(default_factory=list)
    """Seconds for which what was broken stays so."""

    def __getitem__(self, name: str) -> Any:
        return self.fault.arguments[name]

    def hold(self, seconds: float) -> None:
        """Have the breakage last so long."""
        self.holds.append(seconds)

    @property
    def rng(self) -> random.Random:
        """Chance, the same for the same fault of the same plan."""
        return random.Random(f"{self.fault.number} {self.fault.kind}")  # repeatable is what it has to be


# processes


def _kill(find: Callable[[], int | None], what: str) -> None:
    try:
        pid = eventually(find, _FIND_SECONDS, what)
        os.kill(pid, signal.SIGKILL)
    except (TimeoutError, ProcessLookupError) as error:
        raise NotDoneError(str(error)) from error


@contextlib.contextmanager
def _kill_server(attack: Attack) -> Iterator[None]:
    name = attack.fault.kind.removeprefix("kill ")
    _kill(lambda: attack.system.server_pid(name), name)
    yield


@contextlib.contextmanager
def _kill_consumer(attack: Attack) -> Iterator[None]:
    _kill(lambda: attack.system.consumer_pid(attack["consumer"]), attack["consumer"])
    yield


@contextlib.contextmanager
def _kill_function(attack: Attack) -> Iterator[None]:
    _kill(lambda: attack.system.environment_pid(attack["function"]), attack["function"])
    yield


@contextlib.contextmanager
def _kill_supervisor(attack: Attack) -> Iterator[None]:
    """Nobody restarts the supervisor but a person: `make up` takes over what it left."""
    _kill(attack.system.supervisor_pid, "supervisor")
    yield
    attack.system.up()


@contextlib.contextmanager
def _crash(attack: Attack) -> Iterator[None]:
    """Have who passes the point next die there. Where nobody does soon, it stays so until somebody does."""
    order = attack.system.crash_point(attack.fault)
    if order.exists():
        raise NotDoneError("an earlier one has yet to be passed")
    order.write_text("once")
    with contextlib.suppress(TimeoutError):
        eventually(lambda: not order.exists(), _PASSING_SECONDS, "a death")
    yield


# Redis


@contextlib.contextmanager
def _flush_redis(attack: Attack) -> Iterator[None]:
    with attack.system.redis() as client:
        client.flushall()
    yield


@contextlib.contextmanager
def _redis_read_only(attack: Attack) -> Iterator[None]:
    """As a replica whose master is not there: it answers reads, and refuses writes."""
    with attack.system.redis() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
    attack.hold(attack["seconds"])
    try:
        yield
    finally:
        # One that was killed meanwhile comes back as a master.
        with contextlib.suppress(redis_client.ConnectionError), attack.system.redis() as client:
            client.execute_command("REPLICAOF", "NO", "ONE")


@contextlib.contextmanager
def _misbehaving(attack: Attack, proxy: str, **behaviour: Any) -> Iterator[None]:
    attack.system.proxies[proxy].say(**behaviour)
    attack.hold(attack["seconds"])
    try:
        yield
    finally:
        attack.system.proxies[proxy].say()


def _redis_slow(attack: Attack) -> contextlib.AbstractContextManager[None]:
    return _misbehaving(attack, "redis", delay=attack["delay"])


def _redis_away(attack: Attack) -> contextlib.AbstractContextManager[None]:
    return _misbehaving(attack, "redis", away=True)


@contextlib.contextmanager
def _cut_answers(attack: Attack) -> Iterator[None]:
    proxy = attack.system.proxies[attack.fault.kind.split()[1]]
    before = proxy.cut
    proxy.say(cut=attack["count"])
    try:
        with contextlib.suppress(TimeoutError):
            eventually(lambda: proxy.cut - before == attack["count"], _FIND_SECONDS, "so many answers")
    finally:
        proxy.say()
    if proxy.cut == before:
        raise NotDoneError("nobody was answered")
    yield


@contextlib.contextmanager
def _drop_redis_connections(attack: Attack) -> Iterator[None]:
    with attack.system.redis() as client:
        for sort in ("normal", "pubsub"):
            client.execute_command("CLIENT", "KILL", "TYPE", sort, "SKIPME", "yes")
    yield


# the database


@contextlib.contextmanager
def _drop_database_connections(attack: Attack) -> Iterator[None]:
    with attack.system.database() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user <> 'system user'")
        for row in cursor.fetchall():
            with contextlib.suppress(pymysql.Error):  # it ended by itself
                cursor.execute(f"KILL CONNECTION {row['id']}")
    yield


@contextlib.contextmanager
def _restart_mariadb(attack: Attack) -> Iterator[None]:
    launcher.set_server(attack.system.stack, "mariadb", "restart")
    yield


@contextlib.contextmanager
def _force_deadlocks(attack: Attack) -> Iterator[None]:
    """Lock storages one by one in the order that nobody else does, and hold on a moment: one of two must be the victim."""
    ended = threading.Event()

    def lock_backwards() -> None:
        with contextlib.suppress(pymysql.Error), attack.system.database(autocommit=False) as connection, connection.cursor() as cursor:
            cursor.execute("SET innodb_lock_wait_timeout = 1")
            while not ended.is_set():
                with contextlib.suppress(pymysql.Error):
                    cursor.execute("SELECT product_id FROM storages ORDER BY product_id DESC LIMIT %s", (_MOST_LOCKED,))
                    for row in cursor.fetchall():
                        cursor.execute("SELECT quantity FROM storages WHERE product_id = %s FOR UPDATE", (row["product_id"],))
                        ended.wait(0.002)
                connection.rollback()
                ended.wait(0.02)

    thread = threading.Thread(target=lock_backwards, daemon=True)
    thread.start()
    attack.hold(attack["seconds"])
    try:
        yield
    finally:
        ended.set()
        thread.join(10)


@contextlib.contextmanager
def _lock_rows(attack: Attack) -> Iterator[None]:
    """Hold the first storages' rows: six seconds are longer than a transaction waits for a row (innodb_lock_wait_timeout)."""
    with attack.system.database(autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM storages ORDER BY product_id LIMIT 5 FOR UPDATE")
        attack.hold(attack["seconds"])
        yield
        with contextlib.suppress(pymysql.Error):  # whatever took the connection let go of the rows as well
            connection.rollback()


@contextlib.contextmanager
def _exhaust_connections(attack: Attack) -> Iterator[None]:
    """Open connections until the server has none to give."""
    with contextlib.ExitStack() as held:
        with contextlib.suppress(pymysql.err.OperationalError):
            for _ in range(2000):
                held.enter_context(attack.system.database())
        attack.hold(attack["seconds"])
        yield


@contextlib.contextmanager
def _fill_the_disk(attack: Attack) -> Iterator[None]:
    let_go = attack.system.fill_disk()
    attack.hold(attack["seconds"])
    try:
        yield
    finally:
        let_go()


@contextlib.contextmanager
def _jump_the_clock(attack: Attack) -> Iterator[None]:
    attack.system.move_clock(attack["hours"])
    attack.hold(attack["seconds"] + 1)  # libfaketime looks once a second
    try:
        yield
    finally:
        attack.system.move_clock(0)


# messages


@contextlib.contextmanager
def _bad_messages(attack: Attack) -> Iterator[None]:
    """On every channel: what was told before, twice and backwards; half a message; a stranger's; one that is far too long."""
    told = _latest_events(attack, list(TOPOLOGY), 40)
    with attack.system.redis() as client:
        for channel in TOPOLOGY:
            mine = [row["payload"] for row in told if row["channel"] == channel]
            half = [payload[: len(payload) // 2] for payload in mine[:3]]
            stranger = json.dumps({"event_id": _id_of(attack), "event_type": "order_confirmed", "order_id": 1})
            for message in (*reversed(mine), *mine, *half, stranger, "null", b"\xff\x00\xfe", "x" * _OVERSIZED):
                client.publish(channel, message)
    yield


@contextlib.contextmanager
def _deliver_again(attack: Attack) -> Iterator[None]:
    """Each consumer function gets events it has had and events it is about to get: in any order, each of them twice."""
    functions = attack.system.functions()
    for consumer in CONSUMERS:
        events = [json.loads(row["payload"]) for row in _latest_events(attack, list(channels_of(consumer)), 40) if _is_sound(row)]
        attack.rng.shuffle(events)
        _invoke(functions, consumer, {"events": events + events[::-1]})
    yield


@contextlib.contextmanager
def _deliver_rubbish(attack: Attack) -> Iterator[None]:
    """Each consumer function gets what no bridge would send. It may fail; it may do nothing."""
    functions = attack.system.functions()
    rubbish: list[Any] = [
        {"events": [{"event_type": "order_confirmed"}]},
        {"events": [{"event_id": "x", "event_type": "no_such_event", "product_id": 1, "quantity": 5}]},
        {"events": "all of them"},
        {"events": [None]},
        [],
        {"events": [], "more": "x" * _OVERSIZED},
    ]
    for consumer in CONSUMERS:
        _invoke(functions, consumer, attack.rng.choice(rubbish))
    yield


def _invoke(functions: Any, consumer: str, payload: Any) -> None:
    with contextlib.suppress(botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
        functions.invoke(FunctionName=consumer_function("inventory", consumer), Payload=json.dumps(payload))


def _id_of(attack: Attack) -> str:
    """An event id that no event of the system has."""
    return str(uuid.UUID(int=attack.rng.getrandbits(128)))


def _is_sound(row: Mapping[str, Any]) -> bool:
    """Whether the bridge would hand this row to a consumer at all, and expect it to be done."""
    try:
        event = json.loads(row["payload"])
    except ValueError:
        return False
    return event.get("event_id") == row["event_id"] and "poison" not in event


def _latest_events(attack: Attack, channels: list[str], count: int) -> list[dict[str, Any]]:
    with attack.system.database() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT event_id, channel, payload FROM outbox WHERE channel IN %s ORDER BY id DESC LIMIT %s", (channels, count))
        return list(cursor.fetchall())


@contextlib.contextmanager
def _poison_event(attack: Attack) -> Iterator[None]:
    """An event that no consumer can take, in the outbox among those that it can."""
    event_id = _id_of(attack)
    event: dict[str, Any] = {"event_id": event_id, "trace_id": "poison", "occurred_at": "2026-01-01T00:00:00+00:00", "poison": True}
    channel = "procurement_stock_in"
    event |= {"event_type": channel, "procurement_id": 1, "product_id": 1, "quantity": 3}
    match attack["sort"]:
        case "unknown product":
            event["product_id"] = 2_000_000_000
        case "no quantity":
            event["quantity"] = 0
        case "another's id":
            event["event_id"] = str(uuid.UUID(int=0))
        case "no such order":
            channel = "order_status"
            event |= {"event_type": "order_confirmed", "order_id": 2_000_000_000}
    payload = json.dumps(event)
    if attack["sort"] == "half an event":
        payload = payload[: len(payload) // 2]
    with attack.system.database() as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO outbox (event_id, channel, payload, trace_id, created_at) VALUES (%s, %s, %s, 'poison', UTC_TIMESTAMP(6))",
            (event_id, channel, payload),
        )
    attack.dead_letters.update((consumer, event_id) for consumer in TOPOLOGY[channel].consumers)
    yield


# the whole


@contextlib.contextmanager
def _deploy(attack: Attack) -> Iterator[None]:
    attack.system.change_code(f"{attack.fault.number}-{next(attack.versions)}")
    attack.system.up()
    yield


@contextlib.contextmanager
def _down_and_up(attack: Attack) -> Iterator[None]:
    attack.system.down()
    attack.system.up()
    yield


BREAK: dict[str, Callable[[Attack], contextlib.AbstractContextManager[None]]] = {
    "kill mariadb": _kill_server,
    "kill redis": _kill_server,
    "kill localstack": _kill_server,
    "kill bridge": _kill_server,
    "kill consumer": _kill_consumer,
    "kill function": _kill_function,
    "kill supervisor": _kill_supervisor,
    "crash function": _crash,
    "crash consumer": _crash,
    "flush redis": _flush_redis,
    "redis read-only": _redis_read_only,
    "redis slow": _redis_slow,
    "redis away": _redis_away,
    "cut redis answers": _cut_answers,
    "cut database answers": _cut_answers,
    "drop redis connections": _drop_redis_connections,
    "drop database connections": _drop_database_connections,
    "restart mariadb": _restart_mariadb,
    "force deadlocks": _force_deadlocks,
    "lock rows": _lock_rows,
    "exhaust connections": _exhaust_connections,
    "fill the disk": _fill_the_disk,
    "jump the clock": _jump_the_clock,
    "bad messages": _bad_messages,
    "deliver again": _deliver_again,
    "deliver rubbish": _deliver_rubbish,
    "poison event": _poison_event,
    "deploy": _deploy,
    "down and up": _down_and_up,
}
# What can go wrong with making a fault while another one of its group is at work.
HINDRANCES = (
    NotDoneError,
    TimeoutError,
    pymysql.Error,
    redis_client.RedisError,
    botocore.exceptions.BotoCoreError,
    botocore.exceptions.ClientError,
    launcher.CameNotUp,
    launcher.NotRunning,
    OSError,
)

assert BREAK.keys() == ARGUMENTS.keys()
