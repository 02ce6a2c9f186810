"""Notices as an MCP client sees them, over real HTTP. On SQLite: the engine plays no part."""

from collections.abc import AsyncIterator

import pytest

from tests.support.engines import ON_SQLITE
from tests.support.mcp_clients import connected_by
from tests.support.server_in_process import Surface, serving
from tests.support.story import Workspace

pytestmark = ON_SQLITE


@pytest.fixture
async def surface(workspace: Workspace) -> AsyncIterator[Surface]:
    """A server of the workspace's installation."""
    async with serving(workspace.store, workspace.installation.id) as made:
        yield made


async def test_an_error_of_a_tool_has_the_notice_beside_it_and_the_inbox_keeps_it(
    workspace: Workspace, surface: Surface
) -> None:
    name = workspace.name(await workspace.task())
    lead = await workspace.agent("lead", "tech-lead")
    async with connected_by(surface, await surface.token("scout")) as client:
        await client.call_tool("register_agent", {"agent_id": "scout", "name": "scout"})
        claimed = await client.call_tool("claim_task", {"task": name})
        assert not claimed.is_error
        await lead.call("change_task", task=name, hold=True, note="Wait")
        refused = (await client.call_tool("get_task", {"task": "t_1"})).structured_content or {}
        assert refused["error"]["code"] == "unknown_task"
        (notice,) = refused["notices"]
        assert (notice["kind"], notice["subject"]) == ("hold", name)
        await client.call_tool("list_agents", {})
        inbox = await client.call_tool("get_messages", {"state": "notices"})
        (past,) = (inbox.structured_content or {})["past_notices"]
        assert past == notice | {"at": past["at"], "seen": True}
