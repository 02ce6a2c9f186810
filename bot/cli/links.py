"""`hubbub link`: an address that opens the page once, for the operator of the server."""

from bot.cli import installations, local_origin
from bot.cli.output import say, warn
from bot.cli.session import open_session
from bot.identity.people import operator_links
from bot.identity.server_address import address_of
from bot.settings import Settings, WrongSettings
from bot.times import SECOND, span
from store.engine.transaction import Tx
from store.mirror import stored_installations


async def print_link(loaded: Settings, installation: str) -> None:
    async with open_session(loaded) as session:

        async def work(tx: Tx) -> str:
            tx.origin = local_origin.of()
            here = await installations.find(tx, installation)
            if await stored_installations.installation(tx, here) is None:
                raise WrongSettings(
                    f"Hubbub knows no installation {here}. Pass the account's login."
                )
            return await operator_links.add(tx, session.keys, here)

        secret = await session.store.write(work)
    say(f"{address_of(loaded)}/link/{secret}")
    warn(
        f"open it within {span(operator_links.LINK_S * SECOND)} in your browser. It works once "
        "and signs you in as the operator: give it to nobody."
    )
