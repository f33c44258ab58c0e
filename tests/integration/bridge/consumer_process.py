"""A consumer process of the bridge whose function is called in process: the real `consume`, on the real database.

An event's `misbehave` says how it is handled: `raise` (the function names it as failed), `break` (the function crashes),
`unavailable` (the function says that the database is away), `forget` (the function answers without doing it), `slow`.
"""

import time

from sqlalchemy import text

from common.consuming import consume
from common.errors import UnavailableError
from infra.bridge import consumer
from infra.bridge.child import CARETAKER, LIVE_EVENTS, run_child
from infra.bridge.invocation import Answered, Broken, Unavailable

_EFFECT = text("INSERT INTO bridge_test_effects (consumer, event_id, applied_at) VALUES (:consumer, :event_id, UTC_TIMESTAMP(6))")


def function_in_process(consumer, settings):
    def apply(session, events):
        for event in events:
            match event.get("misbehave"):
                case "raise":
                    raise ValueError("poison")
                case "unavailable":
                    raise UnavailableError("no database for this one")
                case "slow":
                    time.sleep(0.5)
            session.execute(_EFFECT, {"consumer": consumer, "event_id": event["event_id"]})

    def invoke(events):
        if any(event.get("misbehave") == "break" for event in events):
            return Broken("Runtime.ExitError: exit status 1")
        remembered = [event for event in events if event.get("misbehave") != "forget"]
        try:
            answer = consume(consumer, {"events": remembered}, apply)
        except UnavailableError as error:
            return Unavailable(str(error))
        return Answered({item["itemIdentifier"]: item["reason"] for item in answer["batchItemFailures"]})

    return invoke


def run(name, heartbeats):
    return run_child(name, heartbeats) if name in {CARETAKER, LIVE_EVENTS} else consumer.run(name, heartbeats, function_in_process)
