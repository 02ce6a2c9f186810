"""`hubbub call` without a server: the operation runs in this process."""

from typing import Any

from bot.cli.session import open_session
from bot.dispatch.dispatcher import Dispatcher
from bot.identity.tokens import Tokens
from bot.settings import Settings


async def call_operation(
    loaded: Settings, secret: str, operation: str, given: dict[str, Any]
) -> dict[str, Any]:
    """Raise Refused."""
    async with open_session(loaded, remote=True) as session:
        actor = await Tokens(session.store, session.keys).authenticate(secret)
        return await Dispatcher(session.store, session.shared).call(actor, operation, given)
