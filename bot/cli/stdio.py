"""`hubbub mcp`: MCP on standard input and output, at a server or on the database."""

from bot.cli.call import token_of
from bot.cli.session import open_session
from bot.dispatch.dispatcher import Dispatcher
from bot.identity.tokens import Tokens
from bot.settings import Settings
from mcp_server import stdio


async def serve_stdio(loaded: Settings) -> None:
    secret = token_of(loaded)
    if loaded.url:
        await stdio.bridge(loaded.url, secret)
        return
    async with open_session(loaded, remote=True) as opened:
        tokens = Tokens(opened.store, opened.keys)
        await stdio.serve_agent(Dispatcher(opened.store, opened.shared), tokens, secret)
