"""What an operation does outside of the database, where it may have to wait for somebody else."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from bot.identity.actors import Actor
from bot.kernel.plugin_calls import HookCall, PluginResult
from bot.tool_servers.connections import ToolServers
from store.engine.transaction import Work
from store.tables.plugins import PluginInstallationRow

T = TypeVar("T")


class FileReader(Protocol):
    async def read(self, installation_id: int, blob_id: str) -> None:
        """Read the text out of a file and store it, or why there is none."""


class PluginCalls(Protocol):
    """The plug-ins of this process. Rooms above get more of them by `running.plugins_of`."""

    async def call(
        self,
        name: str,
        use: PluginInstallationRow,
        call: HookCall,
        caller: Actor | None = None,
    ) -> PluginResult:
        """Call a hook of the plug-in, for a caller if there is one. What goes wrong is a value."""


@dataclass(frozen=True)
class Outside:
    """What this process is connected to. Each is None where nothing of its kind is served."""

    tool_servers: ToolServers | None = None
    files: FileReader | None = None
    plugins: PluginCalls | None = None


@dataclass(frozen=True)
class OutsideCall(Generic[T]):
    """What an operation returns in place of its answer, in order to call out first.

    Its transaction is committed, then `run` is awaited without one, and `finish` makes the answer
    from the result in a second transaction. It may also return another OutsideCall, which is made
    next, and so on. `run` returns failures as values. `finish(ctx, result)` may raise Refused; with
    the code `outcome_unknown` the call's key stays used, with every other code the caller may
    repeat the call with its key. `timeout_s`: after this time `run` is ended, and the outcome is
    unknown. `abandon`: records that `run` was ended before it had a result.
    """

    run: Callable[[Outside], Awaitable[T]]
    finish: Callable[[Any, T], Awaitable[Any]]
    timeout_s: float
    abandon: Work[None] | None = None
