"""Operations of plug-ins as clients call them: by REST, and by MCP in both eras."""

from collections.abc import AsyncIterator

import pytest

from bot.identity.actors import OPERATOR, Actor
from bot.plugins import installing
from store.engine.database import open_store
from tests.support.mcp_clients import ERAS, connect
from tests.support.plugin_packages import package
from tests.support.server_in_process import Surface, serving


@pytest.fixture
async def server(sqlite_url: str) -> AsyncIterator[Surface]:
    """A server with a plug-in that is installed, and not yet turned on."""
    store = await open_store(sqlite_url)
    async with serving(store, 1, plugins=True) as made:
        candidate = installing.of_package(package())
        await installing.install(store, candidate, OPERATOR, unsigned=True, update=False)
        yield made
    await store.close()


async def turn(server: Surface, action: str) -> None:
    given = {"plugin": "echo", "action": action}
    await server.dispatcher.call(Actor(1, OPERATOR, "tech-lead"), "manage_plugin", given)


async def test_an_operation_of_a_plug_in_is_called_by_rest(server: Surface) -> None:
    token = await server.token()
    off = await server.call(token, "echo__say", text="hello")
    assert (off.status, off.code) == (409, "plugin_off")
    await turn(server, "enable")
    answer = await server.call(token, "echo__say", text="hello")
    assert (answer.status, answer.data["plugin"], answer.data["result"]) == (
        200,
        "echo",
        {"said": "hello"},
    )
    wrong = await server.call(token, "echo__say", words="hello")
    assert (wrong.status, wrong.code) == (422, "invalid_arguments")
    unknown = await server.call(token, "echo__shout")
    assert (unknown.status, unknown.code) == (404, "unknown_tool")
    observer = await server.token("olaf", "observer")
    assert (await server.call(observer, "echo__say")).code == "forbidden"
    # The document is public, and says nothing about what is installed.
    assert "echo__say" not in str((await server.send("GET", "/api/v1/openapi.json")).data)


@pytest.mark.parametrize("era", ERAS)
async def test_an_operation_of_a_plug_in_is_called_by_mcp(server: Surface, era: str) -> None:
    await turn(server, "enable")
    async with connect(server, era) as client:
        assert "echo__say" not in [each.name for each in (await client.list_tools()).tools]
        found = await client.call_tool("find_tools", {"query": "says it again"})
        assert "echo__say" in str(found.structured_content)
        for name, given in (
            ("echo__say", {"text": "hello"}),
            ("call_tool", {"tool": "echo__say", "arguments": {"text": "hello"}}),
        ):
            answer = await client.call_tool(name, given)
            assert not answer.is_error
            assert answer.structured_content is not None
            assert answer.structured_content["result"] == {"said": "hello"}
        await turn(server, "disable")
        refused = await client.call_tool("echo__say", {"text": "hello"})
        assert refused.is_error
        assert "plugin_off" in str(refused)
