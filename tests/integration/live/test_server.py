"""Who may listen, over HTTP."""

import asyncio
import contextlib
import time

import httpx
import jwt
import pytest

from infra.live.feed import Feed
from infra.live.server import LiveEvents


def a_token(seconds=60):
    return jwt.encode({"exp": time.time() + seconds}, "any key of thirty-two bytes or more", algorithm="HS256")


class Gateway:
    """Says of every token what it is told to say."""

    def __init__(self, status=200):
        self.status = status

    def __call__(self, request):
        assert request.url.path == "/api/auth/validate"
        if self.status is None:
            raise httpx.ConnectError("away")
        return httpx.Response(self.status, json={})


@contextlib.asynccontextmanager
async def connected(settings, gateway):
    events = LiveEvents(settings, Feed(settings))
    events._gateway = httpx.AsyncClient(base_url="http://gateway", transport=httpx.MockTransport(gateway))
    async with httpx.AsyncClient(base_url="http://live", transport=httpx.ASGITransport(events.app())) as client:
        yield client, events


def ask(settings, gateway, **headers):
    async def asking():
        async with connected(settings, gateway) as (client, _):
            return await client.get("/api/events", headers=headers)

    return asyncio.run(asking())


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic YTpi"}, {"authorization": "Bearer "}])
def test_nobody_listens_without_a_token(live_settings, headers):
    answer = ask(live_settings, Gateway(), **headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_the_gateway_refuses_is_refused(live_settings, status):
    assert ask(live_settings, Gateway(status), authorization=f"Bearer {a_token()}").status_code == 401


@pytest.mark.parametrize("status", [None, 500, 429])
def test_while_nobody_can_say_who_it_is_one_is_to_come_back(live_settings, status):
    answer = ask(live_settings, Gateway(status), authorization=f"Bearer {a_token()}")
    assert (answer.status_code, answer.json()["code"]) == (503, "gateway_unavailable")
    assert int(answer.headers["retry-after"]) > 0


def test_a_token_in_the_address_is_no_token(live_settings):
    async def asking():
        async with connected(live_settings, Gateway()) as (client, _):
            return await client.get(f"/api/events?token={a_token()}&access_token={a_token()}")

    assert asyncio.run(asking()).status_code == 401


def test_there_is_room_for_so_many_and_no_more(live_settings):
    async def asking():
        settings = live_settings.model_copy(update={"clients": 2})
        async with connected(settings, Gateway()) as (client, events):
            with events._feed.client(), events._feed.client():
                refused = await client.get("/api/events", headers={"authorization": f"Bearer {a_token()}"})
        return refused

    answer = asyncio.run(asking())
    assert (answer.status_code, answer.json()["code"]) == (503, "too_many_listeners")
