"""Who asks."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError

from bot.errors import Refused
from bot.identity.actors import Actor

Asking: TypeAlias = ServerRequestContext[Any, Any]
# The agent of the token that a request came with. Raise Refused when it is known no more.
Identified: TypeAlias = Callable[[Asking], Awaitable[Actor]]


async def known(identified: Identified, context: Asking) -> Actor:
    """For what has no words for a refusal of its own. Raise MCPError."""
    try:
        return await identified(context)
    except Refused as exc:
        raise MCPError(types.INVALID_REQUEST, exc.message, exc.body()) from exc
