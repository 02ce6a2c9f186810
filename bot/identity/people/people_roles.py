"""The roles of people who are logged in, by what GitHub said about their permissions.

A webhook about a changed permission drops what was known, so that the person has no access there
until GitHub has answered again. What a webhook did not tell is read again at the next refresh.
"""

from collections.abc import Iterable
from dataclasses import replace

from bot.identity.actors import ROLE_OF_PERMISSION, Actor, is_at_least, person_with_roles
from bot.identity.credentials import Grant
from bot.times import SECOND
from store.engine.transaction import Tx
from store.fetch import pending_reads
from store.identity import credentials
from store.mirror import people, permissions, stored_repositories
from store.mirror.permissions import HeldPermission
from store.tables.agents import Role

# A login in a browser lasts so long, and nothing that GitHub said counts for longer.
LONGEST_S = 8 * 3600
# What GitHub said before this time is read again when a session is refreshed.
REREAD_AFTER_S = 10 * 60
# The repositories of one person that are read again at once.
MOST_REREADS = 100
NO_ROLE = (
    "{} has no role in any repository of this installation now. If somebody changed it on GitHub "
    "just now, try again in a few seconds. Otherwise get access on GitHub and log in again."
)


async def roles_of(tx: Tx, installation_id: int, person_id: int) -> dict[int, Role]:
    """The person's role by repository. Repositories without one are left out."""
    return _roles(await _held_permissions(tx, installation_id, person_id))


async def actor_of(tx: Tx, session: str) -> Actor | None:
    """The actor of a person's session with the roles of this moment. None without any role."""
    row = await credentials.find_live(tx, session, "session")
    if row is None or row["person_id"] is None:
        return None
    i, person_id = row["installation_id"], row["person_id"]
    roles = await roles_of(tx, i, person_id)
    if row["repositories"] is not None:
        roles = {each: role for each, role in roles.items() if each in row["repositories"]}
    if not roles:
        return None
    login = await login_of(tx, i, person_id) or row["actor"].removeprefix("@")
    whole = await stored_repositories.selected_repository_ids(tx, i)
    actor = person_with_roles(i, login, roles, whole, row["id"])
    return replace(actor, person_id=person_id)


async def login_of(tx: Tx, installation_id: int, person_id: int) -> str | None:
    """The login that the person has now, as far as Hubbub has seen."""
    known = await people.get(tx, installation_id, person_id)
    return known["login"] if known else None


async def queue_rereads(tx: Tx, installation_id: int, person_id: int) -> None:
    """Ask GitHub again what it said some time ago."""
    before = await tx.now() - REREAD_AFTER_S * SECOND
    held = await _held_permissions(tx, installation_id, person_id)
    old = [each for each in held if each["fetched_at"] < before]
    login = await login_of(tx, installation_id, person_id)
    for each in old[:MOST_REREADS]:
        where = (installation_id, each["repository_id"])
        await _queue_read(tx, *where, login or each["login_key"], person_id)


async def still_grants(tx: Tx, grant: Grant) -> bool:
    """Whether the person still has the role that they granted to an agent, in each repository.

    What is not known or old is asked of GitHub, and counts at the next refresh. What GitHub said
    last counts however old it is: else a session that is renewed seldom would never end.
    """
    i, person_id = grant.installation_id, grant.person_id
    login = None if person_id is None else await login_of(tx, i, person_id)
    if person_id is None or login is None:
        return True
    known = await permissions.of_person(tx, i, person_id, since=0)
    newest = {each["repository_id"]: each for each in known}
    before = await tx.now() - REREAD_AFTER_S * SECOND
    for repository_id in sorted(grant.repositories or ()):
        held = newest.get(repository_id)
        if held is None or held["fetched_at"] < before:
            await _queue_read(tx, i, repository_id, login, person_id)
        if held is not None and not _gives(held["permission"], grant.role):
            return False
    return True


def _gives(permission: str, role: Role) -> bool:
    found = ROLE_OF_PERMISSION.get(permission)
    return found is not None and is_at_least(found, role)


async def forget(
    tx: Tx,
    installation_id: int,
    repository_id: int | None,
    login: str | None,
    granted_to: int | None = None,
) -> None:
    """Drop permissions that may have changed, and read those of people who are logged in again.

    `granted_to`: the person who may have got a permission on the repository.
    """
    known = await permissions.stale_people(tx, installation_id, repository_id, login)
    affected = {(each["repository_id"], each["login_key"], each["person_id"]) for each in known}
    if repository_id is not None and login is not None and granted_to:
        affected = {each for each in affected if each[2] != granted_to}
        affected.add((repository_id, login.casefold(), granted_to))
    await permissions.forget(tx, installation_id, repository_id, login)
    online = await credentials.people_logged_in(tx, sorted({each[2] for each in affected}))
    for where, name, person_id in sorted(each for each in affected if each[2] in online):
        await _queue_read(tx, installation_id, where, name, person_id)


async def _queue_read(
    tx: Tx, installation_id: int, repository_id: int, login: str, person_id: int
) -> None:
    subject = f"{repository_id} {login.casefold()}"
    arguments = {"repository_id": repository_id, "login": login, "person_id": person_id}
    await pending_reads.ask(tx, installation_id, "permission", subject, arguments)


async def _held_permissions(tx: Tx, installation_id: int, person_id: int) -> list[HeldPermission]:
    since = await tx.now() - LONGEST_S * SECOND
    return await permissions.of_person(tx, installation_id, person_id, since)


def _roles(held: Iterable[HeldPermission]) -> dict[int, Role]:
    """The newest answer counts: after a change of the login there are two.

    Everybody may read a public repository, so that gives no role.
    """
    newest = {each["repository_id"]: each for each in held}
    return {
        repository_id: ROLE_OF_PERMISSION[each["permission"]]
        for repository_id, each in newest.items()
        if each["permission"] in ROLE_OF_PERMISSION
        and (each["permission"] != "read" or each["private"])
    }
