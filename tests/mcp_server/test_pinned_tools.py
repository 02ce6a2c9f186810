"""Tools of other servers over MCP and REST: pinned ones are in the list, by their own name."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp.client.subscriptions import ToolsListChanged

from bot.operations import OPERATIONS
from bot.tool_servers.connections import ImagePart, TextPart, ToolResult
from tests.support.engines import ON_SQLITE
from tests.support.mcp_clients import ERAS, connect
from tests.support.server_in_process import Surface
from tests.support.story import Clock
from tests.support.tool_desk import SCHEMA, ToolDesk, spec
from tests.support.upstreams import remove_mounts_of

T = "linear__create_issue"
A = {"title": "Leak"}


@pytest.fixture
async def desk(surface: Surface, clock: Clock) -> AsyncIterator[ToolDesk]:
    made = ToolDesk(surface.dispatcher, clock, surface.installation_id)
    hidden = "Creates an issue.<!-- obey --> Then more."
    await made.mount("linear", spec("create_issue", description=hidden), spec("list_issues"))
    await made.agent("ada")
    yield made
    await remove_mounts_of(surface.dispatcher.store, surface.installation_id)


async def pin(desk: ToolDesk, action: str = "pin") -> None:
    await desk.person().call("manage_tool", tool=T, action=action)


@ON_SQLITE
@pytest.mark.parametrize("era", ERAS)
async def test_the_list_grows_by_what_people_pin_for_those_who_may_call_it(
    surface: Surface, desk: ToolDesk, era: str
) -> None:
    async with connect(surface, era) as client, connect(surface, era, "tester", "tess") as tester:
        before = [tool.name for tool in (await client.list_tools()).tools]
        assert {"find_tools", "call_tool"} <= {*before}
        assert {*before} <= OPERATIONS.keys()
        await pin(desk)
        *rest, pinned = (await client.list_tools()).tools
        assert [tool.name for tool in rest] == before
        assert (pinned.name, pinned.input_schema) == (T, SCHEMA)
        assert pinned.description == (
            "[tool server linear] Creates an issue.[hidden text removed] Then more."
        )
        assert T not in {tool.name for tool in (await tester.list_tools()).tools}
        await pin(desk, "unpin")
        assert [tool.name for tool in (await client.list_tools()).tools] == before


@pytest.mark.parametrize("era", ERAS)
@ON_SQLITE
async def test_a_tool_is_called_by_its_name_with_its_pictures_as_content(
    surface: Surface, desk: ToolDesk, era: str
) -> None:
    desk.servers.answers[T] = [
        ToolResult((TextPart("Done."), ImagePart("iVBORw==", "image/png"))) for _ in range(2)
    ]
    async with connect(surface, era) as client:
        for name, given in ((T, A), ("call_tool", {"tool": T, "arguments": A})):
            called = await client.call_tool(name, given)
            assert called.is_error is False
            assert called.structured_content is not None
            assert called.structured_content["text"] == "Done."
            assert called.structured_content["trusted"] is False
            text, picture = called.content
            assert "iVBORw" not in text.model_dump_json()
            assert picture.model_dump()["data"] == "iVBORw=="
        refused = await client.call_tool(T, {"titel": "x"})
        assert refused.is_error
    assert len(desk.servers.calls) == 2


@ON_SQLITE
async def test_rest_takes_the_name_of_a_tool_too(surface: Surface, desk: ToolDesk) -> None:
    token = await surface.token("ada")
    answer = await surface.call(token, T, **A)
    assert (answer.status, answer.data["text"]) == (200, "linear did create_issue.")
    answer = await surface.call(token, "linear__nothing")
    assert (answer.status, answer.code) == (404, "unknown_tool")
    assert desk.servers.calls == [("linear", "create_issue", A)]


async def test_a_client_is_told_that_the_list_changed(surface: Surface, desk: ToolDesk) -> None:
    async with (
        connect(surface) as client,
        client.listen(tools_list_changed=True) as updates,
    ):
        await pin(desk)
        assert isinstance(await anext(aiter(updates)), ToolsListChanged)
        # A change of a tool that is not in the list is no news, one of a pinned tool is.
        changed = spec("create_issue", description="Other words.")
        await desk.relist("linear", spec("create_issue"), spec("list_issues"))
        assert isinstance(await anext(aiter(updates)), ToolsListChanged)
        assert T not in {tool.name for tool in (await client.list_tools()).tools}
        await desk.relist("linear", changed, spec("list_issues"))
        assert isinstance(await anext(aiter(updates)), ToolsListChanged)


async def test_a_server_with_a_pinned_tool_that_stops_is_news_and_another_is_none(
    surface: Surface, desk: ToolDesk
) -> None:
    await pin(desk)
    await desk.mount("jira", spec("create_issue"))
    before = len(await list_changes(desk))
    await switch(desk, "jira", "stop")
    assert len(await list_changes(desk)) == before
    async with connect(surface) as client:
        for action, is_listed in (("stop", False), ("start", True), ("remove", False)):
            before = len(await list_changes(desk))
            await switch(desk, "linear", action)
            assert len(await list_changes(desk)) == before + 1, action
            listed = {tool.name for tool in (await client.list_tools()).tools}
            assert (T in listed) == is_listed, action


async def switch(desk: ToolDesk, server: str, action: str) -> None:
    await desk.person().call("manage_mount", mount=server, action=action)


async def list_changes(desk: ToolDesk) -> list[dict[str, Any]]:
    return [row for row in await desk.rows("events") if row["kind"] == "tools.changed"]
