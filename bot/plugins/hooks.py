"""What a plug-in can implement, as hook specifications of pluggy.

The manifest lists what a plug-in adds, so that Hubbub knows it before any of its code runs. A
plug-in in Python marks its functions with `pluggy.HookimplMarker("hubbub")`. Sandboxed ones get
the same calls as JSON: see `bot.kernel.plugin_calls.HookCall`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

import pluggy

PROJECT = "hubbub"
hookspec = pluggy.HookspecMarker(PROJECT)
Json: TypeAlias = dict[str, Any]
# A function of a plug-in may be `async def` or `def`.
Made: TypeAlias = Any | Awaitable[Any]


class Hubbub(Protocol):
    """What a plug-in gets to work with. `settings`: as given when it was turned on."""

    @property
    def settings(self) -> Mapping[str, Any]: ...

    @property
    def now(self) -> str: ...

    async def call(self, operation: str, arguments: Mapping[str, Any]) -> Json:
        """Call an operation that the manifest names, with the plug-in's role."""
        ...

    async def get(self, name: str, default: Any = None) -> Any:
        """A value that the plug-in keeps."""
        ...

    async def change(self, name: str, function: Callable[[Any], Any], default: Any = None) -> Any:
        """Replace a value by what the function makes of it."""
        ...


class Hooks:
    """The hooks. Each plug-in implements what its manifest lists in `adds`."""

    @hookspec
    def operations(self) -> Mapping[str, Callable[..., Made]]:  # type: ignore[empty-body]
        """The functions of its operations, by name: `function(hubbub, **arguments) -> dict`."""

    @hookspec
    def on_event(self, event: Json, hubbub: Hubbub) -> Made:
        """Handle an event. It can come more than once, with the same `id`."""

    @hookspec
    def card_lines(self, task: Json, hubbub: Hubbub) -> Made:
        """A list of texts, each one line for the card of the task."""

    @hookspec
    def strategies(self) -> Mapping[str, Callable[..., Made]]:  # type: ignore[empty-body]
        """Functions `function(hubbub, task) -> str`: how an agent should divide the task."""

    @hookspec
    def protocols(self) -> Mapping[str, Callable[..., Made]]:  # type: ignore[empty-body]
        """Functions `function(hubbub, delivery) -> dict`, which reach agents in another way."""

    @hookspec
    def panels(self) -> Mapping[str, Callable[..., Made]]:  # type: ignore[empty-body]
        """Functions `function(hubbub) -> str`: Markdown for the page."""
