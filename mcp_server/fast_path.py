"""Answers plain tool calls over HTTP without the sessions, tasks and streams of the library.

The library answers all other requests, so odd ones get its answers.
"""

from dataclasses import dataclass
from typing import Any

import orjson
from mcp.shared.exceptions import MCPError
from mcp_types import SERVER_INFO_META_KEY, ErrorData, JSONRPCError

from bot.dispatch.callers import Caller
from bot.dispatch.dispatcher import Dispatcher
from bot.dispatch.replies import Reply
from bot.identity.actors import Actor
from mcp_server import plain_calls, tool_answers
from mcp_server.authentication import token_of
from mcp_server.plain_calls import Allowed, Headers, PlainCall
from mcp_server.running_calls import RunningCalls
from mcp_server.tool_answers import ToolAnswer


@dataclass(frozen=True)
class FastPath:
    """Allows only these hosts and origins, so that no foreign web page calls the server."""

    dispatcher: Dispatcher
    running: RunningCalls
    hosts: Allowed
    origins: Allowed
    # As the library puts it into each answer.
    server_info: dict[str, Any]

    async def answer(
        self, headers: Headers, body: bytes, actor: Actor, caller: Caller
    ) -> bytes | None:
        """The body of the answer, whose status is 200. None if the library must answer."""
        call = plain_calls.parse(headers, body) if self._lets_in(headers) else None
        if call is None:
            return None
        with self.running.accept(token_of(headers["Authorization"]), call.request_id) as running:
            try:
                with running.cancellable():
                    here = Caller(lambda: running.is_cancelled or caller.is_gone(), caller.origin)
                    reply = self._reply(call, actor, here)
                    found = await tool_answers.answer(call.tool, reply)
            except MCPError as exc:
                return _error(call, exc.error)
        return self._result(call, found)

    def _lets_in(self, headers: Headers) -> bool:
        media_type, origin = headers.get("Content-Type", ""), headers.get("Origin", "").lower()
        return (
            not plain_calls.has_repeated(headers)
            and media_type.partition(";")[0].strip().lower() == "application/json"
            and self.hosts.has(headers.get("Host", "").lower())
            and (not origin or self.origins.has(origin))
        )

    async def _reply(self, call: PlainCall, actor: Actor, caller: Caller) -> Reply:
        key = tool_answers.key(call.meta)
        return await self.dispatcher.reply(actor, call.tool, call.arguments, key, caller)

    def _result(self, call: PlainCall, found: ToolAnswer) -> bytes:
        """The JSON of the answer as a text, and the same JSON as the structure."""
        result: dict[str, Any] = {
            "content": [{"text": found.text, "type": "text"}, *found.parts],
            "isError": found.is_error,
            **({"resultType": "complete"} if call.is_modern else {}),
            "structuredContent": orjson.Fragment(found.text),
            **({"_meta": {SERVER_INFO_META_KEY: self.server_info}} if call.is_modern else {}),
        }
        return orjson.dumps({"jsonrpc": "2.0", "id": call.request_id, "result": result})


def _error(call: PlainCall, error: ErrorData) -> bytes:
    found = JSONRPCError(jsonrpc="2.0", id=call.request_id, error=error)
    return found.model_dump_json(by_alias=True, exclude_unset=True).encode()
