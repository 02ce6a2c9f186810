"""The tool calls of this process that a client can cancel by `notifications/cancelled`.

Over HTTP the notification is a request of its own, and the server has no sessions. The token and
the id of the cancelled request find the call.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from mcp.server.streamable_http import REQUEST_CANCELLED
from mcp.shared.exceptions import MCPError

from bot.dispatch.callers import Caller
from mcp_server.authentication import Asking
from store.engine.origins import Origin

# The token, and the request's id as a text: some clients send the id of a number as a text.
CallKey: TypeAlias = tuple[str, str]


@dataclass(eq=False)
class RunningCall:
    """A request from its arrival to its answer. It may be cancelled before its call begins."""

    is_cancelled: bool = False
    _task: asyncio.Task[Any] | None = None

    def cancel(self) -> None:
        if self._task is not None and not self.is_cancelled:
            self._task.cancel()
        self.is_cancelled = True

    @contextmanager
    def cancellable(self) -> Iterator[None]:
        """What runs here ends when the client cancels the request. Raise MCPError then."""
        if not self.is_cancelled:
            self._task = task = asyncio.current_task()
            assert task is not None
            try:
                yield
            except asyncio.CancelledError:
                # More than one cancellation: the server stops at the same time.
                if not self.is_cancelled or task.cancelling() > 1:
                    raise
            finally:
                self._task = None
                if self.is_cancelled:
                    task.uncancel()
        if self.is_cancelled:
            raise MCPError(REQUEST_CANCELLED, "The client cancelled the request.")


@dataclass(frozen=True)
class RunningCalls:
    _calls: dict[CallKey, list[RunningCall]] = field(default_factory=dict)

    @contextmanager
    def accept(self, token: str, request_id: Any) -> Iterator[RunningCall]:
        """The call of a request that has arrived, until its answer is sent."""
        key, call = (token, str(request_id)), RunningCall()
        calls = self._calls.setdefault(key, [])
        calls.append(call)
        try:
            yield call
        finally:
            calls.remove(call)
            if not calls:
                self._calls.pop(key, None)

    def cancel(self, token: str, request_id: Any) -> None:
        """Cancel the call, unless several clients of one token use the same id at this moment."""
        calls = self._calls.get((token, str(request_id)), [])
        if len(calls) == 1:
            calls[0].cancel()


def running_call(context: Asking) -> RunningCall:
    """The call as HTTP knows it. Over standard input and output the library cancels calls."""
    if context.request is None:
        return RunningCall()
    found: RunningCall = context.request.scope["state"]["call"]
    return found


def caller_of(context: Asking) -> Caller:
    """The caller is gone when it closed the connection of the request, or cancelled the request."""
    if context.request is None:
        return Caller(origin=Origin("stdio"))
    caller, call = context.request.scope["state"]["caller"], running_call(context)
    return Caller(lambda: call.is_cancelled or caller.is_gone(), caller.origin)
