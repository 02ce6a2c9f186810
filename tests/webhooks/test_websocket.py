"""`/ws`: events and calls for agents that do not speak MCP."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from yarl import URL

from bot.identity import sessions
from bot.identity.access_tokens import ACCESS_S, LEEWAY_S
from bot.identity.credentials import Grant
from bot.times import SECOND
from store import events
from store.engine.transaction import Store
from store.identity import credentials
from tests.events.test_waking import happens
from tests.support.api_keys import add_api_key
from tests.support.engines import ON_SQLITE
from tests.support.patience import SOON_S
from tests.support.server_in_process import Surface, serving
from tests.support.story import Clock
from webhooks import websocket as server
from webhooks.addresses import LOCAL
from webhooks.connection import Connection, Patience
from webhooks.sockets import MOST_SOCKETS

# Longer than any test may take.
NEVER_S = 1000.0
# Events of 20 KB that no buffer between two ends holds.
MANY = 1000


@asynccontextmanager
async def connect(
    surface: Surface, token: str, **given: Any
) -> AsyncIterator[ClientWebSocketResponse]:
    headers = {"Authorization": f"Bearer {token}"}
    async with surface.client.ws_connect(f"{surface.url}/ws", headers=headers, **given) as opened:
        yield opened


async def frame(opened: ClientWebSocketResponse) -> Any:
    return await opened.receive_json(timeout=SOON_S)


async def subscribe(
    opened: ClientWebSocketResponse, *topics: str, cursor: str | None = None
) -> Any:
    await opened.send_json({"type": "subscribe", "topics": topics, "cursor": cursor})
    return await frame(opened)


async def test_a_socket_is_told_what_happens(surface: Surface) -> None:
    async with connect(surface, await surface.token()) as opened:
        start = await subscribe(opened, "agents")
        assert start == {"type": "subscribed", "cursor": start["cursor"], "missed": False}
        await happens(surface.dispatcher, surface.installation_id, "message.sent", audience="other")
        paused = {"subject": "busy", "note": "Rest"}
        await happens(surface.dispatcher, surface.installation_id, "agent.paused", **paused)
        event = await frame(opened)
        assert event.pop("at").startswith("2027-01-15T")
        assert event.pop("cursor") != start["cursor"]
        assert event == {
            "type": "event",
            "kind": "agent.paused",
            "subject": "busy",
            "task": None,
            "actor": "x",
            "data": {"note": "Rest"},
        }


async def test_after_a_reconnect_nothing_is_lost_and_nothing_comes_twice(surface: Surface) -> None:
    token, cursor, seen = await surface.token(), None, []
    for n in range(5):
        async with connect(surface, token) as opened:
            cursor = (await subscribe(opened, "agents", cursor=cursor))["cursor"]
            for part in (1, 2):
                await happens(surface.dispatcher, surface.installation_id, subject=f"{n}-{part}")
            # It is cut off before it has read the second.
            for _ in range(1 if n == 0 else 2):
                event = await frame(opened)
                seen.append(event["subject"])
                cursor = event["cursor"]
    expected = [f"{n}-{part}" for n in range(5) for part in (1, 2)]
    assert seen == expected[: len(seen)]
    assert len(seen) == 9


async def test_a_call_by_a_frame_is_a_call(surface: Surface) -> None:
    async with connect(surface, await surface.token("scout")) as opened:
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
    rows = await surface.rows(
        "SELECT actor, operation, surface, outcome, code FROM audit WHERE installation_id = :i "
        "AND actor = 'scout' ORDER BY seq"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("scout", "register_agent", "websocket", "done", ""),
        ("scout", "unknown operation", "websocket", "refused", "unknown_operation"),
    ]


async def test_work_that_is_cancelled_before_it_begins_is_not_made() -> None:
    made: list[str] = []

    async def work() -> None:
        made.append("begun")

    nothing: Any = None
    task = asyncio.create_task(Connection(nothing, nothing, Patience()).run(work))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert made == []


@ON_SQLITE
async def test_a_call_that_waits_does_not_keep_others_waiting(surface: Surface) -> None:
    async with connect(surface, await surface.token("scout")) as opened:
        waiting = {"topics": ["agents"], "wait_s": 50}
        for n in range(server.MOST_CALLS):
            call = {"type": "call", "id": n, "operation": "wait_for_events", "arguments": waiting}
            await opened.send_json(call)
        await opened.send_json({"type": "call", "id": "more", "operation": "get_budget"})
        refused = await frame(opened)
        assert (refused["id"], refused["error"]["code"]) == ("more", "too_many")
        async with asyncio.timeout(SOON_S):
            while surface.dispatcher.waiters.waiting < server.MOST_CALLS:  # noqa: ASYNC110 - a step of others
                await asyncio.sleep(0.001)
        await happens(surface.dispatcher, surface.installation_id)
        answered = [(await frame(opened))["id"] for _ in range(server.MOST_CALLS)]
        assert sorted(answered) == list(range(server.MOST_CALLS))
        await opened.send_json({"type": "call", "id": "more", "operation": "get_budget"})
        assert (await frame(opened))["type"] == "result"


@ON_SQLITE
async def test_another_subscription_takes_the_place_of_the_first(surface: Surface) -> None:
    async with connect(surface, await surface.token()) as opened:
        await subscribe(opened, "agents")
        assert (await subscribe(opened, "contexts"))["type"] == "subscribed"
        for topic, code in (("weather", "invalid_arguments"), ("agent:nobody", "unknown_agent")):
            refused = await subscribe(opened, "agents", topic)
            assert (refused["type"], refused["error"]["code"]) == ("error", code)
        await happens(surface.dispatcher, surface.installation_id, "agent.paused")
        await happens(surface.dispatcher, surface.installation_id, "context.created", actor="ada")
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
@ON_SQLITE
async def test_a_bad_frame_is_answered_and_three_in_a_row_close_the_socket(
    surface: Surface, bad: str
) -> None:
    async with connect(surface, await surface.token()) as opened:
        for _ in range(2):
            await opened.send_str(bad)
            assert (await frame(opened))["error"]["code"] == "bad_request"
        assert (await subscribe(opened, "agents"))["type"] == "subscribed"
        for _ in range(3):
            await opened.send_str(bad)
            assert (await frame(opened))["error"]["code"] == "bad_request"
        assert (await opened.receive(timeout=SOON_S)).type is WSMsgType.CLOSE
        assert opened.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("[]", "The frame must be an object."),
        ("{}", "The frame has no 'type'."),
        (
            '{"type": "dance"}',
            "The frame has a wrong 'type'; pass one of 'subscribe', 'push', 'call'.",
        ),
        (
            '{"type": "subscribe", "topics": "agents"}',
            '`topics` must be a list, for example ["agents"].',
        ),
        ('{"type": "call", "id": 1}', "`operation` is missing."),
        ('{"type": "call", "id": 1, "operation": "x", "keys": 1}', "did you mean key?"),
    ],
)
@ON_SQLITE
async def test_what_is_wrong_with_a_frame_is_said(surface: Surface, bad: str, said: str) -> None:
    async with connect(surface, await surface.token()) as opened:
        await opened.send_str(bad)
        error = (await frame(opened))["error"]
    assert said in error["message"]
    assert '"arguments": {…}, "key": …}' in error["message"]


@ON_SQLITE
async def test_a_frame_that_is_too_large_closes_the_socket(surface: Surface) -> None:
    async with connect(surface, await surface.token()) as opened:
        await opened.send_str("x" * (server.LARGEST + 1))
        assert (await opened.receive(timeout=SOON_S)).type is WSMsgType.CLOSE
        assert opened.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


@ON_SQLITE
async def test_a_browser_offers_its_token_as_a_subprotocol(surface: Surface) -> None:
    token = await surface.token()
    offered = ("hubbub", f"hubbub.bearer.{token}")
    async with surface.client.ws_connect(f"{surface.url}/ws", protocols=offered) as opened:
        assert opened.protocol == "hubbub"
        assert (await subscribe(opened, "agents"))["type"] == "subscribed"


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
@ON_SQLITE
async def test_who_has_no_token_gets_no_socket(
    surface: Surface, given: dict[str, Any], status: int
) -> None:
    with pytest.raises(WSServerHandshakeError) as refused:
        await surface.client.ws_connect(f"{surface.url}/ws", **given)
    assert refused.value.status == status


@ON_SQLITE
async def test_what_asks_for_no_upgrade_is_told_so(surface: Surface) -> None:
    headers = {"Authorization": f"Bearer {await surface.token()}"}
    answer = await surface.send("GET", "/ws", headers=headers)
    assert (answer.status, answer.code) == (400, "bad_request")


@ON_SQLITE
async def test_a_token_of_odd_bytes_is_refused(surface: Surface) -> None:
    url = URL(surface.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        b"Sec-WebSocket-Protocol: hubbub, hubbub.bearer.hubbub_\xff\xe9_x\r\n\r\n"
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 401")
    writer.close()
    await writer.wait_closed()


@ON_SQLITE
async def test_a_token_has_so_many_sockets_and_no_more(surface: Surface) -> None:
    token = await surface.token()
    headers = {"Authorization": f"Bearer {token}"}
    opened = [
        await surface.client.ws_connect(f"{surface.url}/ws", headers=headers)
        for _ in range(MOST_SOCKETS)
    ]
    with pytest.raises(WSServerHandshakeError) as refused:
        await surface.client.ws_connect(f"{surface.url}/ws", headers=headers)
    assert refused.value.status == 409
    await asyncio.gather(*(each.close() for each in opened))
    async with connect(surface, token) as again:
        assert (await subscribe(again, "agents"))["type"] == "subscribed"


@ON_SQLITE
async def test_a_revoked_token_closes_its_socket_and_no_other(surface: Surface) -> None:
    token, other = await surface.token(), await surface.token("other")
    async with connect(surface, token) as opened, connect(surface, other) as stays:
        await subscribe(opened, "agents")
        await subscribe(stays, "agents")
        await revoke(surface, token)
        closed = await opened.receive(timeout=SOON_S)
        assert (closed.type, closed.data) == (
            WSMsgType.CLOSE,
            aiohttp.WSCloseCode.POLICY_VIOLATION,
        )
        await happens(surface.dispatcher, surface.installation_id)
        assert (await frame(stays))["type"] == "event"


@ON_SQLITE
async def test_a_socket_ends_with_its_token_whose_session_nobody_renews(
    surface: Surface, clock: Clock
) -> None:
    """Who renews a session is checked again: its person may have lost the role on GitHub."""
    i, keys, audience = surface.installation_id, surface.dispatcher.shared.keys, LOCAL.audience
    write, ends = surface.store.write, clock() + ACCESS_S * SECOND
    session = await write(
        lambda tx: sessions.start(tx, keys, Grant(i, "ada", "developer"), audience=audience)
    )
    key = await write(lambda tx: add_api_key(tx, keys, i, "bob", "developer", expires_at=ends))
    stays = await surface.token("other")
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(connect(surface, each))
            for each in (session.access_token, key, stays)
        ]
        for each in opened:
            await subscribe(each, "agents")
        clock.forward(ACCESS_S + LEEWAY_S + 1)
        for each in opened[:2]:
            closed = await each.receive(timeout=SOON_S)
            assert (closed.type, closed.data) == (
                WSMsgType.CLOSE,
                aiohttp.WSCloseCode.POLICY_VIOLATION,
            )
        await happens(surface.dispatcher, surface.installation_id)
        assert (await frame(opened[2]))["type"] == "event"


@ON_SQLITE
async def test_a_slow_reader_gets_everything_in_the_end(surface: Surface) -> None:
    """Much more than the buffers between here and there hold."""
    n, large = 300, "x" * 20_000
    async with connect(surface, await surface.token()) as opened:
        await subscribe(opened, "agents")

        async def many(tx: Any) -> None:
            for each in range(n):
                await surface_append(tx, surface.installation_id, each, large)

        await surface.store.write(many)
        seen = [
            json.loads((await opened.receive(timeout=SOON_S)).data)["data"]["n"] for _ in range(n)
        ]
        assert seen == list(range(n))


async def until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not so():  # noqa: ASYNC110 - what is awaited is a step of the server's
            await asyncio.sleep(0.001)


@dataclass
class Deaf:
    """A client that reads when it is asked to, and has next to no buffer."""

    stream: socket.socket
    cursor: str = ""

    async def send(self, frame: Any) -> None:
        body = json.dumps(frame).encode()
        assert len(body) < 126
        # Masked, as the protocol wants it, by zeros.
        await self._loop.sock_sendall(
            self.stream, bytes((0x81, 0x80 | len(body), 0, 0, 0, 0)) + body
        )

    async def frame(self) -> Any:
        size = (await self.read(2))[1]
        if size > 125:
            size = int.from_bytes(await self.read(2 if size == 126 else 8))
        return json.loads(await self.read(size))

    async def read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            async with asyncio.timeout(SOON_S):
                part = await self._loop.sock_recv(self.stream, size - len(found))
            assert part
            found += part
        return found

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()


@asynccontextmanager
async def deaf(surface: Surface, token: str) -> AsyncIterator[Deaf]:
    """Subscribed, with more on its way to it than any buffer holds."""
    url = URL(surface.url)
    upgrade = (
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    )
    with socket.socket() as stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stream.setblocking(False)
        loop, client = asyncio.get_running_loop(), Deaf(stream)
        await loop.sock_connect(stream, (url.host, url.port))
        await loop.sock_sendall(stream, upgrade.encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await client.read(1)
        await client.send({"type": "subscribe", "topics": ["agents"]})
        client.cursor = (await client.frame())["cursor"]

        async def many(tx: Any) -> None:
            for n in range(MANY):
                await surface_append(tx, surface.installation_id, n, "x" * 20_000)

        await surface.store.write(many)
        open_ones = surface.sockets.open
        await until(lambda: any(each.request.protocol.writing_paused for each in open_ones))
        yield client


async def revoke(surface: Surface, token: str) -> None:
    key_id = token.split("_")[1]
    assert await surface.store.write(lambda tx: credentials.revoke(tx, key_id))


@pytest.mark.parametrize(
    ("patience", "revoked"),
    [
        (Patience(close_s=0.1, send_s=NEVER_S, look_every_s=0.05), True),
        (Patience(close_s=0.1, send_s=0.2, look_every_s=NEVER_S), False),
    ],
)
@ON_SQLITE
async def test_who_takes_nothing_is_cut_off(
    store: Store, installation_id: int, patience: Patience, *, revoked: bool
) -> None:
    """When its token is revoked, or some time after it stopped reading."""
    async with serving(store, installation_id, patience) as surface:
        token = await surface.token("slow")
        async with deaf(surface, token):
            if revoked:
                await revoke(surface, token)
            await until(lambda: not surface.sockets.open)


@ON_SQLITE
async def test_a_token_is_looked_after_while_another_socket_will_not_close(
    store: Store, installation_id: int
) -> None:
    stubborn = Patience(close_s=NEVER_S, send_s=NEVER_S, look_every_s=0.05)
    async with serving(store, installation_id, stubborn) as surface:
        slow, other = await surface.token("slow"), await surface.token("other")
        async with deaf(surface, slow), connect(surface, other) as opened:
            await revoke(surface, slow)
            await until(lambda: any(each.ws.closed for each in surface.sockets.open))
            await revoke(surface, other)
            closed = await opened.receive(timeout=SOON_S)
        assert (closed.type, closed.data) == (
            WSMsgType.CLOSE,
            aiohttp.WSCloseCode.POLICY_VIOLATION,
        )


@ON_SQLITE
async def test_a_server_stops_though_a_client_reads_nothing(
    store: Store, installation_id: int
) -> None:
    quick = Patience(close_s=0.1, stop_s=0.1, send_s=NEVER_S)
    async with (
        asyncio.timeout(SOON_S),
        AsyncExitStack() as client,
        serving(store, installation_id, quick) as surface,
    ):
        await client.enter_async_context(deaf(surface, await surface.token()))
        surface.dispatcher.waiters.stop()


@ON_SQLITE
async def test_who_subscribes_anew_before_it_read_the_old_is_told_all(surface: Surface) -> None:
    async with deaf(surface, await surface.token()) as client:
        await client.send({"type": "subscribe", "topics": ["agents"], "cursor": client.cursor})
        register = {"operation": "register_agent", "arguments": {"agent_id": "ada", "name": "A"}}
        await client.send({"type": "call", "id": 1, **register})
        # Both were taken, though it has heard nothing yet.
        q = "SELECT id FROM agents WHERE installation_id = :i"
        async with asyncio.timeout(SOON_S):
            while not await surface.rows(q):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.001)
        while (await client.frame())["type"] != "subscribed":
            continue
        found = [await client.frame() for _ in range(MANY + 1)]
    told = [each["data"]["n"] for each in found if each.get("kind") == "agent.paused"]
    assert told == list(range(MANY))


async def surface_append(tx: Any, installation_id: int, n: int, large: str) -> None:
    await events.append(tx, installation_id, "agent.paused", "x", "x", {"n": n, "text": large})


@ON_SQLITE
async def test_a_server_that_stops_closes_its_sockets(store: Store, installation_id: int) -> None:
    async with aiohttp.ClientSession() as client:
        async with serving(store, installation_id) as surface:
            headers = {"Authorization": f"Bearer {await surface.token()}"}
            opened = await client.ws_connect(f"{surface.url}/ws", headers=headers)
            await subscribe(opened, "agents")
            idle = await client.ws_connect(f"{surface.url}/ws", headers=headers)
            reads = [asyncio.create_task(each.receive()) for each in (opened, idle)]
            surface.dispatcher.waiters.stop()
        async with asyncio.timeout(SOON_S):
            assert [(await each).data for each in reads] == [aiohttp.WSCloseCode.GOING_AWAY] * 2
