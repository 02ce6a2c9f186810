"""`hubbub call` without a server: the operation runs in this process."""

from typing import Any

from bot.cli import local_origin, tool_connections
from bot.cli.session import open_session
from bot.dispatch.callers import Caller
from bot.dispatch.dispatcher import Dispatcher
from bot.identity.tokens import Tokens
from bot.settings import Settings


async def call_operation(
    loaded: Settings, secret: str, operation: str, given: dict[str, Any]
) -> dict[str, Any]:
    """Raise Refused."""
    async with (
        open_session(loaded, remote=True) as bare,
        tool_connections.connect(bare, loaded) as session,
    ):
        dispatcher = Dispatcher(session.store, session.shared)
        tokens, origin = Tokens(session.store, session.keys), local_origin.of("cli")
        async with dispatcher.refusals.record_refused_token("call", origin):
            actor = await tokens.authenticate(secret)
        return await dispatcher.call(actor, operation, given, None, Caller(origin=origin))
