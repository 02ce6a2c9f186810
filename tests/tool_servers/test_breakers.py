"""The circuit of a server opens after failures, and closes after an attempt that succeeds."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from bot.tool_servers.breakers import FIRST_S, LONGEST_S, MOST_FAILURES, WINDOW_S, Breakers, Guarded
from bot.tool_servers.connections import (
    Json,
    Progress,
    ServerSpec,
    ToolResult,
    ToolSpec,
    Unavailable,
)

SPEC = ServerSpec(1, "m1", 1, "mcp", "https://tools.example/mcp")
OTHER = ServerSpec(1, "m2", 1, "mcp", "https://tools.example/mcp")


@dataclass
class Time:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Server:
    """Answers each call with the next of its outcomes, and after the last one with an answer."""

    outcomes: Iterator[Unavailable]
    calls: list[str] = field(default_factory=list)
    waits: asyncio.Event | None = None

    async def list_tools(self, _: ServerSpec) -> list[ToolSpec]:
        return []

    async def call_tool(
        self,
        spec: ServerSpec,
        tool: str,
        arguments: Json,
        timeout_s: float,
        max_bytes: int,
        progress: Progress | None = None,
    ) -> ToolResult:
        self.calls.append(spec.server_id)
        assert (tool, arguments, timeout_s, max_bytes, progress) == ("t", {}, 1, 1, None)
        if self.waits:
            await self.waits.wait()
        if failure := next(self.outcomes, None):
            raise failure
        return ToolResult(())

    async def drop(self, installation_id: int, server_id: str) -> None:
        raise AssertionError((installation_id, server_id))


def away() -> Unavailable:
    return Unavailable("unreachable", "no route")


def guard(*outcomes: Unavailable) -> tuple[Guarded, Server, Time]:
    time, server = Time(), Server(iter(outcomes))
    return Guarded(server, Breakers(time)), server, time


async def fail(servers: Guarded, times: int = 1) -> Unavailable:
    for _ in range(times):
        with pytest.raises(Unavailable) as raised:
            await servers.call_tool(SPEC, "t", {}, 1, 1)
    return raised.value


async def test_after_five_failures_a_server_is_left_alone_for_a_while() -> None:
    servers, server, time = guard(*[away()] * MOST_FAILURES)
    await fail(servers, MOST_FAILURES)
    time.now += 10
    refused = await fail(servers)
    assert (refused.retry_after_s, refused.sent) == (FIRST_S - 10, False)
    assert len(server.calls) == MOST_FAILURES
    await servers.call_tool(OTHER, "t", {}, 1, 1)


async def test_an_attempt_that_succeeds_closes_the_circuit() -> None:
    servers, server, time = guard(*[away()] * MOST_FAILURES)
    await fail(servers, MOST_FAILURES)
    time.now += FIRST_S
    for _ in range(3):
        await servers.call_tool(SPEC, "t", {}, 1, 1)
    assert len(server.calls) == MOST_FAILURES + 3


async def test_attempts_that_fail_become_rare() -> None:
    servers, server, time = guard(*[away()] * 50)
    await fail(servers, MOST_FAILURES)
    waits = []
    for _ in range(6):
        waits.append((await fail(servers)).retry_after_s)
        time.now += waits[-1] or 0
        await fail(servers)
    assert waits == [30, 60, 120, 240, LONGEST_S, LONGEST_S]
    assert len(server.calls) == MOST_FAILURES + 6


async def test_only_one_call_at_a_time_tries_a_server_that_was_away() -> None:
    servers, server, time = guard(*[away()] * MOST_FAILURES)
    await fail(servers, MOST_FAILURES)
    time.now += FIRST_S
    server.waits = asyncio.Event()
    probe = asyncio.create_task(servers.call_tool(SPEC, "t", {}, 1, 1))
    await asyncio.sleep(0)
    await fail(servers, 3)
    assert len(server.calls) == MOST_FAILURES + 1
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    server.waits = None
    await servers.call_tool(SPEC, "t", {}, 1, 1)


async def test_failures_that_are_far_apart_open_nothing() -> None:
    servers, server, time = guard(*[away()] * 50)
    for _ in range(20):
        await fail(servers)
        time.now += WINDOW_S / 2
    assert len(server.calls) == 20


@pytest.mark.parametrize("kind", ["refused", "unauthorized", "too_large", "rate_limited"])
async def test_a_server_that_says_no_is_there(kind: str) -> None:
    servers, server, _ = guard(*[Unavailable(kind, "no", sent=True)] * 20)  # type: ignore[arg-type]
    await fail(servers, 20)
    assert len(server.calls) == 20


async def test_looking_at_a_server_closes_its_circuit() -> None:
    servers, server, _ = guard(*[away()] * MOST_FAILURES)
    await fail(servers, MOST_FAILURES)
    await servers.list_tools(SPEC)
    await servers.call_tool(SPEC, "t", {}, 1, 1)
    assert len(server.calls) == MOST_FAILURES + 1
