"""One-time links, by which the operator of the server looks at the page without a GitHub login.

Who can run `hubbub link` has the database already, so the link gives no more than that: the role
of a tech-lead in one installation, in one browser, for some hours.
"""

from bot.identity import credentials
from bot.identity.actors import OPERATOR
from bot.identity.credentials import Grant
from bot.identity.keyring import Keys
from bot.identity.people.people_roles import LONGEST_S
from bot.times import SECOND
from store.audit import records
from store.engine.transaction import Tx
from store.identity import credentials as rows
from store.mirror import stored_installations
from store.tables.identity import CredentialRow

# How long a link may wait for its browser.
LINK_S = 10 * 60


async def add(tx: Tx, keys: Keys, installation_id: int) -> str:
    """Add a link for this installation and return its secret."""
    grant = _grant(installation_id, "link")
    expires_at = await tx.now() + LINK_S * SECOND
    return await credentials.add(tx, keys, "link", grant, expires_at=expires_at, uses=1)


async def is_open(tx: Tx, keys: Keys, secret: str) -> bool:
    """Whether the link still works."""
    row = await credentials.find(tx, keys, secret, "link")
    return row is not None and bool(row["uses_left"]) and await _is_installed(tx, row)


async def use(tx: Tx, keys: Keys, secret: str) -> str | None:
    """Start a session in the browser and return its cookie. None if the link does not work."""
    row = await credentials.find(tx, keys, secret, "link")
    if row is None or not await _is_installed(tx, row) or not await rows.use(tx, row["id"]):
        return None
    i = row["installation_id"]
    cookie = await credentials.add(
        tx,
        keys,
        "browser",
        _grant(i, "browser"),
        expires_at=await tx.now() + LONGEST_S * SECOND,
        # As with people, so that the end of the session is recorded in the same way.
        data={"installations": [[i, ""]]},
        family=row["id"],
    )
    await records.append(tx, i, OPERATOR, "login", row["id"])
    return cookie


async def _is_installed(tx: Tx, row: CredentialRow) -> bool:
    """Whether the App is still installed on the account."""
    found = await stored_installations.installation(tx, row["installation_id"])
    return found is not None and not found["deleted"]


def _grant(installation_id: int, name: str) -> Grant:
    return Grant(installation_id, OPERATOR, "tech-lead", name=name, created_by=OPERATOR)
