"""Logins on the command line: GitHub's device flow, behind Hubbub's own (RFC 8628).

The person enters the code at GitHub, so Hubbub needs no page for it. What Hubbub gives as the
device code is GitHub's, sealed: no process needs to remember it, and only Hubbub can use it.
"""

from typing import Literal, TypeAlias

from bot.github.sign_in import Device
from bot.identity import sealed_texts, sessions
from bot.identity.credentials import Grant
from bot.identity.keyring import Keys
from bot.identity.people import github_login
from bot.identity.people.github_login import Access, Person
from bot.identity.sessions import Issued
from bot.times import SECOND
from store.engine.transaction import Tx

# The OAuth client that `hubbub login` is. No other gets a session in a person's own name.
CLIENT = "hubbub-cli"
PURPOSE = "device logins"
# How long a session of the command line lasts, if it is used at least every eight hours.
SESSION_S = 7 * 24 * 3600
# Accounts that an error names.
MOST_NAMED = 10

# Why a person gets no session: `which`: they have access to several accounts.
NoAccess: TypeAlias = Literal["stranger", "other", "which"]


def seal(keys: Keys, device: Device, now: int) -> str:
    """The device code for the client."""
    ends = now + device.expires_in * SECOND
    return sealed_texts.seal(keys, PURPOSE, {"code": device.code, "ends": ends})


def unseal(keys: Keys, device_code: str, now: int) -> str | None:
    """GitHub's device code; an empty text if it has expired; None if it is not ours."""
    found = sealed_texts.unseal(keys, PURPOSE, device_code)
    if found is None:
        return None
    return str(found["code"]) if found["ends"] > now else ""


def choose(person: Person, wanted: str) -> Access | NoAccess:
    """The installation for the session: the wanted one, by its account or number, or the only."""
    fitting = [
        each
        for each in person.access
        if not wanted or wanted.casefold() in (each.account.casefold(), str(each.installation_id))
    ]
    if len(fitting) == 1:
        return fitting[0]
    return "which" if fitting else "other" if person.access else "stranger"


def refusal(person: Person, why: NoAccess) -> str:
    """What the person reads who gets no session."""
    if why == "stranger":
        return (
            f"GitHub knows you as @{person.login}, but you have no role in any repository on which "
            "this App is installed."
        )
    named = ", ".join(each.account for each in person.access[:MOST_NAMED])
    if why == "which":
        return (
            f"You have access to several accounts: {named}. Choose one, such as "
            f"`hubbub login --installation {person.access[0].account}`."
        )
    return f"You have no access to that account. You have access to {named}."


async def start_session(
    tx: Tx, keys: Keys, person: Person, where: Access, *, audience: str
) -> Issued:
    """A session in which the person acts in their own name."""
    await github_login.remember(tx, person)
    grant = Grant(
        where.installation_id,
        f"@{person.login}",
        "observer",  # the roles are those of the repositories, at each call
        name="hubbub login",
        client=CLIENT,
        person_id=person.id,
    )
    return await sessions.start(tx, keys, grant, audience=audience, lasts_s=SESSION_S)
