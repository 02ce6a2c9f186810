"""JSON-RPC messages as `hubbub mcp` forwards them to a server: values in, values out.

The MCP library is not used, because agents start `hubbub mcp` all day and it loads slowly.
"""

import base64
import json
import re
import secrets
from collections.abc import Iterator
from typing import Any, TypeAlias

from bot.errors import Refused

Message: TypeAlias = dict[str, Any]

INTERNAL_ERROR = -32603
# In `_meta`: the idempotency key of a call, and the version of the newer protocol.
KEY = "hubbub/key"
VERSION = "io.modelcontextprotocol/protocolVersion"
# The parameter that the header Mcp-Name repeats.
NAMES = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
# These operations keep no answers, so a repeat of theirs is another call.
WITHOUT_KEY = frozenset({"get_messages", "mark_message_read"})
PLAIN = re.compile(r"(?!=\?base64\?)(?:[!-~](?:[ -~]*[!-~])?)?")


def readable(line: str) -> Message | None:
    """The message in a line. None if it is not a good one: `mcp_server.messages` answers it."""
    try:
        message = json.loads(line)
        json.dumps(message, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) and _is_whole(message) else None


def _is_whole(message: Message) -> bool:
    return (
        message.get("jsonrpc") == "2.0"
        and isinstance(message.get("method"), str)
        and isinstance(message.get("params", {}), dict)
        and ("id" not in message or type(message["id"]) in (int, str))
    )


def headers(message: Message, version: str | None) -> dict[str, str]:
    """The headers that the server compares with the message.

    `version`: what `initialize` agreed on.
    """
    method, params = message["method"], message.get("params", {})
    named = (params.get("_meta") or {}).get(VERSION)
    if not isinstance(named, str):
        return {"MCP-Protocol-Version": version} if version else {}
    found = {"MCP-Protocol-Version": named, "Mcp-Method": method}
    if isinstance(name := params.get(NAMES.get(method, "")), str):
        found["Mcp-Name"] = name
    return {each: _header(value) for each, value in found.items()}


def _header(value: str) -> str:
    """The value as the protocol writes what a header cannot carry."""
    if PLAIN.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def with_key(message: Message) -> Message:
    """A call with an idempotency key, so that it can be repeated if its answer is lost."""
    params = message["params"]
    meta = params.get("_meta") or {}
    if KEY in meta or params.get("name") in WITHOUT_KEY:
        return message
    return {**message, "params": {**params, "_meta": {**meta, KEY: secrets.token_hex(16)}}}


def has_key(message: Message) -> bool:
    return KEY in (message["params"].get("_meta") or {})


def may_wait(message: Message) -> bool:
    match message:
        case {"method": "tools/call", "params": {"arguments": {"wait_s": wait_s}}}:
            return bool(wait_s)
    return False


def without_wait(message: Message) -> Message:
    params = message["params"]
    return {**message, "params": {**params, "arguments": {**params["arguments"], "wait_s": 0}}}


def is_call(message: Message) -> bool:
    return message["method"] == "tools/call" and isinstance(message.get("params"), dict)


def is_answer(message: Any, request: Message) -> bool:
    return (
        isinstance(message, dict)
        and ("result" in message or "error" in message)
        and message.get("id") == request["id"]
    )


def refusal(request: Message, refused: Refused) -> Message:
    """A call has the refusal as its result, so that the model reads it."""
    body = refused.body()
    if not is_call(request):
        error = {"code": INTERNAL_ERROR, "message": refused.message, "data": body}
        return {"jsonrpc": "2.0", "id": request["id"], "error": error}
    result = {
        "content": [{"type": "text", "text": json.dumps(body, ensure_ascii=False)}],
        "structuredContent": body,
        "isError": True,
    }
    if "MCP-Protocol-Version" in headers(request, None):
        result["resultType"] = "complete"
    return {"jsonrpc": "2.0", "id": request["id"], "result": result}


class Events:
    """The messages in a stream of server-sent events, of which parts arrive."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[str] = []

    def messages(self, part: bytes) -> Iterator[Any]:
        self._rest += part
        if b"\n" not in part:
            return
        *lines, self._rest = self._rest.split(b"\n")
        for raw in lines:
            line = raw.removesuffix(b"\r").decode()
            if line.startswith("data:"):
                self._data.append(line.removeprefix("data:").removeprefix(" "))
            elif not line and self._data:
                data, self._data = "\n".join(self._data), []
                if data:
                    yield json.loads(data)
