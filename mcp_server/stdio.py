"""`hubbub mcp` without a server: MCP over stdio for one agent, on the database."""

import asyncio
from contextlib import aclosing

from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification

from bot.dispatch import pushes
from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import Actor
from bot.identity.tokens import Tokens
from mcp_server import channel, stdio_transport
from mcp_server.server import create_server
from mcp_server.stdio_transport import Output
from store.engine.origins import Origin


async def serve_agent(
    dispatcher: Dispatcher, tokens: Tokens, token: str, *, as_channel: bool = False
) -> None:
    """Serve on the database as one agent. Raise Refused if the token is unknown.

    `as_channel`: also push what concerns the agent.
    """
    async with dispatcher.refusals.record_refused_token("mcp", Origin("stdio")):
        await tokens.authenticate(token)
    server = create_server(dispatcher, lambda _: tokens.authenticate(token))
    # Then calls that wait are answered with what there is.
    at_end = dispatcher.waiters.stop
    async with stdio_transport.open_streams(at_end, as_channel=as_channel) as (read, write):
        pushing = asyncio.create_task(_push(dispatcher, tokens, token, write))
        try:
            await server.run(read, write, server.create_initialization_options())
        finally:
            pushing.cancel()
            await asyncio.gather(pushing, return_exceptions=True)
    await dispatcher.refusals.flush(everything=True)


async def _push(dispatcher: Dispatcher, tokens: Tokens, token: str, output: Output) -> None:
    """Write the agent's pushes from the moment on in which the client is ready for them."""

    async def identify() -> Actor:
        return await tokens.authenticate(token)

    await output.begun.wait()
    async with aclosing(pushes.follow(dispatcher, identify)) as found:
        async for each in found:
            message = channel.notification(each.model_dump(mode="json", exclude_none=True))
            await output.send(SessionMessage(JSONRPCNotification.model_validate(message)))
