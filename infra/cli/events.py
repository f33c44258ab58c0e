"""`inventory events`: who tells whom what, what is being told right now, and where an event is."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import redis
import typer
from rich.markup import escape
from sqlalchemy import bindparam, text

from common import deliveries
from common.redis_client import redis_address
from common.topology import TOPOLOGY
from infra.cli.context import CommandFailed, errors, output
from infra.cli.database import session_of, settings_of
from infra.cli.options import AsJson, group
from infra.cli.table import Table

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

app = group("Events: the topology, those on their way, and where one is.", needs_command=False)

_ENVELOPE = ("event_id", "event_type", "occurred_at", "trace_id", "traceparent")
_MOVEMENTS = text(
    "SELECT id, product_id, delta, balance_after, reason, reference, event_id, created_at FROM stock_movements WHERE event_id IN :event_ids"
).bindparams(bindparam("event_ids", expanding=True))
_STATES = {"processed": "green", "dead": "red", "failing": "yellow", "waiting": "yellow"}


@app.callback(invoke_without_command=True)
def topology(context: typer.Context, as_json: AsJson = False) -> None:
    """Show each channel: who publishes what on it, and who consumes it. The commands below look at the events themselves."""
    if context.invoked_subcommand:
        return
    if as_json:
        channels = {
            channel.name: {"publisher": channel.publisher, "event_types": channel.event_types, "consumers": channel.consumers}
            for channel in TOPOLOGY.values()
        }
        output.print_json(json.dumps(channels))
        return
    table = Table("channel", "published by", "consumed by")
    for channel in TOPOLOGY.values():
        table.add_row(channel.name, channel.publisher, ", ".join(channel.consumers), note=", ".join(channel.event_types))
    table.print(output)


@app.command()
def tail(
    context: typer.Context,
    channel: Annotated[list[str] | None, typer.Option(help="Only this channel; may be given several times. [default: all]")] = None,
    as_json: AsJson = False,
) -> None:
    """Print each event as it is published, until Ctrl-C: what `redis-cli SUBSCRIBE` shows, made readable."""
    unknown = sorted(set(channel or ()) - set(TOPOLOGY))
    if unknown:
        raise CommandFailed(f"There is no channel {', '.join(unknown)}. There are: {', '.join(TOPOLOGY)}")
    settings = settings_of(context)
    client = redis.Redis(**redis_address(settings), socket_connect_timeout=2)
    with client, client.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
        subscription.subscribe(*(channel or TOPOLOGY))
        errors.print("Listening; Ctrl-C ends it.", style="dim")
        for message in subscription.listen():
            name, text = message["channel"].decode(), message["data"].decode(errors="replace")
            if as_json:
                sys.stdout.write(json.dumps({"channel": name, "message": _parsed(text)}) + "\n")
                sys.stdout.flush()
            else:
                output.print(_line(name, _parsed(text)))


@app.command()
def show(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="EVENT_ID|TRACE_ID", help="An event, or a request whose events are wanted.")],
    as_json: AsJson = False,
) -> None:
    """Where is my stock change? Each event with what became of it at every consumer, and the stock movement it caused.

    Exit code 1 when there is no such event, 3 when one has not reached all its consumers.
    """
    with session_of(context) as session:
        events = deliveries.whereabouts(session, deliveries.events_of(session, key))
        movements = _movements(session, [event["event_id"] for event in events])
    events = [event | {"movement": movements.get(event["event_id"])} for event in events]
    if as_json:
        output.print_json(json.dumps(events, default=str))
    else:
        for event in events:
            _print_event(event)
    if not events:
        raise CommandFailed(f"No event has the id or trace id {key}.")
    if any(told["state"] != "processed" for event in events for told in event["consumers"]):
        raise typer.Exit(3)


def _print_event(event: dict[str, Any]) -> None:
    kind = event["event_type"] or "?"
    output.print(f"[bold]{escape(kind)}[/]  {event['event_id']}  on {event['channel']}, recorded {event['occurred_at']}")
    output.print(f"  {escape(_fields(event['payload']))}")
    for told in event["consumers"]:
        details = " ".join(str(told[name]) for name in ("at", "reason") if told[name] is not None)
        letter = f" (dead letter {told['dead_letter_id']})" if told["dead_letter_id"] else ""
        output.print(f"  {told['consumer']}: [{_STATES[told['state']]}]{told['state']}[/] {escape(details)}{letter}")
    if movement := event["movement"]:
        output.print(f"  stock of product {movement['product_id']}: {movement['delta']:+}, then {movement['balance_after']}")


def _movements(session: Session, event_ids: list[str]) -> dict[str, dict[str, Any]]:
    """The changes of stock that these events caused, by event."""
    found = session.execute(_MOVEMENTS, {"event_ids": event_ids or [""]})
    return {row.event_id: dict(row._mapping) for row in found}  # noqa: SLF001  # SQLAlchemy's own name of it


def _line(channel: str, message: Any) -> str:
    if not isinstance(message, dict):
        return f"[red]{channel}[/]  no event: {escape(str(message)[:200])}"
    moment = str(message.get("occurred_at", ""))[11:23]
    return f"[dim]{escape(moment)}[/] [cyan]{channel}[/] [bold]{escape(str(message.get('event_type')))}[/] {escape(_fields(message))}"


def _fields(message: Any) -> str:
    if not isinstance(message, dict):
        return str(message)
    return " ".join(f"{name}={value}" for name, value in message.items() if name not in _ENVELOPE)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
