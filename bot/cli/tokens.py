"""`hubbub token`: tokens of agents."""

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from bot.cli import installations, local_origin, server_requests
from bot.cli.output import say, warn
from bot.cli.session import Session, open_session
from bot.identity import credentials as secret
from bot.identity import invitations
from bot.identity.actors import OPERATOR, SLUG, why_no_agent
from bot.identity.credentials import Grant
from bot.identity.invitations import Redeemed
from bot.outbox import token_revocation
from bot.settings import Settings, WrongSettings
from bot.times import SECOND, span, stamp
from store.engine.transaction import Tx
from store.identity import credentials
from store.identity.credentials import CredentialInfo
from store.mirror import stored_installations, stored_repositories
from store.tables.agents import Role


@dataclass(frozen=True)
class Wanted:
    """What the options of `token create` and `token invite` say. `repositories`: by name."""

    installation: str
    agent: str
    role: Role
    repositories: Sequence[str] = ()
    name: str = ""
    # Seconds; None: without an end.
    lasts_s: int | None = None


async def create_token(loaded: Settings, wanted: Wanted) -> None:
    async with open_session(loaded) as session:
        grant = await session.store.read(lambda tx: _grant(tx, wanted))

        made = await add_token(session, grant, wanted.lasts_s)
    say(made)
    warn(
        f"this is the token of {grant.actor} as {grant.role} in installation "
        f"{grant.installation_id}. It is shown only once. Give it to the agent as HUBBUB_TOKEN, or "
        "as `Authorization: Bearer …`."
    )


async def add_token(session: Session, grant: Grant, lasts_s: int | None = None) -> str:
    """Store a token of an agent, and return it. It is stored as its hash only."""

    async def work(tx: Tx) -> str:
        tx.origin = local_origin.of()
        ends = None if lasts_s is None else await tx.now() + lasts_s * SECOND
        return await secret.add(tx, session.keys, "api_key", grant, expires_at=ends)

    return await session.store.write(work)


async def invite(loaded: Settings, wanted: Wanted, uses: int) -> None:
    lasts_s = wanted.lasts_s or invitations.HOUR_S
    if lasts_s > invitations.LONGEST_S:
        raise WrongSettings(
            f"--expires: a code works for {span(invitations.LONGEST_S * SECOND)} at most."
        )
    async with open_session(loaded) as session:
        grant = await session.store.read(lambda tx: _grant(tx, wanted))

        async def work(tx: Tx) -> str:
            tx.origin = local_origin.of()
            return await invitations.add(tx, session.keys, grant, lasts_s=lasts_s, uses=uses)

        code = await session.store.write(work)
    say(code)
    warn(
        f"with this code {grant.actor} gets its token: `hubbub token redeem CODE`. It works for "
        f"{span(lasts_s * SECOND)}, {'once' if uses == 1 else f'{uses} times'}."
    )


async def redeem(loaded: Settings, code: str) -> None:
    """Print the API key that the code makes. At HUBBUB_URL, or on the database."""
    client_key = f"{socket.gethostname()} {secret.id_of(code)}"
    if loaded.url:
        given = {"code": code, "client_key": client_key}
        made = server_requests.post(loaded.url, "/enrol", given)
    else:
        async with open_session(loaded, remote=True) as session:

            async def work(tx: Tx) -> Redeemed | None:
                tx.origin = local_origin.of()
                return await invitations.redeem(tx, session.keys, code, client_key)

            found = await session.store.write(work)
        made = invitations.answer(found)
    say(made["token"])
    warn(
        f"this is the token of {made['agent_id']} as {made['role']}, until {made['expires_at']}. "
        "It is shown only once: set it as HUBBUB_TOKEN."
    )
    if cursor := made.get("events_cursor"):
        warn(f"wait_for_events goes on from the cursor {cursor}")


async def _grant(tx: Tx, wanted: Wanted) -> Grant:
    """Raise WrongSettings if the options name an agent or a repository that cannot be."""
    agent = wanted.agent
    if not re.fullmatch(SLUG, agent):
        raise WrongSettings(
            f"--agent is {agent!r}. It may have lower-case letters, digits and hyphens only."
        )
    if why := why_no_agent(agent):
        raise WrongSettings(
            f"--agent: {agent!r} cannot be an agent's id, because {why}. Choose another."
        )
    here = await _installation(tx, wanted.installation)
    reach = [await _repository(tx, here, each) for each in wanted.repositories]
    repositories = frozenset(reach) if reach else None
    return Grant(here, agent, wanted.role, repositories, wanted.name, created_by=OPERATOR)


async def _repository(tx: Tx, installation_id: int, full_name: str) -> int:
    row = await stored_repositories.repository(tx, installation_id, full_name)
    if row is None:
        raise WrongSettings(
            f"--repository: installation {installation_id} has no repository {full_name!r}. Write "
            "owner/repo, as on GitHub."
        )
    return row["id"]


async def list_tokens(loaded: Settings, installation: str) -> None:
    async with open_session(loaded) as session:
        found = await session.store.read(lambda tx: _list_lines(tx, installation))
    for line in found:
        say(line)


async def _list_lines(tx: Tx, installation: str) -> list[str]:
    here = await _installation(tx, installation)
    rows = await credentials.of_installation(tx, here)
    return [_line(row, await _names(tx, here, row["repositories"])) for row in rows]


async def _names(tx: Tx, installation_id: int, repositories: list[int] | None) -> list[str]:
    """The names of repositories, or their ids if they are gone."""
    found = [
        await stored_repositories.repository_name(tx, installation_id, each)
        for each in repositories or []
    ]
    return [name or str(n) for name, n in zip(found, repositories or [], strict=True)]


def _line(row: CredentialInfo, repositories: list[str]) -> str:
    parts = [row["id"], row["actor"], row["role"]]
    parts += [row["kind"]] if row["kind"] != "api_key" else []
    parts += [repr(row["name"])] if row["name"] else []
    parts += [f"only {', '.join(repositories)}"] if repositories else []
    parts.append(f"created {stamp(row['created_at'])}")
    parts += [f"expires {stamp(row['expires_at'])}"] if row["expires_at"] else []
    used = row["last_used_at"]
    parts.append(f"last used {stamp(used)}" if used else "never used")
    return "  ".join(parts)


async def revoke_token(loaded: Settings, token: str) -> None:
    """`token`: its id, or the whole of it, which is all that is known of one that leaked."""
    token_id = secret.id_of(token) or token
    async with open_session(loaded) as session:
        done = await session.store.write(lambda tx: revoke(tx, token_id))
    say(f"{token_id} is revoked. Running servers accept it for up to a second more.")
    say(done)


async def revoke(tx: Tx, token_id: str) -> str:
    """Revoke the token and return what that did, in words. Raise WrongSettings."""
    tx.origin = local_origin.of()
    done = await token_revocation.revoke(tx, token_id)
    if done is None:
        raise WrongSettings(
            f"There is no token with the id {token_id}, or it is revoked already. "
            "`hubbub token list --installation …` lists the ids."
        )
    if done.kind:
        return f"Nobody gets a token with it: it was the {done.kind} of {done.agent}."
    if done.has_other_token:
        return (
            f"{done.agent} has another token, so its queued writes are still sent. `hubbub writes "
            f"cancel --installation {done.installation_id} --agent {done.agent}` cancels them."
        )
    are = "queued write is" if done.cancelled == 1 else "queued writes are"
    words = f"{done.agent} has no other token. {done.cancelled} of its {are} cancelled."
    return f"{words} Released: {', '.join(done.released)}." if done.released else words


async def _installation(tx: Tx, named: str) -> int:
    found = await installations.find(tx, named)
    if named.isdecimal() and await stored_installations.installation(tx, found) is None:
        warn(f"GitHub has sent nothing about installation {named} yet. The token works anyway.")
    return found
