"""What servers answer in MCP, as values of Hubbub."""

from typing import Any

import anyio
import mcp_types as types
from mcp import MCPError

from bot.tool_servers.connections import (
    AudioPart,
    ImagePart,
    LinkPart,
    Part,
    TextPart,
    ToolResult,
    ToolSpec,
    Unavailable,
)
from mcp_server.upstreams.exchange import Exchange

LONGEST_MESSAGE = 500
# How errors of the library begin, which no server sent.
CLOSED = ("Connection closed", "SSE stream")
OF_LIBRARY = (
    *CLOSED,
    "Server returned an error response",
    "Unexpected content type",
    "Failed to parse",
    "Not Found",
)


def tool_of(tool: types.Tool) -> ToolSpec:
    """Hints that a server does not give are those of the protocol: it may destroy something."""
    hints = tool.annotations or types.ToolAnnotations()
    read_only = hints.read_only_hint is True
    return ToolSpec(
        name=tool.name,
        title=clean(tool.title or hints.title or ""),
        description=clean(tool.description or ""),
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        read_only=read_only,
        idempotent=hints.idempotent_hint is True,
        destructive=not read_only and hints.destructive_hint is not False,
    )


def clean(text: str) -> str:
    """Without halves of surrogate pairs, which no database takes."""
    return text.encode(errors="replace").decode()


def result_of(found: types.CallToolResult, max_bytes: int) -> ToolResult:
    """With as many parts as there is room for."""
    parts, room, truncated = list[Part](), max_bytes, False
    for each in found.content:
        part, size = _part(each, room)
        truncated |= part is None or size > room
        room -= size
        if part is not None:
            parts.append(part)
        if room <= 0:
            break
    truncated |= len(parts) < len(found.content)
    return ToolResult(tuple(parts), found.structured_content, found.is_error is True, truncated)


def _part(given: Any, room: int) -> tuple[Part | None, int]:
    """None if it has no room, or is of a kind that Hubbub does not hand on. A text is cut."""
    if isinstance(given, types.TextContent):
        return _text(given.text, room)
    if isinstance(given, types.ImageContent | types.AudioContent):
        kind = ImagePart if isinstance(given, types.ImageContent) else AudioPart
        fits = len(given.data) <= room
        return (kind(given.data, given.mime_type) if fits else None), len(given.data) * fits
    if isinstance(given, types.ResourceLink):
        link = LinkPart(clean(str(given.uri)), clean(given.name), given.mime_type or "")
        return link, len(link.uri) + len(link.name)
    if isinstance(given, types.EmbeddedResource):
        if isinstance(given.resource, types.TextResourceContents):
            return _text(given.resource.text, room)
        return LinkPart(clean(str(given.resource.uri))), 100
    return None, 0


def _text(text: str, room: int) -> tuple[Part, int]:
    content = clean(text).encode()
    cut = content[:room].decode(errors="ignore") if len(content) > room else content.decode()
    return TextPart(cut), len(content)


def error_answer(exc: MCPError, exchange: Exchange) -> ToolResult | None:
    """The error with which a server answered a call, as what the tool says. None: it is no answer.

    Many servers answer wrong arguments and failures of tools so. The server is well then, and calls
    of others must not wait for it.
    """
    said = clean(exc.error.message)
    is_of_library = said.startswith(OF_LIBRARY) or exc.error.code == types.PARSE_ERROR
    if exchange.failure is not None or exchange.forgotten or is_of_library:
        return None
    text = f"The server answered with an error: {said[:LONGEST_MESSAGE]}"
    return ToolResult((TextPart(text),), is_error=True)


def failure_of(exc: BaseException, exchange: Exchange) -> Unavailable:
    """Why a request has no result: what the transport found, or what the server says."""
    if exchange.failure is not None:
        return exchange.failure
    if isinstance(exc, MCPError):
        return _of_error(exc)
    if isinstance(exc, OSError | anyio.BrokenResourceError | anyio.ClosedResourceError):
        return Unavailable("unreachable", "The server closed the connection.", sent=True)
    return _unreadable(_name(exc))


def _unreadable(why: str) -> Unavailable:
    text = f"The server does not keep to the protocol: its answer cannot be read ({why})."
    return Unavailable("protocol", text, sent=True)


def _of_error(exc: MCPError) -> Unavailable:
    said = clean(exc.error.message)[:LONGEST_MESSAGE]
    # Servers use this code for errors of their own too.
    if exc.error.code == types.CONNECTION_CLOSED and said.startswith(CLOSED):
        return Unavailable("unreachable", "The server closed the connection.", sent=True)
    if exc.error.code == types.PARSE_ERROR:
        return _unreadable("ParseError")
    if exc.error.code in (types.INVALID_PARAMS, types.METHOD_NOT_FOUND):
        return Unavailable("protocol", f"The server does not know this: {said}")
    return Unavailable("protocol", f"The server answered with an error: {said}", sent=True)


def _name(exc: BaseException) -> str:
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return type(exc).__name__
