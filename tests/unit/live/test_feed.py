"""The feed over tables in memory, whose connection breaks where a real one seldom does."""

import asyncio
import contextlib
import json
import re

import pymysql
import pytest

from infra.live import feed as feeding
from infra.live.feed import Feed
from infra.live.listener import Listener
from infra.live.settings import LiveSettings


class Tables:
    """The outbox, whose rows count up, and a ledger of stock without rows; as a connection and its cursor."""

    def __init__(self):
        self.outbox = 0
        self.failures = 0
        """How often the ledger is still to fail once the outbox has been read."""

    def cursor(self):
        return contextlib.nullcontext(self)

    def execute(self, query, values):
        of_outbox = "FROM outbox" in query
        if not of_outbox and "id > " in query and self.failures:
            self.failures -= 1
            raise pymysql.err.OperationalError(2013, "Lost connection to MySQL server during query")
        ids = range(1, self.outbox + 1) if of_outbox else ()
        if "created_at <" in query:
            self._rows = [{"id": row, "settled": True} for row in reversed(ids)]
        elif " IN " in query:
            self._rows = [self._row(row) for row in ids if row in values["ids"]]
        else:
            self._rows = [self._row(row) for row in ids if row > values["after"]]

    def fetchall(self):
        return self._rows

    def close(self):
        pass

    @staticmethod
    def _row(number):
        return {"id": number, "channel": "order_status", "payload": json.dumps({"event_id": str(number)})}


@pytest.fixture
def tables(monkeypatch):
    tables = Tables()
    monkeypatch.setattr(feeding, "connect", lambda: tables)
    return tables


@contextlib.asynccontextmanager
async def running():
    feed = Feed(LiveSettings(port=1, gateway_url="http://gateway", shortest_pause=0.001, longest_pause=0.01, outage_pause=0.01))
    task = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        task.cancel()


async def never():
    return False


def told(chunk):
    """Position, name and data of each event of a chunk."""
    found = []
    for block in chunk.decode().strip().split("\n\n"):
        fields = dict(re.findall(r"^(\w+): (.*)$", block, re.MULTILINE))
        found.append((fields["id"], fields.get("event", "message"), json.loads(fields["data"])))
    return found


def test_what_was_read_before_the_connection_was_lost_is_told_after_it(tables):
    async def scenario():
        async with running() as feed, asyncio.timeout(10):
            stream = feed.follow(None, Listener(60, never, 3600))
            assert told(await anext(stream)) == [("0.0", "ready", {"resumed": False})]
            tables.failures = 2
            tables.outbox = 1
            assert told(await anext(stream)) == [("1.0", "message", {"channel": "order_status", "event_id": "1"})]
            assert tables.failures == 0
            await stream.aclose()

    asyncio.run(scenario())


def test_who_may_not_stay_is_told_the_position_up_to_which_it_was_told(tables):
    class Leaving(Listener):
        may_stay_on = True

        def may_stay(self):
            return self.may_stay_on

    async def scenario():
        async with running() as feed, asyncio.timeout(10):
            listener = Leaving(60, never, 3600)
            stream, other = feed.follow(None, listener), feed.follow(None, Listener(60, never, 3600))
            for each in (stream, other):
                await anext(each)
            tables.outbox = 1
            for each in (stream, other):
                assert told(await anext(each))[0][0] == "1.0"
            tables.outbox = 2
            assert told(await anext(other))[0][0] == "2.0"
            listener.may_stay_on = False
            assert told(await anext(stream)) == [("1.0", "expired", {})]
            await other.aclose()

    asyncio.run(scenario())
