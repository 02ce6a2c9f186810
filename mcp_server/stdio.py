"""`hubbub mcp` without a server: MCP over stdio for one agent, on the database."""

from collections.abc import Callable

from mcp.server import Server

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.tokens import Tokens
from mcp_server import stdio_transport
from mcp_server.server import create_server
from store.engine.origins import Origin


async def serve_agent(dispatcher: Dispatcher, tokens: Tokens, token: str) -> None:
    """Serve on the database as one agent. Raise Refused if the token is unknown."""
    async with dispatcher.refusals.record_refused_token("mcp", Origin("stdio")):
        await tokens.authenticate(token)
    server = create_server(dispatcher, lambda _: tokens.authenticate(token))
    # At the end of the input, calls that wait are answered with what there is.
    await _run(server, at_end=dispatcher.waiters.stop)
    await dispatcher.refusals.flush(everything=True)


async def _run(server: Server, at_end: Callable[[], None]) -> None:
    async with stdio_transport.open_streams(at_end) as (read, write):
        await server.run(read, write, server.create_initialization_options())
