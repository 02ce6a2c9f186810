"""`hubbub token`: tokens of agents."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.agents import agent_tasks
from bot.agents.hierarchy import MOST_TASKS
from bot.cli import installations, local_origin, server_requests
from bot.cli.output import say, warn
from bot.cli.session import open_session
from bot.identity import credentials as secret
from bot.identity import invitations
from bot.identity.actors import BOT, OPERATOR, SLUG, why_no_agent
from bot.identity.credentials import Grant
from bot.kernel import event_recorder
from bot.kernel.notice_rules import Happening
from bot.outbox import stopped
from bot.settings import Settings, WrongSettings
from bot.times import SECOND, span, stamp
from store.agents import agents
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

        async def work(tx: Tx) -> str:
            tx.origin = local_origin.of()
            ends = None if wanted.lasts_s is None else await tx.now() + wanted.lasts_s * SECOND
            return await secret.add(tx, session.keys, "api_key", grant, expires_at=ends)

        made = await session.store.write(work)
    say(made)
    warn(
        f"this is the token of {grant.actor} as {grant.role} in installation "
        f"{grant.installation_id}. It is shown only once. Give it to the agent as HUBBUB_TOKEN, or "
        "as `Authorization: Bearer …`."
    )


async def invite(loaded: Settings, wanted: Wanted, uses: int) -> None:
    lasts_s = wanted.lasts_s or invitations.HOUR_S
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
    if loaded.url:
        made = server_requests.post(loaded.url, "/enrol", {"code": code})
    else:
        async with open_session(loaded, remote=True) as session:

            async def work(tx: Tx) -> tuple[str, Grant, int] | None:
                tx.origin = local_origin.of()
                return await invitations.redeem(tx, session.keys, code)

            found = await session.store.write(work)
        made = invitations.answer(found)
    say(made["token"])
    warn(
        f"this is the token of {made['agent_id']} as {made['role']}, until {made['expires_at']}. "
        "It is shown only once: set it as HUBBUB_TOKEN."
    )


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
    key_id = token.split("_")[1] if token.startswith("hubbub_") else token
    async with open_session(loaded) as session:
        done = await session.store.write(lambda tx: revoke(tx, key_id))
    say(f"{key_id} is revoked. Running servers accept it for up to a second more.")
    say(done)


async def revoke(tx: Tx, key_id: str) -> str:
    """Revoke the token. With an agent's last token, cancel what it queued. Return what was done."""
    tx.origin = local_origin.of()
    row = await credentials.get(tx, key_id)
    if row is None or not await credentials.revoke(tx, key_id):
        raise WrongSettings(
            f"There is no token with the id {key_id}, or it is revoked already. "
            "`hubbub token list --installation …` lists the ids."
        )
    agent, here = row["actor"], row["installation_id"]
    if await credentials.of_actor(tx, here, agent):
        return (
            f"{agent} has another token, so its queued writes are still sent. "
            f"`hubbub writes cancel --installation {here} --agent {agent}` cancels them."
        )
    freed = await _release_tasks(tx, here, agent)
    reason = stopped.REVOKED.format(author=agent)
    n = len(await stopped.cancel_queued(tx, here, [agent], reason))
    are = "queued write is" if n == 1 else "queued writes are"
    done = f"{agent} has no other token. {n} of its {are} cancelled."
    return f"{done} Released: {', '.join(freed)}." if freed else done


async def _release_tasks(tx: Tx, installation_id: int, agent: str) -> list[str]:
    """Release what the agent holds, but not what is in review. Tell those who wait."""
    here = (tx, installation_id)
    row = await agents.get(*here, agent)
    if row is None:
        return []
    task_ids = (await agent_tasks.of(*here, [agent], MOST_TASKS))[:MOST_TASKS]
    why = "its token was revoked"
    freed = await agent_tasks.release(*here, task_ids, [agent], BOT, why, except_in_review=True)
    data = {"parent": row["parent_id"], "released": freed}
    said = {name: value for name, value in data.items() if value}
    await event_recorder.append(*here, Happening("agent.revoked", agent, agent, BOT, said))
    return freed


async def _installation(tx: Tx, named: str) -> int:
    found = await installations.find(tx, named)
    if named.isdecimal() and await stored_installations.installation(tx, found) is None:
        warn(f"GitHub has sent nothing about installation {named} yet. The token works anyway.")
    return found
