"""What a plug-in may call while it runs."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeAlias

from bot.errors import Refused
from bot.identity.actors import Actor
from bot.plugins import sandbox, values
from bot.plugins.installed import Installed
from bot.plugins.requests import Requests

# Calls an operation as an actor.
CallOperation: TypeAlias = Callable[[Actor, str, Any], Awaitable[dict[str, Any]]]
Fetch: TypeAlias = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
depth: ContextVar[int] = ContextVar("depth of calls of plug-ins", default=0)


class BoundHost:
    """What one plug-in may do in one installation."""

    def __init__(
        self,
        installed: Installed,
        actor: Actor,
        call_operation: CallOperation | None,
        requests: Requests,
        own: values.Values,
    ) -> None:
        self._installed = installed
        self._actor = actor
        self._call_operation = call_operation
        self._values = own
        # It is called from another thread, which does not have the context of this call.
        self._depth = depth.get()
        hosts = installed.manifest.permissions.hosts
        self.fetch: Fetch | None = partial(requests.fetch, frozenset(hosts)) if hosts else None

    async def call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Raise Refused."""
        if operation in values.CALLS:
            return await values.call(self._values, operation, arguments)
        if operation not in self._installed.manifest.permissions.operations:
            raise Refused(
                "forbidden",
                f"The manifest of {self._installed.name} does not name {operation} in "
                "permissions.operations.",
            )
        if self._call_operation is None:
            raise Refused("plugin_failed", "This process runs no operations.")
        if self._depth >= sandbox.DEEPEST:
            raise Refused(
                "plugin_failed", f"Plug-ins called each other {sandbox.DEEPEST} times in a row."
            )
        before = depth.set(self._depth + 1)
        try:
            return await self._call_operation(self._actor, operation, arguments)
        finally:
            depth.reset(before)
