"""How the commands name an installation."""

from bot.settings import WrongSettings
from store.engine.transaction import Tx
from store.mirror import stored_installations

# Digits of a number that a column can hold.
LONGEST = 18


async def find(tx: Tx, named: str) -> int:
    """The id of an installation, named by its number or its account's login."""
    if named.isascii() and named.isdecimal() and len(named) <= LONGEST:
        return int(named)
    row = await stored_installations.installation_of(tx, named)
    if row is None:
        raise WrongSettings(
            f"Hubbub knows no installation on {named!r}. Install the App there while `hubbub "
            "serve` runs, or pass the installation's number."
        )
    return int(row["installation_id"])
