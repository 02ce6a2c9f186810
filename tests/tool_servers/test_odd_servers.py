"""MCP servers as they are in the world: what other clients could not read, and users reported."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from bot.mounts import manifest, tool_results
from bot.tool_servers.connections import ServerSpec, TextPart, ToolResult, Unavailable
from tests.support import tool_server
from tests.support.tool_server import LEGACY, MODERN, ToolServer, open_tool_server, tool
from tests.support.upstreams import connect

ERAS = pytest.mark.parametrize("era", [MODERN, LEGACY])


def spec_of(server: ToolServer) -> ServerSpec:
    return ServerSpec(7, "m_1", 1, "mcp", server.url)


def text_of(message: dict[str, Any], text: str, **more: Any) -> dict[str, Any]:
    found = {"resultType": "complete", "content": [{"type": "text", "text": text}], **more}
    return {"jsonrpc": "2.0", "id": message["id"], "result": found}


def odd_bytes(form: str) -> tuple[Callable[[dict[str, Any]], bytes], str]:
    def body(message: dict[str, Any]) -> bytes:
        made = text_of(message, "ok")
        changed: dict[str, dict[str, Any]] = {
            "text id": {"id": str(made["id"])},
            "no error": {"error": None},
        }
        text = json.dumps(made | changed.get(form, {}))
        return {
            "mark": "\ufeff" + text,
            "priming": f"id: 1\ndata:\n\nevent: message\r\ndata:{text}\r\n\r\n",
            "comments": f": hello\n\nevent: ping\ndata: {{}}\n\ndata: {text}\n\n",
        }.get(form, text).encode()

    is_stream = form in ("priming", "comments")
    return body, "text/event-stream" if is_stream else "application/json"


# modelcontextprotocol/servers#3051, zereight/gitlab-mcp#286, anthropics/claude-code#88049,
# mastra-ai/mastra#23731
@ERAS
@pytest.mark.parametrize(
    ("odd", "schema"),
    [
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, {"type": "object"}),
        ({}, {"type": "object"}),
        (None, {"type": "object"}),
        ({"anyOf": [{"type": "object"}]}, {"type": "object", "anyOf": [{"type": "object"}]}),
        ({"type": ["object", "null"]}, {"type": "object"}),
        ({"type": "string"}, {"type": "object"}),
        ({"required": True, "properties": {"a": {}, "required": ["a"]}}, {"properties": {"a": {}}}),
    ],
)
async def test_a_schema_without_a_type_is_one_of_an_object(
    era: str, odd: Any, schema: dict[str, Any]
) -> None:
    tools = [tool("search") | {"inputSchema": odd}, tool("other")]
    async with (
        open_tool_server(era=era, tools=tools) as server,
        connect(server.origin) as connected,
    ):
        found = await connected.servers.list_tools(spec_of(server))
    assert [each.name for each in found] == ["search", "other"]
    assert dict(found[0].input_schema).items() >= schema.items()


# ThinkInAIXYZ/deepchat#2075, sandialabs/atlas-ui-3#727
@ERAS
@pytest.mark.parametrize(
    "odd",
    [
        {"outputSchema": "text"},
        {"outputSchema": {"type": "array", "items": {}}},
        {"annotations": "read only"},
        {"annotations": {"readOnlyHint": "perhaps"}},
        {"description": None},
        {"description": ["a", "list"]},
        {"title": 7},
        {"icons": "none", "execution": 1, "_meta": []},
    ],
)
async def test_one_odd_part_of_a_tool_takes_nothing_away(era: str, odd: dict[str, Any]) -> None:
    tools = [{**tool("search"), **odd}, tool("other")]
    async with (
        open_tool_server(era=era, tools=tools) as server,
        connect(server.origin) as connected,
    ):
        found = await connected.servers.list_tools(spec_of(server))
    assert [each.name for each in found] == ["search", "other"]
    assert found[0].destructive


@ERAS
@pytest.mark.parametrize("odd", ["text", {"name": 7}, None, {}])
async def test_what_is_no_tool_is_left_out_and_said(era: str, odd: Any) -> None:
    tools = [odd, tool("other")]
    async with (
        open_tool_server(era=era, tools=tools) as server,
        connect(server.origin) as connected,
    ):
        listing = manifest.usable_tools(await connected.servers.list_tools(spec_of(server)))
    assert [each.name for each in listing.tools] == ["other"]
    assert len(listing.left_out) == 1, listing


# modelcontextprotocol/java-sdk#628, ChesterRa/cccc#50, DeusData/codebase-memory-mcp#1247
@ERAS
@pytest.mark.parametrize("cursor", ["", "again"])
async def test_a_cursor_that_leads_nowhere_ends_the_list(era: str, cursor: str) -> None:
    async with (
        open_tool_server(era=era, always_cursor=cursor) as server,
        connect(server.origin) as connected,
    ):
        listing = manifest.usable_tools(await connected.servers.list_tools(spec_of(server)))
    assert [each.name for each in listing.tools] == ["search"]
    assert listing.left_out == []


# modelcontextprotocol/python-sdk#1004, DAWNCR0W/affine-mcp-server#301, punkpeye/fastmcp#121
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, None),
        (400, "Bad Request: No valid session ID provided"),
        (400, "Bad Request: No valid session ID or not an initialize request"),
        (404, "Session not found"),
        (400, None),
    ],
    ids=str,
)
async def test_a_session_that_the_server_lost_is_begun_anew(status: int, error: str | None) -> None:
    async with (
        open_tool_server(era=LEGACY, lost_session=(status, error)) as server,
        connect(server.origin) as connected,
    ):
        await connected.call(spec_of(server))
        server.sessions.clear()
        found = await connected.call(spec_of(server))
        assert found.content == (TextPart('{"words": "fire"}'),)
        assert server.made_sessions == 2
        assert len(server.calls) == 2


# modelcontextprotocol/python-sdk#732, opensearch-project/opensearch-mcp-server-py#271
async def test_a_redirect_names_where_the_server_answers() -> None:
    async with (
        open_tool_server(faults={"search": tool_server.slash}) as server,
        connect(server.origin) as connected,
    ):
        failure = await connected.failure(spec_of(server))
    assert f"answers at {server.url}/." in failure.text
    assert "s3cret" not in failure.text


# modelcontextprotocol/python-sdk#1144: servers of 2024 have two addresses
async def test_a_server_of_the_older_transport_is_named_as_such() -> None:
    async with (
        open_tool_server(status=405, headers={"Allow": "GET"}) as server,
        connect(server.origin) as connected,
    ):
        with pytest.raises(Unavailable) as caught:
            await connected.servers.list_tools(spec_of(server))
    assert "HTTP+SSE" in caught.value.text


async def test_an_address_without_a_server_is_named_as_such() -> None:
    async with open_tool_server() as server, connect(server.origin) as connected:
        with pytest.raises(Unavailable) as caught:
            await connected.servers.list_tools(ServerSpec(7, "m_1", 1, "mcp", server.origin))
    assert "nothing at this address (status 404)" in caught.value.text


@ERAS
@pytest.mark.parametrize(
    ("odd", "content", "structured"),
    [
        ({"structuredContent": {"n": 1}}, (), {"n": 1}),
        ({"content": None, "structuredContent": {"n": 1}}, (), {"n": 1}),
        ({"content": [], "isError": None}, (), None),
        ({"content": [{"type": "text", "text": 7}]}, (TextPart("7"),), None),
        ({"content": [{"type": "text"}]}, (TextPart(""),), None),
        (
            {"content": ["plain", {"text": "untyped"}]},
            (TextPart("plain"), TextPart("untyped")),
            None,
        ),
        ({"content": {"type": "text", "text": "alone"}}, (TextPart("alone"),), None),
    ],
)
async def test_a_result_that_breaks_the_form_is_read_as_far_as_it_goes(
    era: str, odd: dict[str, Any], content: tuple[Any, ...], structured: Any
) -> None:
    async with (
        open_tool_server(era=era, faults={"search": tool_server.answers(odd)}) as server,
        connect(server.origin) as connected,
    ):
        found = await connected.call(spec_of(server))
    assert (tuple(found.content), found.structured, found.is_error) == (content, structured, False)


@ERAS
async def test_a_part_of_an_unknown_type_is_left_out_and_said(era: str) -> None:
    odd = [{"type": "video", "data": "x"}, {"type": "image"}, {"type": "text", "text": "a"}]
    answer = tool_server.answers({"content": odd})
    async with (
        open_tool_server(era=era, faults={"search": answer}) as server,
        connect(server.origin) as connected,
    ):
        found = await connected.call(spec_of(server))
    left_out = "(Hubbub left out a part that it cannot read: {})"
    texts = [left_out.format("video"), left_out.format("image"), "a"]
    assert [each.text for each in found.content] == texts


@pytest.mark.parametrize(("era", "there"), [(MODERN, [1, 2]), (LEGACY, None)])
async def test_a_structure_that_is_a_list_is_kept(era: str, there: Any) -> None:
    """As a text, where the version of the protocol has only objects."""
    odd = {"content": [], "structuredContent": [1, 2]}
    async with (
        open_tool_server(era=era, faults={"search": tool_server.answers(odd)}) as server,
        connect(server.origin) as connected,
    ):
        found = await connected.call(spec_of(server))
    assert found.structured == there
    assert tuple(found.content) == (() if there else (TextPart("[1, 2]"),))


@ERAS
@pytest.mark.parametrize("form", ["mark", "text id", "no error", "priming", "comments"])
async def test_odd_bytes_around_an_answer_do_not_hide_it(era: str, form: str) -> None:
    body, kind = odd_bytes(form)
    async with (
        open_tool_server(era=era, faults={"search": tool_server.sends(body, kind)}) as server,
        connect(server.origin) as connected,
    ):
        found = await connected.call(spec_of(server), timeout_s=20)
    assert found.content == (TextPart("ok"),)


@ERAS
async def test_half_a_surrogate_pair_does_not_lose_the_answer(era: str) -> None:
    """JSON of JavaScript and Python has it where a text was cut inside an emoji."""

    def body(message: dict[str, Any]) -> bytes:
        return json.dumps(text_of(message, "cut \ud83d here")).encode()

    async with (
        open_tool_server(era=era, faults={"search": tool_server.sends(body)}) as server,
        connect(server.origin) as connected,
    ):
        found = await connected.call(spec_of(server), timeout_s=20)
    assert found.content == (TextPart("cut ? here"),)


def test_numbers_that_json_has_not_are_null() -> None:
    """Python writes NaN, and no strict reader takes it."""
    odd = {"rate": float("nan"), "most": [float("inf"), 1.5]}
    shown = tool_results.view(ToolResult((), odd), 10_000)
    assert shown.structured == {"rate": None, "most": [None, 1.5]}
