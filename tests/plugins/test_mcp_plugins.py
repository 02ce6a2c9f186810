"""Plug-ins of the kind `mcp`: events call tools of a mounted server."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from bot.errors import Refused
from bot.kernel.outside import Outside
from bot.kernel.plugin_calls import HookCall
from bot.plugins import events, installing, mcp_handlers, revoking
from store.engine.transaction import Store
from store.mounts import mounts
from store.plugins import plugins
from tests.support.plugin_packages import package
from tests.support.plugins import PluginOffice
from tests.support.story import Clock
from tests.support.tool_server import ToolServer, open_tool_server, result
from tests.support.upstreams import connect

SECRET = "t0ken-of-the-server"
HANDLERS = """{handlers: [{event: agent.*, tool: search, arguments: {words: "{kind} {actor}"}, \
then: {operation: send_message, arguments: {to: ada, body: "{result}"}}}]}"""
MAY = "{role: developer, operations: [call_tool, send_message]}"
SETTINGS = "{token: {type: secret, description: Its token}, url: {description: Its address}}"


@pytest.fixture
async def server() -> AsyncIterator[ToolServer]:
    async with open_tool_server(token=SECRET) as opened:
        yield opened


@pytest.fixture
async def office(
    store: Store, clock: Clock, installation_id: int, server: ToolServer
) -> AsyncIterator[PluginOffice]:
    made = PluginOffice(store, clock, installation_id)
    await made.clear()
    async with connect(server.origin) as connected:
        outside = Outside(plugins=made.plugins, tool_servers=connected.servers)
        trusted = frozenset({server.origin})
        shared = replace(made.dispatcher.shared, trusted_origins=trusted, outside=outside)
        made.dispatcher.shared = shared
        yield made
    for row in await store.read(lambda tx: mounts.all_of(tx, installation_id)):
        remove = partial(mounts.remove, installation_id=installation_id, mount_id=row["id"])
        await store.write(remove)
    await made.clear()


async def use(office: PluginOffice, server: ToolServer, **settings: Any) -> dict[str, Any]:
    given = package(
        "tickets",
        files={},
        kind="mcp",
        entry="https://tickets.example.com/mcp",
        adds=HANDLERS,
        permissions=MAY,
        settings=SETTINGS,
    )
    await office.install(given)
    return await office.enable("tickets", settings={"token": SECRET, "url": server.url} | settings)


async def work(office: PluginOffice) -> None:
    office.clock.forward(60)
    while await events.step(office.store, office.plugins):
        pass


async def test_an_event_calls_a_tool_and_its_words_come_quoted(
    office: PluginOffice, server: ToolServer
) -> None:
    ada = await office.agent("ada")
    shown = await use(office, server)
    assert shown["plugin"]["state"] == "on"
    mounted = (await office.call("get_mount", mount="tickets"))["mount"]
    assert mounted["state"] == "running"
    await office.agent("bob")
    await work(office)
    await work(office)
    assert [each["arguments"]["words"] for each in server.calls] == ["agent.registered bob"]
    [message] = (await ada.call("get_messages"))["messages"]
    assert message["sender"] == "plugin/tickets"
    assert message["body"] == (
        '`tickets__search` of another server says:\n\n> {"words": "agent.registered bob"}'
    )


async def test_turning_it_off_stops_its_server_and_on_starts_it_again(
    office: PluginOffice, server: ToolServer
) -> None:
    await use(office, server)
    await office.call("manage_plugin", plugin="tickets", action="disable")
    assert (await office.call("get_mount", mount="tickets"))["mount"]["state"] == "stopped"
    await office.enable("tickets")
    assert (await office.call("get_mount", mount="tickets"))["mount"]["state"] == "running"


@pytest.mark.parametrize("end", ["removed", "revoked"])
async def test_the_server_of_a_plug_in_that_is_gone_answers_nobody(
    office: PluginOffice, server: ToolServer, end: str
) -> None:
    """Agents could go on to call the tools of a server that was revoked."""
    await use(office, server)
    if end == "removed":
        await installing.remove(office.store, "tickets")
    else:
        subject = "tickets@1.0.0"
        await office.store.write(lambda tx: plugins.put_trust(tx, "revoked", subject, "it leaks"))
        assert await office.store.write(revoking.stop_revoked) == ["tickets"]
        await office.store.write(lambda tx: plugins.remove_trust(tx, "revoked", subject))
    assert (await office.call("get_mount", mount="tickets"))["mount"]["state"] == "stopped"


async def test_a_server_that_does_not_answer_is_not_turned_on(
    office: PluginOffice, server: ToolServer
) -> None:
    with pytest.raises(Refused, match="did not list its tools, so nothing was changed"):
        await use(office, server, token="wrong")
    [plugin] = (await office.call("list_plugins"))["plugins"]
    assert plugin["state"] == "off"
    assert (await office.call("list_mounts"))["mounts"] == []


async def test_a_tool_that_fails_or_may_have_been_called_is_not_called_again(
    office: PluginOffice, server: ToolServer
) -> None:
    async def fails(_: ToolServer, __: Any, message: dict[str, Any]) -> Any:
        return result(message, {"content": [{"type": "text", "text": "No"}], "isError": True})

    await use(office, server)
    server.faults["search"] = fails
    await office.agent("ada")
    await work(office)
    assert len(server.calls) == 1
    server.status = 503
    await office.agent("bob")
    await work(office)
    server.status, server.faults = 0, {}
    await office.agent("eve")
    await work(office)
    words = [each["arguments"]["words"] for each in server.calls]
    assert words == ["agent.registered ada", "agent.registered eve"]
    [plugin] = (await office.call("list_plugins"))["plugins"]
    assert plugin["state"] == "on"


class Away:
    """A host whose tool server is away."""

    fetch: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]] | None = None

    async def call(self, operation: str, _: dict[str, Any]) -> dict[str, Any]:
        raise Refused("tool_unavailable", f"No answer to {operation}.")


async def test_a_server_that_is_away_is_tried_again() -> None:
    found = package(
        "tickets",
        files={},
        kind="mcp",
        entry="https://x.example.com/mcp",
        adds=HANDLERS,
        permissions=MAY,
    ).manifest
    event = {"id": "7:1", "kind": "agent.registered", "actor": "bob"}
    call = HookCall("event", arguments={"event": event})
    ended = await mcp_handlers.McpHandlers(found).run(call, Away(), 5)
    assert ended.failure is not None
    # A failure of this kind is tried again, and counts.
    assert ended.failure.kind == "timed_out"


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        ("{subject}", "acme/rocket#1"),
        ("Task {subject}: {data.labels}", "Task acme/rocket#1: a, b"),
        ("{data.labels}", ["a", "b"]),
        ("{data.n}", 4),
        (["{data.n}", "x"], [4, "x"]),
        (7, 7),
        ("{Not a place}", "{Not a place}"),
    ],
)
def test_places_are_filled_in(given: Any, filled: Any) -> None:
    event = {"subject": "acme/rocket#1", "data": {"labels": ["a", "b"], "n": 4}}
    assert mcp_handlers.with_values({"x": given}, event) == {"x": filled}


def test_an_unknown_place_is_refused() -> None:
    with pytest.raises(Refused, match=r"The event has no \{data.x\}"):
        mcp_handlers.with_values({"x": "{data.x}"}, {"subject": "s", "data": {}})


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"permissions": "{operations: [send_message]}"}, "must name call_tool"),
        ({"permissions": "{operations: [call_tool]}"}, "must name send_message"),
        ({"adds": "{panels: [{name: x, description: y}]}"}, "cannot be added by a plug-in"),
        ({"entry": "plugin.py"}, "must be the address of an MCP server"),
        ({"kind": "probot", "adds": '{deliveries: ["*"]}'}, "must have `secret`"),
        ({"kind": "probot", "adds": '{deliveries: ["a b"]}'}, "must be an event of GitHub"),
    ],
)
def test_a_manifest_that_does_not_fit_its_kind_is_refused(
    changed: dict[str, str], why: str
) -> None:
    keys = {"kind": "mcp", "entry": "https://x.example.com/mcp", "adds": HANDLERS} | changed
    with pytest.raises(Exception, match=why):
        _ = package("tickets", files={}, **({"permissions": MAY} | keys)).manifest
