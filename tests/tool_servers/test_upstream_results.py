"""What servers answer in MCP, as values of Hubbub: within the room that the caller has."""

from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import MCPError

from bot.tool_servers.connections import (
    AudioPart,
    ImagePart,
    LinkPart,
    Part,
    TextPart,
    ToolResult,
    Unavailable,
)
from mcp_server.upstreams import results
from mcp_server.upstreams.exchange import Exchange

ROOM = 1000


def text(of: str) -> types.TextContent:
    return types.TextContent(type="text", text=of)


def image(data: str) -> types.ImageContent:
    return types.ImageContent(type="image", data=data, mime_type="image/png")


def embedded(**resource: Any) -> types.EmbeddedResource:
    given = {"type": "resource", "resource": {"uri": "file:///a", **resource}}
    return types.EmbeddedResource.model_validate(given)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (text("It rains."), TextPart("It rains.")),
        # Half of a surrogate pair, which no database takes.
        (text("a\ud800b"), TextPart("a?b")),
        (image("aGk="), ImagePart("aGk=", "image/png")),
        (
            types.AudioContent(type="audio", data="aGk=", mime_type="audio/ogg"),
            AudioPart("aGk=", "audio/ogg"),
        ),
        (
            types.ResourceLink(type="resource_link", uri="file:///a", name="A", mime_type="a/b"),
            LinkPart("file:///a", "A", "a/b"),
        ),
        (embedded(text="All of it"), TextPart("All of it")),
        # Bytes of a file are not handed on, but say where they are.
        (embedded(blob="aGk="), LinkPart("file:///a")),
    ],
)
def test_each_kind_of_content_is_a_part(content: Any, part: Part) -> None:
    found = results.result_of(types.CallToolResult(content=[content]), ROOM)
    assert found == ToolResult((part,))


@pytest.mark.parametrize(
    ("contents", "parts"),
    [
        # A text is cut where the room ends, and never inside of a character.
        ([text("x" * 990), text("a" * 9 + "é")], (TextPart("x" * 990), TextPart("a" * 9))),
        # What stands behind it has no room.
        ([text("x" * ROOM), text("more")], (TextPart("x" * ROOM),)),
        # Half an image is none, and a smaller one behind it still has room.
        ([image("x" * (ROOM + 1)), text("small")], (TextPart("small"),)),
    ],
)
def test_what_has_no_room_is_left_out_and_the_result_says_so(
    contents: list[Any], parts: tuple[Part, ...]
) -> None:
    found = results.result_of(types.CallToolResult(content=contents), ROOM)
    assert found == ToolResult(parts, truncated=True)


def error(code: int, message: str) -> MCPError:
    return MCPError(code, message)


@pytest.mark.parametrize(
    ("exc", "kind", "words"),
    [
        (ConnectionResetError(), "unreachable", "The server closed the connection."),
        (anyio.ClosedResourceError(), "unreachable", "The server closed the connection."),
        (
            error(types.CONNECTION_CLOSED, "Connection closed"),
            "unreachable",
            "The server closed the connection.",
        ),
        # Servers use this code for errors of their own too.
        (
            error(types.CONNECTION_CLOSED, "I am tired"),
            "protocol",
            "The server answered with an error: I am tired",
        ),
        (
            error(types.METHOD_NOT_FOUND, "no such method"),
            "protocol",
            "The server does not know this: no such method",
        ),
        (
            error(types.INTERNAL_ERROR, "x" * 900),
            "protocol",
            f"The server answered with an error: {'x' * 500}",
        ),
        (
            error(types.PARSE_ERROR, "Failed to parse"),
            "protocol",
            "The server does not keep to the protocol: its answer cannot be read (ParseError).",
        ),
        (
            ExceptionGroup("", [ExceptionGroup("", [KeyError("a")])]),
            "protocol",
            "The server does not keep to the protocol: its answer cannot be read (KeyError).",
        ),
    ],
)
def test_a_request_without_a_result_says_why(exc: BaseException, kind: str, words: str) -> None:
    found = results.failure_of(exc, Exchange())
    assert (found.kind, str(found)) == (kind, words)


def test_what_the_transport_found_out_counts_more_than_what_the_library_says() -> None:
    known = Unavailable("too_large", "The answer is too large.", sent=True)
    exchange = Exchange(failure=known)
    assert results.failure_of(ConnectionResetError(), exchange) is known
    assert results.error_answer(error(types.INTERNAL_ERROR, "It broke"), exchange) is None


@pytest.mark.parametrize(
    ("exc", "exchange", "said"),
    [
        (
            error(types.INVALID_PARAMS, "no city"),
            Exchange(),
            "The server answered with an error: no city",
        ),
        # These are no words of the server.
        (error(types.PARSE_ERROR, "odd"), Exchange(), None),
        (error(types.INTERNAL_ERROR, "SSE stream ended"), Exchange(), None),
        # It forgot the session, so it did nothing, and the call is made again.
        (error(types.INTERNAL_ERROR, "no session"), Exchange(forgotten=True), None),
    ],
)
def test_an_error_of_the_server_is_what_the_tool_says(
    exc: MCPError, exchange: Exchange, said: str | None
) -> None:
    found = results.error_answer(exc, exchange)
    assert found == (None if said is None else ToolResult((TextPart(said),), is_error=True))
