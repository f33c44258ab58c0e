"""Nothing is missed, whatever becomes visible when; what comes twice has the same event_id."""

import asyncio
import contextlib
from unittest.mock import patch

import pytest

from infra.live import tail
from infra.live.feed import Feed, Position
from infra.live.listener import Listener
from tests.integration.live.conftest import told

PATIENCE = 10


async def never():
    return False


class Client:
    """Someone who listens, and can go away and come back with the last id."""

    def __init__(self, feed):
        self.feed = feed
        self.stream = None
        self.last_id = None
        self.heard = []

    async def connect(self, *, seconds=60, is_refused=never, recheck_seconds=3600):
        since = Position.parse(self.last_id) if self.last_id else None
        self.stream = self.feed.follow(since, Listener(seconds, is_refused, recheck_seconds))
        return await self._next()

    async def disconnect(self):
        await self.stream.aclose()

    async def hear(self, count):
        """Until so many numbers were heard in all, each counted once."""
        while len(set(self.heard)) < count:
            await self._next()
        return sorted(set(self.heard))

    async def _next(self):
        async with asyncio.timeout(PATIENCE):
            events = told(await anext(self.stream))
        self.last_id = events[-1].id
        self.heard += [event.data["order_id"] for event in events if event.event == "message"]
        return events


@contextlib.asynccontextmanager
async def running(settings):
    feed = Feed(settings)
    task = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        task.cancel()


def test_events_are_told_from_the_moment_of_connecting(live_settings, new_writer):
    async def scenario():
        writer = new_writer()
        writer.write(0)
        writer.commit()
        async with running(live_settings) as feed:
            client = Client(feed)
            (ready,) = await client.connect()
            assert (ready.event, ready.data) == ("ready", {"resumed": False})
            for number in (1, 2):
                writer.write(number)
                writer.commit()
            assert await client.hear(2) == [1, 2]

    asyncio.run(scenario())


def test_what_happened_while_away_is_told_at_the_return(live_settings, new_writer):
    async def scenario():
        writer = new_writer()
        async with running(live_settings) as feed:
            client = Client(feed)
            await client.connect()
            writer.write(1)
            writer.commit()
            await client.hear(1)
            await client.disconnect()
            for number in range(2, 600):
                writer.write(number)
            writer.commit()
            (ready,) = await client.connect()
            assert ready.data == {"resumed": True}
            assert await client.hear(599) == list(range(1, 600))

    asyncio.run(scenario())


def test_a_transaction_that_commits_late_is_told_late_but_told(live_settings, new_writer):
    async def scenario():
        early, late = new_writer(), new_writer()
        async with running(live_settings) as feed:
            client = Client(feed)
            await client.connect()
            late.write(1)  # has the lower id
            early.write(2)
            early.commit()
            assert await client.hear(1) == [2]
            late.commit()
            assert await client.hear(2) == [1, 2]

    asyncio.run(scenario())


def test_a_transaction_that_commits_while_one_is_away_is_not_missed(live_settings, new_writer):
    async def scenario():
        early, late = new_writer(), new_writer()
        async with running(live_settings) as feed:
            client, other = Client(feed), Client(feed)
            await client.connect()
            await other.connect()
            late.write(1)
            early.write(2)
            early.commit()
            await client.hear(1)
            await other.hear(1)
            await client.disconnect()
            late.commit()
            await other.hear(2)
            await client.connect()
            assert await client.hear(2) == [1, 2]

    asyncio.run(scenario())


def test_it_is_not_missed_either_when_the_server_is_another_one(live_settings, new_writer):
    async def scenario():
        early, late = new_writer(), new_writer()
        async with running(live_settings) as feed:
            client = Client(feed)
            await client.connect()
            late.write(1)
            early.write(2)
            early.commit()
            await client.hear(1)
            await client.disconnect()
        async with running(live_settings) as feed:
            client.feed = feed
            await client.connect()
            late.commit()
            assert await client.hear(2) == [1, 2]

    asyncio.run(scenario())


def test_a_transaction_that_was_rolled_back_is_not_waited_for_for_ever(live_settings, new_writer):
    async def scenario():
        writer, giving_up = new_writer(), new_writer()
        with patch.object(tail, "HOLE_SECONDS", 0.2):
            async with running(live_settings) as feed:
                client = Client(feed)
                (ready,) = await client.connect()
                giving_up.write(1)
                giving_up.rollback()
                writer.write(2)
                writer.commit()
                await client.hear(1)
                assert client.last_id == ready.id  # as the lower id may still come
                await asyncio.sleep(0.3)
                writer.write(3)
                writer.commit()
                await client.hear(2)
                assert int(client.last_id.split(".")[0]) == writer.last_id()

    asyncio.run(scenario())


def test_a_client_that_is_too_slow_is_told_so_and_hurts_nobody(live_settings, new_writer):
    async def scenario():
        writer = new_writer()
        settings = live_settings.model_copy(update={"buffered_events": 10})
        async with running(settings) as feed:
            slow, quick = Client(feed), Client(feed)
            await slow.connect()
            await quick.connect()
            for number in range(100):
                writer.write(number)
                writer.commit()
                await quick.hear(number + 1)
            (reset,) = await slow._next()
            assert reset.event == "reset"
            writer.write(100)
            writer.commit()
            assert await slow.hear(1) == [100]

    asyncio.run(scenario())


@pytest.mark.parametrize("behind", ["too many", "forgotten", "ahead"])
def test_what_cannot_be_told_any_more_is_said_to_be_so(live_settings, new_writer, behind):
    async def scenario():
        writer = new_writer()
        settings = live_settings.model_copy(update={"most_missed": 50})
        async with running(settings) as feed:
            client = Client(feed)
            await client.connect()
            writer.write(0)
            writer.commit()
            await client.hear(1)
            await client.disconnect()
            for number in range(100 if behind == "too many" else 10):
                writer.write(number)
            writer.commit()
            if behind == "forgotten":
                writer.execute("DELETE FROM outbox ORDER BY id LIMIT 8")
            if behind == "ahead":
                client.last_id = "999999999.0"
            (reset,) = await client.connect()
            assert reset.event == "reset"
            writer.write(7000)
            writer.commit()
            assert 7000 in await client.hear(2)

    asyncio.run(scenario())


def test_the_stream_ends_with_the_token(live_settings, new_writer):
    async def scenario():
        new_writer()
        async with running(live_settings) as feed:
            client = Client(feed)
            await client.connect(seconds=0.2)
            (expired,) = await client._next()
            assert expired.event == "expired"
            with pytest.raises(StopAsyncIteration):
                await client._next()
            assert feed.clients == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("text", ["", "7", "1.x", "-1.2", "1.2.3", "9" * 30 + ".1", "١.1"])  # noqa: RUF001  # an Arabic digit
def test_what_is_no_position_is_not_taken_for_one(text):
    assert Position.parse(text) is None


def test_whoever_is_refused_meanwhile_hears_nothing_more(live_settings, new_writer):
    async def scenario():
        writer, answers = new_writer(), [False, False, True]

        async def is_refused():
            return answers.pop(0) if answers else True

        async with running(live_settings) as feed:
            client = Client(feed)
            await client.connect(is_refused=is_refused, recheck_seconds=0.05)
            (last,) = await client._next()
            assert last.event == "expired"
            assert answers == []
            writer.write(1)
            writer.commit()
            with pytest.raises(StopAsyncIteration):
                await anext(client.stream)

    asyncio.run(scenario())


def test_whoever_was_let_in_may_stay_while_nobody_can_say(live_settings, new_writer):
    async def scenario():
        writer, asked = new_writer(), 0

        async def is_refused():
            nonlocal asked
            asked += 1
            return False

        async with running(live_settings) as feed:
            client = Client(feed)
            await client.connect(is_refused=is_refused, recheck_seconds=0.01)
            async with asyncio.timeout(PATIENCE):
                while asked < 3:
                    hearing = asyncio.create_task(client._next())
                    writer.write(1)
                    writer.commit()
                    await hearing
            await client.disconnect()

    asyncio.run(scenario())
