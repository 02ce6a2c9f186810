"""Reads what servers send that is not quite MCP, so that one odd part does not hide all the rest.

The library refuses a whole list because of one tool, and a whole result because of one part.
"""

import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import mcp_types as types
from mcp.client._transport import ReadStream, TransportStreams
from mcp.shared.message import SessionMessage

from bot.kernel.sentences import shorten

HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")


class _Mended:
    """The messages of a server, with results in the form of the protocol."""

    def __init__(self, inner: ReadStream[SessionMessage | Exception]) -> None:
        self._inner = inner
        self._is_legacy = False

    @property
    def last_context(self) -> Any:
        """Where the library looks for the context of who sent it."""
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        return self._mend(await self._inner.receive())

    async def aclose(self) -> None:
        await self._inner.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        return self._mend(await self._inner.__anext__())

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._inner.__aexit__(kind, exc, trace)

    def _mend(self, item: SessionMessage | Exception) -> SessionMessage | Exception:
        if isinstance(item, SessionMessage) and isinstance(item.message, types.JSONRPCResponse):
            found = item.message.result
            self._is_legacy |= "protocolVersion" in found
            item.message.result = mended_result(found, is_legacy=self._is_legacy)
        return item


@asynccontextmanager
async def lenient(transport: Any) -> Any:
    async with transport as (read_stream, write_stream):
        streams: TransportStreams = (_Mended(read_stream), write_stream)
        yield streams


def mended_result(found: dict[str, Any], *, is_legacy: bool) -> dict[str, Any]:
    """`is_legacy`: of a version in which structured values are objects."""
    if isinstance(found.get("tools"), list):
        cursor = found.get("nextCursor")
        tools = [_tool(each, is_legacy=is_legacy) for each in found["tools"]]
        return {**found, "tools": tools, "nextCursor": cursor if isinstance(cursor, str) else None}
    if "content" in found or "structuredContent" in found or "isError" in found:
        return _call_result(found, is_legacy=is_legacy)
    return found


def _tool(given: Any, *, is_legacy: bool) -> dict[str, Any]:
    """Without a name, it is left out later, with a reason."""
    raw = given if isinstance(given, dict) else {}
    name = raw.get("name")
    made: dict[str, Any] = {"name": name if isinstance(name, str) else ""}
    made |= {key: raw[key] for key in ("title", "description") if isinstance(raw.get(key), str)}
    made["inputSchema"] = _schema(raw.get("inputSchema")) | {"type": "object"}
    promised = raw.get("outputSchema")
    if isinstance(promised, dict) and (not is_legacy or promised.get("type") == "object"):
        made["outputSchema"] = _schema(promised)
    if isinstance(hints := raw.get("annotations"), dict):
        made["annotations"] = {key: hints[key] for key in HINTS if isinstance(hints.get(key), bool)}
        if isinstance(hints.get("title"), str):
            made["annotations"]["title"] = hints["title"]
    return made


def _schema(given: Any) -> dict[str, Any]:
    """Without those of its first words that mean nothing in this form."""
    found = dict(given) if isinstance(given, dict) else {}
    fits: dict[str, Callable[[Any], bool]] = {
        "$schema": lambda value: isinstance(value, str),
        "properties": lambda value: isinstance(value, dict),
        "required": lambda value: (
            isinstance(value, list) and all(isinstance(each, str) for each in value)
        ),
    }
    found = {key: each for key, each in found.items() if key not in fits or fits[key](each)}
    if "properties" in found:
        found["properties"] = {
            key: each for key, each in found["properties"].items() if isinstance(each, dict | bool)
        }
    return found


def _call_result(found: dict[str, Any], *, is_legacy: bool) -> dict[str, Any]:
    content = found.get("content")
    parts = content if isinstance(content, list) else [] if content is None else [content]
    made = {key: each for key, each in found.items() if key in ("resultType", "_meta")}
    made["content"] = [_part(each) for each in parts]
    made["isError"] = found.get("isError") in (True, "true")
    structured = found.get("structuredContent")
    if structured is not None and is_legacy and not isinstance(structured, dict):
        made["content"].append({"type": "text", "text": json.dumps(structured)})
    elif structured is not None:
        made["structuredContent"] = structured
    return made


def _part(given: Any) -> dict[str, Any]:
    match given:
        case {"type": "image" | "audio" as kind, "data": str(data), "mimeType": str(mime_type)}:
            return {"type": kind, "data": data, "mimeType": mime_type}
        case {"type": "resource_link", "uri": str(uri)}:
            texts = {key: given[key] for key in ("name", "mimeType") if _is_text(given.get(key))}
            return {"type": "resource_link", "uri": uri, "name": ""} | texts
        case {"type": "resource", "resource": {"uri": str()} as resource} if any(
            _is_text(resource.get(key)) for key in ("text", "blob")
        ):
            kept = {key: each for key, each in resource.items() if _is_text(each)}
            return {"type": "resource", "resource": kept}
        case {"type": "text"} | {"text": _} | str():
            text = given if isinstance(given, str) else given.get("text", "")
            return _text(text if isinstance(text, str) else json.dumps(text))
    kind = given.get("type") if isinstance(given, dict) else None
    return _text(f"(Hubbub left out a part that it cannot read: {shorten(str(kind), 40)})")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
