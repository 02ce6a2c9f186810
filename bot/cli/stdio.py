"""`hubbub mcp` without a server: MCP on standard input and output, on the database."""

from bot.cli import tool_connections
from bot.cli.session import open_session
from bot.dispatch.dispatcher import Dispatcher
from bot.identity.tokens import Tokens
from bot.settings import Settings
from bot.tracing.exporting import open_tracing
from mcp_server import stdio


async def serve_stdio(loaded: Settings, token: str, *, as_channel: bool = False) -> None:
    async with (
        open_tracing(),
        open_session(loaded, remote=True) as bare,
        tool_connections.connect(bare, loaded) as opened,
    ):
        tokens = Tokens(opened.store, opened.keys)
        dispatcher = Dispatcher(opened.store, opened.shared)
        await stdio.serve_agent(dispatcher, tokens, token, as_channel=as_channel)
