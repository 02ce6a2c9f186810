"""Who calls a method of A2A, and the operations that it calls for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.dispatch.callers import Caller
from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
from bot.identity.actors import Actor
from bot.protocols.a2a import errors
from bot.protocols.a2a.errors import RpcError
from webhooks.addresses import ADDRESSES
from webhooks.app_keys import ACTOR, DISPATCHER
from webhooks.disconnects import is_gone
from webhooks.origins import caller_of


@dataclass(frozen=True)
class Session:
    """`base`: the server's address, as the caller named it."""

    dispatcher: Dispatcher
    actor: Actor
    caller: Caller
    base: str
    request: web.Request

    @classmethod
    def of(cls, request: web.Request) -> "Session":
        return cls(
            request.app[DISPATCHER],
            request[ACTOR],
            caller_of(request),
            request.app[ADDRESSES].base(request),
            request,
        )

    async def call(
        self, operation: str, arguments: Mapping[str, Any], key: str | None = None
    ) -> dict[str, Any]:
        """The answer. Raise RpcError."""
        try:
            return await self.dispatcher.call(
                self.actor, operation, dict(arguments), key, self.caller
            )
        except Refused as exc:
            raise errors.of_refusal(exc) from exc

    async def task(self, ref: str) -> dict[str, Any]:
        """The answer of `get_task`. Raise RpcError."""
        try:
            return await self.call("get_task", {"task": ref})
        except RpcError as exc:
            if exc.code != errors.INVALID_PARAMS:
                raise
            # An id of another shape is of no task.
            raise RpcError(errors.TASK_NOT_FOUND, exc.message, exc.fields) from exc

    @property
    def is_gone(self) -> bool:
        return is_gone(self.request)
