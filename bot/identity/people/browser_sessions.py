"""Logins in a browser: a random cookie, of which the database has a hash."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.identity import credentials
from bot.identity.credentials import Grant
from bot.identity.keyring import Keys
from bot.identity.people import people_roles
from bot.identity.people.github_login import Person
from bot.identity.people.people_roles import LONGEST_S
from bot.times import SECOND
from store.audit import records
from store.engine.transaction import Tx
from store.identity import credentials as rows
from store.tables.agents import Role
from store.tables.identity import CredentialRow


@dataclass(frozen=True)
class Reach:
    """An installation in which the person has a role in some repositories."""

    installation_id: int
    account: str
    roles: Mapping[int, Role]


@dataclass(frozen=True)
class SignedIn:
    """The person in whose browser a request comes from. `session`: the id of the login."""

    person_id: int
    login: str
    reach: tuple[Reach, ...]
    session: str
    # When Hubbub last asked GitHub about it, in microseconds.
    confirmed_at: int


async def start(tx: Tx, keys: Keys, person: Person) -> str:
    """Record the login and return the content of the cookie."""
    known = [[each.installation_id, each.account] for each in person.access]
    return await credentials.add(
        tx,
        keys,
        "browser",
        Grant(0, f"@{person.login}", "observer", person_id=person.id, name="browser"),
        expires_at=await tx.now() + LONGEST_S * SECOND,
        data={"installations": known},
    )


async def has_just_begun(tx: Tx, keys: Keys, cookie: str, person: Person, within_s: int) -> bool:
    """Whether the cookie is of a login of this person so short a while ago."""
    row = await credentials.find(tx, keys, cookie, "browser")
    if row is None or row["person_id"] != person.id:
        return False
    return row["created_at"] > await tx.now() - within_s * SECOND


async def find(tx: Tx, keys: Keys, cookie: str) -> SignedIn | None:
    """Who is logged in with this cookie, with the roles that they have now."""
    row = await credentials.find(tx, keys, cookie, "browser")
    if row is None or row["person_id"] is None:
        return None
    login, found = row["actor"].removeprefix("@"), []
    for installation_id, account in _installations(row):
        roles = await people_roles.roles_of(tx, installation_id, row["person_id"])
        login = await people_roles.login_of(tx, installation_id, row["person_id"]) or login
        if roles:
            found.append(Reach(installation_id, account, roles))
    confirmed_at = row["last_used_at"] or row["created_at"]
    return SignedIn(row["person_id"], login, tuple(found), row["id"], confirmed_at)


async def refresh(tx: Tx, cookie_id: str) -> None:
    """Ask GitHub again for what it said some time ago about the person."""
    row = await rows.get(tx, cookie_id)
    if row is None or row["person_id"] is None:
        return
    for installation_id, _ in _installations(row):
        await people_roles.queue_rereads(tx, installation_id, row["person_id"])
    await rows.touch(tx, cookie_id, await tx.now())


async def end(tx: Tx, keys: Keys, cookie: str) -> None:
    row = await credentials.find(tx, keys, cookie, "browser")
    if row is None:
        return
    await rows.revoke(tx, row["id"])
    for installation_id, _ in _installations(row):
        await records.append(tx, installation_id, row["actor"], "logout")


def _installations(row: CredentialRow) -> list[tuple[int, str]]:
    return [(i, account) for i, account in (row["data"] or {}).get("installations", ())]
