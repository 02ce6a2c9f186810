"""`/ws`: events and calls for agents that do not speak MCP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from surface import Surface, serving
from test_waking import happens

from store import agents, events
from store.transaction import Store
from webhooks import ws as server

SOON_S = 20


@pytest.fixture
async def surface(store: Store, installation_id: int) -> AsyncIterator[Surface]:
    async with serving(store, installation_id) as made:
        yield made


@asynccontextmanager
async def socket(
    surface: Surface, token: str, **given: Any
) -> AsyncIterator[ClientWebSocketResponse]:
    headers = {"Authorization": f"Bearer {token}"}
    async with surface.client.ws_connect(f"{surface.url}/ws", headers=headers, **given) as opened:
        yield opened


async def frame(opened: ClientWebSocketResponse) -> Any:
    return await opened.receive_json(timeout=SOON_S)


async def subscribed(
    opened: ClientWebSocketResponse, *topics: str, cursor: str | None = None
) -> Any:
    await opened.send_json({"type": "subscribe", "topics": topics, "cursor": cursor})
    return await frame(opened)


async def test_a_socket_is_told_what_happens(surface: Surface) -> None:
    async with socket(surface, await surface.token()) as opened:
        start = await subscribed(opened, "agents")
        assert start == {"type": "subscribed", "cursor": start["cursor"], "missed": False}
        await happens(surface.hub, surface.installation_id, "message.sent", audience="other")
        await happens(surface.hub, surface.installation_id, "agent.paused", subject="busy")
        event = await frame(opened)
        assert event.pop("at").startswith("2027-01-15T")
        assert event.pop("cursor") != start["cursor"]
        assert event == {
            "type": "event",
            "kind": "agent.paused",
            "subject": "busy",
            "task": None,
            "actor": "x",
            "data": {"n": 1},
        }


async def test_after_a_reconnect_nothing_is_lost_and_nothing_comes_twice(surface: Surface) -> None:
    token, cursor, seen = await surface.token(), None, []
    for n in range(5):
        async with socket(surface, token) as opened:
            cursor = (await subscribed(opened, "agents", cursor=cursor))["cursor"]
            for part in (1, 2):
                await happens(surface.hub, surface.installation_id, subject=f"{n}-{part}")
            # It is cut off before it has read the second.
            for _ in range(1 if n == 0 else 2):
                event = await frame(opened)
                seen.append(event["subject"])
                cursor = event["cursor"]
    expected = [f"{n}-{part}" for n in range(5) for part in (1, 2)]
    assert seen == expected[: len(seen)]
    assert len(seen) == 9


async def test_a_call_by_a_frame_is_a_call(surface: Surface) -> None:
    async with socket(surface, await surface.token("scout")) as opened:
        await opened.send_json(
            {
                "type": "call",
                "id": 7,
                "operation": "register_agent",
                "arguments": {"agent_id": "scout", "name": "Scout"},
            }
        )
        result = await frame(opened)
        assert (result["type"], result["id"]) == ("result", 7)
        assert result["result"]["as_of"]
        await opened.send_json({"type": "call", "id": "x", "operation": "dance"})
        refused = await frame(opened)
        assert (refused["type"], refused["id"]) == ("error", "x")
        assert refused["error"]["code"] == "unknown_operation"
    (row,) = await surface.rows("SELECT actor, operation FROM audit WHERE installation_id = :i")
    assert row == {"actor": "scout", "operation": "register_agent"}


async def test_a_call_that_waits_does_not_keep_others_waiting(surface: Surface) -> None:
    async with socket(surface, await surface.token("scout")) as opened:
        waiting = {"topics": ["agents"], "wait_s": 50}
        for n in range(server.MOST_CALLS):
            call = {"type": "call", "id": n, "operation": "wait_for_events", "arguments": waiting}
            await opened.send_json(call)
        await opened.send_json({"type": "call", "id": "more", "operation": "get_budget"})
        refused = await frame(opened)
        assert (refused["id"], refused["error"]["code"]) == ("more", "too_many")
        async with asyncio.timeout(SOON_S):
            while surface.hub.watching.waiting < server.MOST_CALLS:  # noqa: ASYNC110 - a step of others
                await asyncio.sleep(0.001)
        await happens(surface.hub, surface.installation_id)
        answered = [(await frame(opened))["id"] for _ in range(server.MOST_CALLS)]
        assert sorted(answered) == list(range(server.MOST_CALLS))
        await opened.send_json({"type": "call", "id": "more", "operation": "get_budget"})
        assert (await frame(opened))["type"] == "result"


async def test_another_subscription_takes_the_place_of_the_first(surface: Surface) -> None:
    async with socket(surface, await surface.token()) as opened:
        await subscribed(opened, "agents")
        assert (await subscribed(opened, "contexts"))["type"] == "subscribed"
        refused = await subscribed(opened, "weather")
        assert refused["error"]["code"] == "invalid_arguments"
        await happens(surface.hub, surface.installation_id, "agent.paused")
        await happens(surface.hub, surface.installation_id, "context.created", actor="ada")
        assert (await frame(opened))["kind"] == "context.created"


@pytest.mark.parametrize(
    "bad",
    [
        "no JSON",
        "[]",
        "{}",
        '{"type": "dance"}',
        '{"type": "subscribe", "topics": []}',
        '{"type": "subscribe", "topics": ["agents"], "colour": 1}',
        '{"type": "call", "id": 1}',
        "[" * 10_000,
    ],
)
async def test_a_bad_frame_is_answered_and_three_in_a_row_close_the_socket(
    surface: Surface, bad: str
) -> None:
    async with socket(surface, await surface.token()) as opened:
        for _ in range(2):
            await opened.send_str(bad)
            assert (await frame(opened))["error"]["code"] == "bad_request"
        assert (await subscribed(opened, "agents"))["type"] == "subscribed"
        for _ in range(3):
            await opened.send_str(bad)
            assert (await frame(opened))["error"]["code"] == "bad_request"
        assert (await opened.receive(timeout=SOON_S)).type is WSMsgType.CLOSE
        assert opened.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_a_frame_that_is_too_large_closes_the_socket(surface: Surface) -> None:
    async with socket(surface, await surface.token()) as opened:
        await opened.send_str("x" * (server.LARGEST + 1))
        assert (await opened.receive(timeout=SOON_S)).type is WSMsgType.CLOSE
        assert opened.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


async def test_a_browser_offers_its_token_as_a_subprotocol(surface: Surface) -> None:
    token = await surface.token()
    offered = ("hubbub", f"hubbub.bearer.{token}")
    async with surface.client.ws_connect(f"{surface.url}/ws", protocols=offered) as opened:
        assert opened.protocol == "hubbub"
        assert (await subscribed(opened, "agents"))["type"] == "subscribed"


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 401),
        ({"headers": {"Authorization": "Bearer hubbub_nobody"}}, 401),
        ({"protocols": ("hubbub", "hubbub.bearer.nobody")}, 401),
        ({"protocols": ("hubbub.bearer.nobody",)}, 400),
        ({"params": {"token": "x"}}, 401),
    ],
)
async def test_who_has_no_token_gets_no_socket(
    surface: Surface, given: dict[str, Any], status: int
) -> None:
    with pytest.raises(WSServerHandshakeError) as refused:
        await surface.client.ws_connect(f"{surface.url}/ws", **given)
    assert refused.value.status == status


async def test_what_asks_for_no_upgrade_is_told_so(surface: Surface) -> None:
    headers = {"Authorization": f"Bearer {await surface.token()}"}
    answer = await surface.send("GET", "/ws", headers=headers)
    assert (answer.status, answer.code) == (400, "bad_request")


async def test_a_token_has_so_many_sockets_and_no_more(surface: Surface) -> None:
    token = await surface.token()
    headers = {"Authorization": f"Bearer {token}"}
    opened = [
        await surface.client.ws_connect(f"{surface.url}/ws", headers=headers)
        for _ in range(server.MOST_SOCKETS)
    ]
    with pytest.raises(WSServerHandshakeError) as refused:
        await surface.client.ws_connect(f"{surface.url}/ws", headers=headers)
    assert refused.value.status == 409
    await asyncio.gather(*(each.close() for each in opened))
    async with socket(surface, token) as again:
        assert (await subscribed(again, "agents"))["type"] == "subscribed"


async def test_a_revoked_token_closes_its_socket_and_no_other(surface: Surface) -> None:
    token, other = await surface.token(), await surface.token("other")
    async with socket(surface, token) as opened, socket(surface, other) as stays:
        await subscribed(opened, "agents")
        await subscribed(stays, "agents")
        key_id = token.split("_")[1]
        assert await surface.store.write(lambda tx: agents.revoke_key(tx, key_id))
        closed = await opened.receive(timeout=SOON_S)
        assert (closed.type, closed.data) == (
            WSMsgType.CLOSE,
            aiohttp.WSCloseCode.POLICY_VIOLATION,
        )
        await happens(surface.hub, surface.installation_id)
        assert (await frame(stays))["type"] == "event"


async def test_a_slow_reader_gets_everything_in_the_end(surface: Surface) -> None:
    """Much more than the buffers between here and there hold."""
    n, large = 300, "x" * 20_000
    async with socket(surface, await surface.token()) as opened:
        await subscribed(opened, "agents")

        async def many(tx: Any) -> None:
            for each in range(n):
                await surface_append(tx, surface.installation_id, each, large)

        await surface.store.write(many)
        seen = [
            json.loads((await opened.receive(timeout=SOON_S)).data)["data"]["n"] for _ in range(n)
        ]
        assert seen == list(range(n))


async def surface_append(tx: Any, installation_id: int, n: int, large: str) -> None:
    await events.append(tx, installation_id, "agent.paused", "x", "x", {"n": n, "text": large})


async def test_a_server_that_stops_closes_its_sockets(store: Store, installation_id: int) -> None:
    async with aiohttp.ClientSession() as client:
        async with serving(store, installation_id) as surface:
            headers = {"Authorization": f"Bearer {await surface.token()}"}
            opened = await client.ws_connect(f"{surface.url}/ws", headers=headers)
            await subscribed(opened, "agents")
            idle = await client.ws_connect(f"{surface.url}/ws", headers=headers)
            reads = [asyncio.create_task(each.receive()) for each in (opened, idle)]
            surface.hub.stop()
        async with asyncio.timeout(SOON_S):
            assert [(await each).data for each in reads] == [aiohttp.WSCloseCode.GOING_AWAY] * 2
