"""The actor of an MCP request."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError

from bot.errors import Refused
from bot.identity.actors import Actor

Asking: TypeAlias = ServerRequestContext[Any, Any]
# Returns the agent of a request's token. Raise Refused if the token is unknown or revoked.
Identified: TypeAlias = Callable[[Asking], Awaitable[Actor]]


def token_of(authorization: str) -> str:
    """The token in the header Authorization."""
    return authorization.partition(" ")[2].strip()


async def require_actor(identified: Identified, context: Asking) -> Actor:
    """The actor, for requests whose answer cannot hold a refusal. Raise MCPError."""
    try:
        return await identified(context)
    except Refused as exc:
        raise MCPError(types.INVALID_REQUEST, exc.message, exc.body()) from exc
