"""Calls to MCP servers of others, and what these may do to a call: nobody else is disturbed."""

import asyncio
from socket import AF_INET, AddressFamily
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from bot.tool_servers.connections import ServerSpec, TextPart
from bot.tool_servers.network import MOST_OPEN
from mcp_server.upstreams import web
from mcp_server.upstreams.pace import Pace
from tests.support import tool_server
from tests.support.tool_server import LEGACY, MODERN, ToolServer, open_tool_server, tool
from tests.support.upstreams import connect

ERAS = pytest.mark.parametrize("era", [MODERN, LEGACY])


def spec_of(server: ToolServer, version: int = 1, **given: Any) -> ServerSpec:
    return ServerSpec(7, "m_1", version, "mcp", server.url, **given)


@ERAS
async def test_a_tool_is_called_over_one_connection(era: str) -> None:
    async with open_tool_server(era=era) as server, connect(server.origin) as connected:
        for _ in range(3):
            found = await connected.call(spec_of(server))
            assert found.content == (TextPart('{"words": "fire"}'),)
        assert server.made_sessions == (era == LEGACY)


@ERAS
async def test_all_pages_of_a_list_are_read(era: str) -> None:
    tools = [tool(f"t{n}") for n in range(7)]
    async with (
        open_tool_server(era=era, tools=tools, page_size=3) as server,
        connect(server.origin) as connected,
    ):
        found = await connected.servers.list_tools(spec_of(server))
        assert [each.name for each in found] == [f"t{n}" for n in range(7)]
        assert found[0].destructive


async def test_only_the_credential_of_the_server_is_sent() -> None:
    async with open_tool_server(token="ours") as server, connect(server.origin) as connected:
        spec = spec_of(server, headers={"Authorization": "Bearer ours"}, query={"key": "k"})
        await connected.call(spec)
        refused = await connected.failure(spec_of(server, 2, headers={}))
        assert refused.kind == "unauthorized"
        assert "does not accept the credential" in refused.text
        assert "ours" not in repr(spec)
    assert "Cookie" not in server.seen_headers[-1]


@ERAS
@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (tool_server.never, "timeout", "did not answer within 0.3 s"),
        (tool_server.huge, "too_large", "larger than"),
        (tool_server.huge_stream, "too_large", "larger than"),
        (tool_server.flood, "timeout", "did not answer within 0.3 s"),
        (tool_server.die, "unreachable", "closed the connection"),
        (tool_server.redirect, "refused", "follows no redirects"),
        (tool_server.nonsense, "protocol", "does not keep to the protocol"),
        (tool_server.busy, "rate_limited", "asks to wait"),
    ],
)
async def test_a_fault_is_said_in_words_and_disturbs_no_other_call(
    era: str, fault: Any, kind: str, words: str
) -> None:
    async with open_tool_server(era=era, faults={"bad": fault}) as server:
        async with connect(server.origin) as connected:
            spec = spec_of(server)
            await connected.call(spec)
            timeout_s = 0.3 if kind == "timeout" else 20.0
            failing = asyncio.create_task(connected.failure(spec, "bad", timeout_s=timeout_s))
            others = [connected.call(ServerSpec(8, "m_2", 1, "mcp", server.url)) for _ in range(3)]
            assert all(not each.is_error for each in await asyncio.gather(*others))
            failure = await failing
            assert (failure.kind, words in failure.text) == (kind, True), failure.text
            assert (await connected.call(spec)).content
        if fault is tool_server.busy:
            assert failure.retry_after_s == 7


@ERAS
@pytest.mark.parametrize(
    ("fault", "sent"),
    [(tool_server.never, True), (tool_server.hang_up, True), (tool_server.busy, False)],
)
async def test_a_call_without_an_answer_may_have_had_an_effect(
    era: str, fault: Any, sent: object
) -> None:
    """Otherwise it would be repeated, and the agent would read that nothing was done."""
    async with (
        open_tool_server(era=era, faults={"bad": fault}) as server,
        connect(server.origin) as connected,
    ):
        timeout_s = 0.1 if fault is tool_server.never else 20.0
        # On a busy machine the time may end before the call has left.
        while not server.called.is_set():
            failure = await connected.failure(spec_of(server), "bad", timeout_s=timeout_s)
            timeout_s *= 2
        assert failure.sent is sent, failure.text


async def test_a_call_to_a_server_that_is_away_was_not_sent() -> None:
    async with open_tool_server() as server, connect(server.origin) as connected:
        await connected.call(spec_of(server))
        spec = spec_of(server)
    failure = await connected.failure(spec)
    assert (failure.kind, failure.sent) == ("unreachable", False)


@ERAS
async def test_an_error_that_answers_a_call_is_what_the_tool_says(era: str) -> None:
    """It is no failure of the server, which would stop the calls of others."""
    async with (
        open_tool_server(era=era, faults={"bad": tool_server.refuse}) as server,
        connect(server.origin) as connected,
    ):
        found = await connected.call(spec_of(server), "bad")
        text = "The server answered with an error: Invalid arguments for tool: `limit` is too large"
        assert (found.is_error, found.content) == (True, (TextPart(text),))


@ERAS
async def test_words_of_an_error_do_not_have_a_call_repeated(era: str) -> None:
    async with (
        open_tool_server(era=era, faults={"bad": tool_server.no_session}) as server,
        connect(server.origin) as connected,
    ):
        assert (await connected.call(spec_of(server), "bad")).is_error
        assert len(server.calls) == 1


@ERAS
async def test_a_tool_that_never_answers_takes_no_connection_from_the_others(era: str) -> None:
    async with (
        open_tool_server(era=era, faults={"bad": tool_server.never}) as server,
        connect(server.origin) as connected,
    ):
        spec = spec_of(server)
        bad = [connected.failure(spec, "bad", timeout_s=0.1) for _ in range(MOST_OPEN + 5)]
        assert {each.kind for each in await asyncio.gather(*bad)} == {"timeout"}
        assert (await connected.call(spec)).content


async def test_what_a_server_does_not_acknowledge_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faults = {"bad": tool_server.never, "asks": tool_server.ask_back}
    async with (
        open_tool_server(era=LEGACY, faults=faults) as server,
        connect(server.origin) as connected,
    ):
        spec = spec_of(server)
        await connected.call(spec)
        server.silent_to = frozenset({"note", "DELETE"})
        for _ in range(2):
            assert (await connected.call(spec, "asks")).content == (TextPart("done"),)
        assert (await connected.failure(spec, "bad", timeout_s=0.1)).kind == "timeout"
        assert (await connected.call(spec)).content
        # The end of the session is not acknowledged either.
        monkeypatch.setattr(web, "NOTE_S", 0.05)
        await connected.servers.drop(7, "m_1")


def test_a_quiet_time_gives_a_server_no_more_than_a_burst() -> None:
    pace = Pace(burst=5, rate=1)
    assert [pace.count(1, 1000.0) for _ in range(6)] == [0, 0, 0, 0, 0, 1]
    assert [pace.count(5, 9000.0), pace.count(2, 9000.0)] == [0, 2]


async def test_a_call_that_is_cancelled_is_cancelled_at_the_server() -> None:
    async with (
        open_tool_server(faults={"bad": tool_server.never}) as server,
        connect(server.origin) as connected,
    ):
        call = asyncio.create_task(connected.call(spec_of(server), "bad"))
        await server.called.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await server.left.wait()


async def test_progress_reaches_the_one_who_waits() -> None:
    heard = []

    async def hear(done: float, total: float | None, text: str | None) -> None:
        heard.append((done, total, text))

    async with (
        open_tool_server(faults={"slow": tool_server.steps}) as server,
        connect(server.origin) as connected,
    ):
        await connected.call(spec_of(server), "slow", progress=hear)
    assert heard == [(1, 2, "step 1"), (2, 2, "step 2")]


async def test_a_changed_list_is_heard() -> None:
    async with open_tool_server() as server, connect(server.origin) as connected:
        await connected.call(spec_of(server))
        await server.heard.wait()
        server.changed.set()
        await connected.heard.wait()
    assert connected.changed == [(7, "m_1")]


async def test_a_server_that_forgot_the_session_is_called_once_more() -> None:
    async with open_tool_server(era=LEGACY) as server, connect(server.origin) as connected:
        await connected.call(spec_of(server))
        server.sessions.clear()
        assert (await connected.call(spec_of(server))).content
        assert (server.made_sessions, len(server.calls)) == (2, 2)


async def test_a_server_that_is_away_is_not_tried_by_each_call() -> None:
    async with open_tool_server(status=503) as server, connect(server.origin) as connected:
        spec = spec_of(server)
        first = await connected.failure(spec)
        assert (first.kind, first.text) == ("unreachable", "The server failed (status 503).")
        tried = len(server.seen_headers)
        second = await connected.failure(spec)
        assert "Hubbub tries again in" in second.text
        assert len(server.seen_headers) == tried
        server.status = 0
        assert await connected.servers.list_tools(spec)
        assert await connected.call(spec)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9/mcp", "must begin with https"),
        ("https://127.0.0.1/mcp", "must be a host on the internet"),
        ("https://localhost.localdomain/mcp", "not on the public internet"),
    ],
)
async def test_no_server_is_reached_at_an_inner_address(url: str, words: str) -> None:
    async with connect(resolver=Inner()) as connected:
        failure = await connected.failure(ServerSpec(7, "m_1", 1, "mcp", url))
        assert words in failure.text, failure.text


class Inner(AbstractResolver):
    """A name server that says that every host is this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        pass


async def test_connections_are_bounded_and_the_oldest_goes() -> None:
    async with open_tool_server(era=LEGACY) as server, connect(server.origin, most=2) as connected:
        for name in ("m_0", "m_1", "m_2"):
            await connected.call(ServerSpec(7, name, 1, "mcp", server.url))
        assert sorted(key[1] for key in connected.servers._open) == ["m_1", "m_2"]
        await connected.servers.drop(7, "m_1")
        assert [key[1] for key in connected.servers._open] == ["m_2"]
