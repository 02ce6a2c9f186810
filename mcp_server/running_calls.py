"""The tool calls of this process that a client can cancel by `notifications/cancelled`.

Over HTTP the notification is a request of its own, and the server has no sessions. The token and
the id of the cancelled request find the call.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import anyio
from mcp.server.streamable_http import REQUEST_CANCELLED
from mcp.shared.exceptions import MCPError

# The token, and the request's id as a text: some clients send the id of a number as a text.
CallKey: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class RunningCalls:
    _scopes: dict[CallKey, list[anyio.CancelScope]] = field(default_factory=dict)

    @contextmanager
    def cancellable(self, token: str, request_id: Any) -> Iterator[None]:
        """Let the client cancel what runs here. Raise MCPError if it does."""
        key = (token, str(request_id))
        with anyio.CancelScope() as scope:
            scopes = self._scopes.setdefault(key, [])
            scopes.append(scope)
            try:
                yield
            finally:
                scopes.remove(scope)
                if not scopes:
                    self._scopes.pop(key, None)
        if scope.cancelled_caught:
            raise MCPError(REQUEST_CANCELLED, "The client cancelled the request.")

    def cancel(self, token: str, request_id: Any) -> None:
        """Cancel the call, unless several clients of one token use the same id at this moment."""
        scopes = self._scopes.get((token, str(request_id)), [])
        if len(scopes) == 1:
            scopes[0].cancel()
