"""MCP over HTTP as clients send it: methods, ids, letters' case, cancellations, closed connections.

The engine plays no part in most of this, so these tests run on SQLite alone.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import MCPError
from mcp.server.streamable_http import REQUEST_CANCELLED
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from bot.identity.server_address import LOOPBACK, names_of
from bot.settings import Settings
from mcp_server.http import allowed_hosts
from mcp_server.running_calls import RunningCalls
from store.engine.database import open_store
from store.engine.transaction import PoolUse, Store, Work
from tests.support.patience import SOON_S
from tests.support.server_in_process import Answer, Surface, serving
from tests.support.story import Clock

ASKED = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
OLDER = {"MCP-Protocol-Version": "2025-06-18"}
NEWER = {"MCP-Protocol-Version": max(MODERN_PROTOCOL_VERSIONS)}
INSTALLATION = 4711


class Gate:
    """A store whose transactions wait while it is closed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.bell, self.dialect = store.bell, store.dialect
        self.opened = asyncio.Event()
        self.opened.set()
        self.waiting = 0

    async def read(self, work: Work[Any]) -> Any:
        return await self._store.read(work)

    async def write(self, work: Work[Any]) -> Any:
        self.waiting += 1
        await self.opened.wait()
        self.waiting -= 1
        return await self._store.write(work)

    def pool(self) -> PoolUse:
        return self._store.pool()

    async def close(self) -> None:
        await self._store.close()


@pytest.fixture
async def gate(sqlite_url: str, clock: Clock) -> AsyncIterator[Gate]:
    store = await open_store(sqlite_url, clock)
    yield Gate(store)
    await store.close()


@pytest.fixture
async def server(gate: Gate) -> AsyncIterator[Surface]:
    async with serving(gate, INSTALLATION) as made:
        yield made


async def registered(server: Surface, agent: str = "ada") -> str:
    token = await server.token(agent)
    await server.call(token, "register_agent", agent_id=agent, name=agent)
    return token


def bearer(token: str) -> dict[str, str]:
    return ASKED | {"Authorization": f"Bearer {token}"}


async def post(server: Surface, token: str, message: Any, headers: dict[str, str]) -> Answer:
    return await server.send("POST", "/mcp", json=message, headers=bearer(token) | headers)


def call_of(tool: str, request_id: Any = 1, **arguments: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


def newer(message: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The message and its headers in the newer protocol."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": NEWER["MCP-Protocol-Version"],
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    headers = NEWER | {"Mcp-Method": message["method"], "Mcp-Name": message["params"]["name"]}
    return {**message, "params": message["params"] | {"_meta": meta}}, headers


def cancellation(request_id: Any) -> dict[str, Any]:
    params = {"requestId": request_id}
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}


async def until_waiting(server: Surface, n: int = 1) -> None:
    async with asyncio.timeout(SOON_S):
        while server.dispatcher.waiters.waiting != n:  # noqa: ASYNC110 - steps of the server
            await asyncio.sleep(0.001)


async def inbox(server: Surface, token: str) -> list[tuple[str, int]]:
    """The messages that the agent gets now, and how often each was handed out."""
    found = (await server.call(token, "get_messages")).data["messages"]
    return [(each["body"], each["attempts"]) for each in found]


@pytest.mark.parametrize("version", [OLDER, NEWER])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_only_post_is_accepted_and_the_answer_says_so(
    server: Surface, method: str, version: dict[str, str]
) -> None:
    headers = bearer(await server.token()) | version
    answer = await server.send(method, "/mcp", headers=headers)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("version", [{}, OLDER, NEWER])
@pytest.mark.parametrize("wrong", [None, 1.5, 2.0, True, [], {}])
async def test_a_request_whose_id_no_answer_can_have_is_refused(
    server: Surface, wrong: Any, version: dict[str, str]
) -> None:
    token = await registered(server)
    message = call_of("send_message", wrong, to="ada", body="x")
    answer = await post(server, token, message, version)
    assert answer.status == 400
    assert answer.data["id"] is None
    assert answer.data["error"]["message"]
    assert await inbox(server, token) == []


@pytest.mark.parametrize("wanted", ["a", "", 0, -1, 10**30])
async def test_other_ids_are_answered_as_they_are(server: Surface, wanted: Any) -> None:
    answer = await post(server, await server.token(), call_of("list_agents", wanted), OLDER)
    assert (answer.status, answer.data["id"]) == (200, wanted)


@pytest.mark.parametrize("version", [OLDER, NEWER])
async def test_hosts_origins_and_media_types_have_no_case(
    server: Surface, version: dict[str, str]
) -> None:
    message = call_of("list_agents")
    if version is NEWER:
        message, version = newer(message)
    odd = {
        "Host": "HUBBUB.Example.com",
        "Origin": "HTTPS://Hubbub.example.COM",
        "Content-Type": "Application/JSON; Charset=UTF-8",
        "Accept": "Application/Json, Text/Event-Stream",
    }
    answer = await post(server, await server.token(), message, version | odd)
    assert answer.status == 200, answer.data
    assert (await post(server, await server.token(), message, {"Host": "Evil.com"})).status == 421


@pytest.mark.parametrize(
    ("version", "accept", "waits", "content_type"),
    [
        (OLDER, None, {}, "application/json"),
        (OLDER, None, {"wait_s": 0}, "text/event-stream"),
        (OLDER, "application/*;q=0.5", {"wait_s": 0}, "application/json"),
        (OLDER, "text/event-stream", {}, "text/event-stream"),
        (NEWER, "application/json", {"wait_s": 0}, "application/json"),
        (NEWER, None, {"wait_s": 0}, "application/json"),
    ],
)
async def test_a_client_gets_the_form_of_answer_that_it_accepts(
    server: Surface,
    version: dict[str, str],
    accept: str | None,
    waits: dict[str, int],
    content_type: str,
) -> None:
    message = call_of("get_messages", **waits)
    if version is NEWER:
        message, version = newer(message)
    headers = bearer(await registered(server)) | version
    del headers["Accept"]
    headers |= {} if accept is None else {"Accept": accept}
    async with server.client.post(
        f"{server.url}/mcp", json=message, headers=headers, skip_auto_headers={"Accept"}
    ) as response:
        assert (response.status, response.content_type) == (200, content_type)
        assert '"messages"' in await response.text()


async def test_nothing_is_answered_in_a_form_that_the_client_does_not_accept(
    server: Surface,
) -> None:
    message, html = call_of("list_agents"), {"Accept": "text/html"}
    assert (await post(server, await server.token(), message, OLDER | html)).status == 406


async def test_a_slash_at_the_end_of_the_address_does_not_matter(server: Surface) -> None:
    headers = ASKED | OLDER | bearer(await server.token())
    answer = await server.send("POST", "/mcp/", json=call_of("list_agents"), headers=headers)
    assert answer.data["result"]["structuredContent"]["agents"] == []


@pytest.mark.parametrize("version", [OLDER, NEWER])
async def test_arguments_that_came_as_json_in_a_string_are_taken(
    server: Surface, version: dict[str, str]
) -> None:
    message = call_of("list_agents")
    message["params"]["arguments"] = '{"limit": "7", "status": null, "role": "x"}'
    if version is NEWER:
        message, version = newer(message)
    answer = await post(server, await server.token(), message, version)
    error = answer.data["result"]["structuredContent"]["error"]
    assert [each["argument"] for each in error["details"]["errors"]] == ["role"]


def test_the_names_of_the_server_are_those_of_its_settings_without_case() -> None:
    loaded = Settings(
        host="Hubbub.LAN", public_url="https://Hubbub.example.com/x", allowed_hosts="a.lan, B.lan"
    )
    names = {"hubbub.lan", "hubbub.example.com", "a.lan", "b.lan"}
    assert names_of(loaded) == LOOPBACK | names
    assert {"b.lan", "b.lan:*"} <= set(allowed_hosts(names_of(loaded)))


# --- Cancelled ------------------------------------------------------------------------------------


@pytest.mark.parametrize("era", ["older", "newer"])
async def test_a_cancelled_call_ends_and_takes_no_message(server: Surface, era: str) -> None:
    token = await registered(server)
    message, headers = call_of("get_messages", 77, wait_s=50), OLDER
    if era == "newer":
        message, headers = newer(message)
    waiting = asyncio.create_task(post(server, token, message, headers))
    await until_waiting(server)
    answer = await post(server, token, cancellation(77), headers)
    assert answer.status == 202
    async with asyncio.timeout(SOON_S):
        ended = (await waiting).data
    assert "The client cancelled the request." in json.dumps(ended)
    await server.call(token, "send_message", to="ada", body="later")
    assert await inbox(server, token) == [("later", 1)]


@pytest.mark.parametrize("era", ["older", "newer"])
async def test_a_call_that_is_cancelled_before_its_transaction_changes_nothing(
    server: Surface, gate: Gate, era: str
) -> None:
    token = await registered(server)
    message, headers = call_of("send_message", 77, to="ada", body="x"), OLDER
    if era == "newer":
        message, headers = newer(message)
    gate.opened.clear()
    request = asyncio.create_task(post(server, token, message, headers))
    async with asyncio.timeout(SOON_S):
        while not gate.waiting:  # noqa: ASYNC110 - steps of the server
            await asyncio.sleep(0.001)
        await post(server, token, cancellation(77), headers)
        ended = (await request).data
    assert (ended["id"], ended["error"]["code"]) == (77, REQUEST_CANCELLED)
    gate.opened.set()
    assert await inbox(server, token) == []


def test_a_call_that_was_cancelled_before_it_begins_does_not_begin() -> None:
    """The library may still be loading when both requests arrive."""
    running = RunningCalls()
    with running.accept("token", 77) as call:
        running.cancel("token", "77")
        with pytest.raises(MCPError), call.cancellable():
            pytest.fail("it began")


@pytest.mark.parametrize("request_id", [76, "x", None, [77]])
async def test_another_request_is_not_cancelled(server: Surface, request_id: Any) -> None:
    token = await registered(server)
    call = call_of("get_messages", 77, wait_s=50)
    waiting = asyncio.create_task(post(server, token, call, OLDER))
    await until_waiting(server)
    await post(server, token, cancellation(request_id), OLDER)
    await server.call(token, "send_message", to="ada", body="for the call")
    async with asyncio.timeout(SOON_S):
        assert "for the call" in (await waiting).data


async def test_nobody_cancels_the_call_of_another_token_or_one_of_two_with_an_id(
    server: Surface,
) -> None:
    ada, eve = await registered(server, "ada"), await registered(server, "eve")
    call = call_of("get_messages", 77, wait_s=50)
    waiting = [asyncio.create_task(post(server, ada, call, OLDER)) for _ in "12"]
    await until_waiting(server, 2)
    await post(server, eve, cancellation(77), OLDER)
    await post(server, ada, cancellation(77), OLDER)
    assert server.dispatcher.waiters.waiting == 2
    server.dispatcher.waiters.stop()
    assert ["cancelled" in (await each).data for each in waiting] == [False, False]


# --- Gone -----------------------------------------------------------------------------------------


async def closed(request: "asyncio.Task[Any]", server: Surface) -> None:
    """End the client's request, until the server has noticed that the connection is closed."""
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    async with asyncio.timeout(SOON_S):
        while server.connections:  # noqa: ASYNC110 - steps of the server
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("way", ["REST", "older", "newer"])
async def test_a_request_whose_connection_is_closed_is_not_begun(
    server: Surface, gate: Gate, way: str
) -> None:
    token = await registered(server)
    given = {"to": "ada", "body": "nobody waits for this"}
    message, headers = call_of("send_message", **given), OLDER
    if way == "newer":
        message, headers = newer(message)
    gate.opened.clear()
    request = asyncio.create_task(
        server.call(token, "send_message", **given)
        if way == "REST"
        else post(server, token, message, headers)
    )
    async with asyncio.timeout(SOON_S):
        while not gate.waiting:  # noqa: ASYNC110 - steps of the server
            await asyncio.sleep(0.001)
    await closed(request, server)
    gate.opened.set()
    await server.call(token, "send_message", to="ada", body="the next")
    assert await inbox(server, token) == [("the next", 1)]


@pytest.mark.parametrize("way", ["REST", "older", "newer"])
async def test_a_client_that_left_takes_no_message(server: Surface, way: str) -> None:
    token = await registered(server)
    message, headers = call_of("get_messages", wait_s=50), OLDER
    if way == "newer":
        message, headers = newer(message)
    request = asyncio.create_task(
        server.call(token, "get_messages", wait_s=50)
        if way == "REST"
        else post(server, token, message, headers)
    )
    await until_waiting(server)
    await closed(request, server)
    await server.call(token, "send_message", to="ada", body="later")
    await until_waiting(server, 0)
    assert await inbox(server, token) == [("later", 1)]
