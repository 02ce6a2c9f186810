"""The stream that tells a browser what changed."""

import asyncio
from contextlib import AsyncExitStack, ExitStack
from typing import Any, cast

import pytest

from bot.errors import Refused
from tests.support.login import LoginServer
from tests.support.page import HERE, operator, signed_in, updates
from webhooks.page.open_streams import MOST_OF_SESSION, STREAMS, Streams
from webhooks.page.updates import Stream


@pytest.fixture(autouse=True)
def quick(server: LoginServer) -> None:
    server.app[STREAMS].every_s = 0.05


async def test_a_browser_learns_the_names_of_what_changed(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    agent = await workspace.agent("ada")
    issue = await workspace.task()
    name = workspace.name(issue)
    async with updates(browser) as stream:
        assert stream.response.headers["Content-Type"] == "text/event-stream"
        task = (await agent.call("claim_task", task=name))["task"]
        named = await stream.next()
        assert named == ["activity", f"task:{task['id']}", "tasks"]
        await agent.call("register_agent", agent_id="ada", name="Ada L.")
        assert await stream.next() == ["activity"], "a call that only its audit row shows"


async def test_what_happened_before_the_stream_began_is_told(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    await workspace.agent("ada")
    async with updates(browser, "?since=0") as stream:
        assert "agents" in await stream.next()
    async with updates(browser, "?since=nonsense") as stream:
        await workspace.agent("bob")
        assert await stream.next() == ["activity", "agents"]


async def test_a_busy_minute_makes_few_messages(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    agent, pauses = await workspace.agent("ada"), list[float]()
    name, is_over = workspace.name(await workspace.task()), asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await is_over.wait()

    server.app[STREAMS].every_s, server.app[STREAMS].pause = 60, pause
    async with updates(browser) as stream:
        await workspace.agent("bob")
        assert await stream.next() == ["activity", "agents"]
        for n in range(20):
            await workspace.agent(f"agent-{n}")
        task = (await agent.call("claim_task", task=name))["task"]
        is_over.set()
        assert await stream.next() == ["activity", "agents", f"task:{task['id']}", "tasks"]
    assert pauses == [60, 60]


async def test_nobody_learns_of_tasks_out_of_reach(server: LoginServer) -> None:
    workspace = server.workspace
    agent = await workspace.agent("ada")
    workspace.github.repository("acme/open", private=True)
    workspace.github.person("hubot", permissions={"acme/open": "write"})
    workspace.github.add_repositories(workspace.installation, ["acme/open"])
    await workspace.settle()
    issue = await workspace.task()
    browser = await signed_in(server, "hubot")
    async with updates(browser) as stream:
        await agent.call("claim_task", task=workspace.name(issue))
        assert await stream.next() == ["activity"]


async def test_the_stream_ends_with_the_login(server: LoginServer) -> None:
    browser = await signed_in(server)
    async with updates(browser) as stream, updates(browser) as second:
        assert (await browser.open("/logout", "POST")).status == 200
        for each in (stream, second):
            while (message := await each.next()) == ["activity"]:
                pass  # the audit row of the logout comes first
            assert message == ["ended"]
    async with browser.client.get(f"{browser.url}{HERE}/updates", allow_redirects=False) as gone:
        assert gone.status == 303


async def test_the_number_of_streams_is_bounded(server: LoginServer) -> None:
    browser, streams = await signed_in(server), server.app[STREAMS]
    streams.most = 2
    async with updates(browser), updates(browser), updates(browser, status=409) as refused:
        assert "limit of this server" in await refused.response.text()


async def test_a_stream_has_no_head_alone(server: LoginServer) -> None:
    browser = await signed_in(server)
    assert (await browser.open(f"{HERE}/updates", "HEAD")).status == 405


async def test_a_login_that_opens_many_streams_keeps_only_its_newest(server: LoginServer) -> None:
    browser, other = await signed_in(server), await operator(server)
    async with AsyncExitStack() as opened:
        every = [
            await opened.enter_async_context(updates(browser)) for _ in range(2 * MOST_OF_SESSION)
        ]
        async with updates(other):
            pass
        await server.workspace.task()
        for each in every[:MOST_OF_SESSION]:
            while await each.next():
                pass  # what happened before it made room
        while "tasks" not in await every[-1].next():
            pass
        assert server.app[STREAMS].count <= MOST_OF_SESSION + 1


def test_a_login_that_opens_streams_faster_than_old_ones_end_is_refused() -> None:
    streams, nothing = Streams(), cast("Any", None)
    every = [Stream(nothing, nothing, 0) for _ in range(2 * MOST_OF_SESSION)]
    with ExitStack() as opened:
        for each in every:
            opened.enter_context(streams.add("mine", each))
        with (
            pytest.raises(Refused, match="faster than old ones end"),
            streams.add("mine", Stream(nothing, nothing, 0)),
        ):
            pass
        with streams.add("another", Stream(nothing, nothing, 0)):
            assert streams.count == 2 * MOST_OF_SESSION + 1
        made_room = [each.is_replaced for each in every]
        assert made_room == [True] * MOST_OF_SESSION + [False] * MOST_OF_SESSION
    assert streams.count == 0
