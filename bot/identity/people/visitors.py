"""Who looks at the page: the session of a cookie, and the actor that it is in an account."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.identity import credentials
from bot.identity.actors import OPERATOR, Actor, person_with_roles
from bot.identity.keyring import Keys
from bot.identity.people import browser_sessions
from bot.identity.people.browser_sessions import Reach, SignedIn
from store.engine.transaction import Tx
from store.identity import credentials as rows
from store.mirror import stored_installations, stored_repositories
from store.tables.identity import CredentialRow


@dataclass(frozen=True)
class Visitor:
    """`accounts`: the ids of the installations that it may look at, by the account's login.

    `until`: when the session ends, in microseconds.
    """

    name: str
    session: str
    until: int | None
    accounts: Mapping[str, int]
    person: SignedIn | None = None


async def find(tx: Tx, keys: Keys, cookie: str) -> Visitor | None:
    """The visitor with this cookie, whose session has neither ended nor been revoked."""
    row = await credentials.find(tx, keys, cookie, "browser")
    if row is None:
        return None
    if row["actor"] == OPERATOR:
        return await _operator(tx, row)
    person = await browser_sessions.find(tx, keys, cookie)
    if person is None:
        return None
    accounts = {each.account: each.installation_id for each in person.reach}
    return Visitor(f"@{person.login}", row["id"], row["expires_at"], accounts, person)


async def _operator(tx: Tx, row: CredentialRow) -> Visitor:
    installation = await stored_installations.installation(tx, row["installation_id"])
    accounts = {}
    if installation is not None and not installation["deleted"]:
        accounts[installation["account"]] = row["installation_id"]
    return Visitor(OPERATOR, row["id"], row["expires_at"], accounts)


async def actor_in(tx: Tx, visitor: Visitor, account: str) -> Actor | None:
    """The actor in the account, with the roles of this moment. None if it has none there."""
    known = {name.casefold(): i for name, i in visitor.accounts.items()}
    installation_id = known.get(account.casefold())
    if installation_id is None:
        return None
    if visitor.person is None:
        return Actor(
            installation_id, OPERATOR, "tech-lead", None, visitor.session, until=visitor.until
        )
    (reach,) = [e for e in visitor.person.reach if e.installation_id == installation_id]
    return await _person_in(tx, visitor, visitor.person, reach)


async def _person_in(tx: Tx, visitor: Visitor, person: SignedIn, reach: Reach) -> Actor:
    i = reach.installation_id
    whole = await stored_repositories.selected_repository_ids(tx, i)
    actor = person_with_roles(i, person.login, reach.roles, whole, visitor.session)
    return replace(actor, until=visitor.until, person_id=person.person_id)


async def is_live(tx: Tx, session: str) -> bool:
    """Whether the session has neither ended nor been revoked."""
    return await rows.find_live(tx, session, "browser") is not None
