"""Who somebody is who logged in with GitHub, and what they may do where."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from bot.github import payloads
from bot.github.payloads import Malformed, at
from bot.github.requests import Unreachable
from bot.github.sign_in import CLOSED, SignIn, SignInRefused
from bot.identity.actors import ROLE_OF_PERMISSION
from bot.identity.people import logins
from store.audit import records
from store.engine.transaction import Tx
from store.mirror import permissions
from store.tables.agents import Role

log = structlog.get_logger()

# GitHub's flags of a repository, each with the name of the permission, the highest first.
FLAGS = (
    ("admin", "admin"),
    ("maintain", "maintain"),
    ("push", "write"),
    ("triage", "triage"),
    ("pull", "read"),
)


@dataclass(frozen=True)
class Access:
    """What a person may do in one installation: GitHub's permission by repository."""

    installation_id: int
    account: str
    permissions: Mapping[int, str]

    @property
    def roles(self) -> dict[int, Role]:
        return {each: ROLE_OF_PERMISSION[held] for each, held in self.permissions.items()}


@dataclass(frozen=True)
class Person:
    """A person by GitHub's number, which stays when the login changes."""

    id: int
    login: str
    access: tuple[Access, ...]


async def identify(sign_in: SignIn, token: str) -> Person:
    """Who has this token, and what they may do. Raise Unreachable or SignInRefused.

    The token is ended: Hubbub needs it no more.
    """
    try:
        user = await sign_in.get(token, "/user")
        listed = await sign_in.all_pages(token, "/user/installations", "installations")
        found = [await _access(sign_in, token, each) for each in listed if _is_served(each)]
        person_id = payloads.number(at(user, "id"), "user.id")
        login = payloads.name(at(user, "login"), "user.login")
    except Malformed as exc:
        raise Unreachable(str(exc)) from exc
    finally:
        await _end(sign_in, token)
    return Person(person_id, login, tuple(each for each in found if each and each.permissions))


async def _access(sign_in: SignIn, token: str, installation: Any) -> Access | None:
    """None if the account is closed to the token, which says nothing about the others.

    An organization may demand a login at its own identity provider, or accept only some addresses.
    """
    installation_id = payloads.number(at(installation, "id"), "installation.id")
    account = payloads.text(at(installation, "account", "login"), 100)
    path = f"/user/installations/{installation_id}/repositories"
    try:
        entries = await sign_in.all_pages(token, path, "repositories")
    except SignInRefused as exc:
        if exc.code != CLOSED:
            raise
        log.warning("login: account closed to a person", account=account, why=exc.message)
        return None
    held = {payloads.number(at(each, "id"), "repository.id"): permission(each) for each in entries}
    return Access(installation_id, account, {r: name for r, name in held.items() if name})


def _is_served(installation: Any) -> bool:
    """A suspended installation gives nobody access."""
    return at(installation, "suspended_at") is None


def permission(repository: Any) -> str | None:
    """GitHub's name of the highest permission among a repository's flags.

    None for a public repository that the person may only read, as everybody may.
    """
    flags = at(repository, "permissions")
    found = next((name for flag, name in FLAGS if at(flags, flag) is True), None)
    return None if found == "read" and at(repository, "private") is not True else found


async def _end(sign_in: SignIn, token: str) -> None:
    # If that fails, it ends by itself within eight hours, and nobody keeps it.
    with contextlib.suppress(Unreachable, SignInRefused):
        await sign_in.revoke(token)


async def remember(tx: Tx, person: Person) -> None:
    """Record what GitHub said about the person's login and permissions."""
    for each in person.access:
        i = each.installation_id
        await logins.update_login(tx, i, person.id, person.login)
        await records.append(tx, i, f"@{person.login}", "login")
        await permissions.forget_person(tx, i, person.id)
        for repository_id, held in each.permissions.items():
            await permissions.put(tx, i, repository_id, person.login, held, person.id)
