"""What is out of reach is not shown over HTTP either: REST, MCP with its resources, WebSocket."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from bot.identity.keyring import Keys
from bot.kernel import event_stream
from store.engine.database import open_store
from tests.support import call_matrix
from tests.support.api_keys import add_api_key
from tests.support.canaries import ME, Side
from tests.support.mcp_clients import connected_by
from tests.support.recording_store import RecordingStore
from tests.support.server_in_process import Surface, serving
from tests.support.story import Clock
from tests.support.two_tenants import ABROAD, BOUND, HOME, VAULT, A, build, guard

KEYS = Keys("k" * 40)
SIDES = (VAULT, ABROAD)


@dataclass
class Caller:
    """An agent with a token that is bound to HOME's repository."""

    surface: Surface
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@pytest.fixture
async def caller(sqlite_url: str) -> AsyncIterator[Caller]:
    clock = Clock()
    await build(sqlite_url, clock, KEYS)
    guard(sqlite_url, VAULT)
    store = await open_store(sqlite_url, clock)
    # No call leaves anything: what one passed would be in the answers to the next.
    async with serving(RecordingStore(store), A, keys=KEYS) as surface:
        token = await store.write(
            lambda tx: add_api_key(tx, KEYS, A, ME, "tech-lead", repositories=BOUND)
        )
        yield Caller(surface, token)
    await store.close()


def leak_in(text: str, passed: Any = ()) -> str | None:
    """The part of an answer with a canary that the caller has not passed."""
    foreign = [each for side in SIDES for each in side.canaries]
    own = [s for s in call_matrix.strings(passed) if any(each in s for each in foreign)]
    for each in sorted(own, key=len, reverse=True):
        text = text.replace(json.dumps(each, ensure_ascii=False)[1:-1], "")
    for canary in foreign:
        if (at := text.find(canary)) >= 0:
            return f"{passed} shows {canary}: …{text[max(0, at - 200) : at + 100]}…"
    return None


@pytest.mark.parametrize("side", SIDES, ids=lambda side: side.word)
async def test_rest_shows_nothing_out_of_reach(caller: Caller, side: Side) -> None:
    calls = list(call_matrix.sample(HOME, side))
    for called in calls:
        answer = await caller.surface.call(caller.token, called.operation, **called.arguments)
        # The tool servers of the rows do not exist, which is 502.
        bug = answer.status >= 500 and answer.data["error"]["code"] != "tool_unavailable"
        assert not bug, f"{called}: {answer.data}"
        said = json.dumps([answer.data, dict(answer.headers)], ensure_ascii=False)
        assert leak_in(said, called.arguments) is None
    assert len(calls) > 130


async def test_mcp_shows_nothing_out_of_reach(caller: Caller) -> None:
    async with connected_by(caller.surface, caller.token) as client:
        for called in call_matrix.sample(HOME, VAULT):
            answer = await client.call_tool(called.operation, dict(called.arguments))
            said = json.dumps(answer.model_dump(mode="json"), ensure_ascii=False)
            assert leak_in(said.replace('\\"', '"'), called.arguments) is None
            assert "internal" not in said[:60]


async def said_of(client: Client, uri: str) -> str:
    """What a client gets that reads a resource: its text or the error."""
    try:
        found = await client.read_resource(uri)
    except MCPError as exc:
        return json.dumps(exc.error.model_dump(mode="json"), ensure_ascii=False)
    return json.dumps(found.model_dump(mode="json"), ensure_ascii=False)


async def test_resources_show_nothing_out_of_reach(caller: Caller) -> None:
    async with connected_by(caller.surface, caller.token) as client:
        for uri in ("hubbub://inbox", "hubbub://tasks/ready", "hubbub://budget"):
            assert leak_in(await said_of(client, uri)) is None
        absent = Side("walnut", 94494, A)
        for side in SIDES:
            for there, nowhere in zip(addresses(side), addresses(absent), strict=True):
                said, other = await said_of(client, there), await said_of(client, nowhere)
                assert side.neutral(said) == absent.neutral(other)


def addresses(side: Side) -> list[str]:
    return [
        f"hubbub://task/{side.full_name}/{side.number(2)}",
        f"hubbub://task/{side.full_name}/{side.pull}",
        f"hubbub://context/{side.id('c', 1)}",
    ]


async def test_a_socket_shows_nothing_out_of_reach(caller: Caller) -> None:
    url = f"{caller.surface.url}/ws"
    async with caller.surface.client.ws_connect(url, headers=caller.headers) as opened:

        async def frame() -> Any:
            return await opened.receive_json(timeout=20)

        for side in SIDES:
            for topic in (side.name(1), f"context:{side.id('c', 2)}", f"task:{side.id('t', 1)}"):
                await opened.send_json({"type": "subscribe", "topics": [topic]})
                refused = await frame()
                assert refused["type"] == "error"
                assert leak_in(json.dumps(refused), [topic]) is None
        # From the first event on. The last ones are of the agent's own repository.
        every = {"topics": ["tasks", "messages", "contexts"]}
        cursor = event_stream.cursor_text(A, VAULT.digits * 1000)
        await opened.send_json({"type": "subscribe", **every, "cursor": cursor})
        events: list[Any] = []
        while not events or events[-1]["type"] != "subscribed":
            events.append(await frame())
        events += [await frame() for _ in range(MESSAGES)]
        assert leak_in(json.dumps(events)) is None


# The events of VAULT that reach the agent: about messages to it and to everybody.
MESSAGES = 3
