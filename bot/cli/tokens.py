"""`hubbub token`: tokens of agents."""

import re

from bot.agents import agent_tasks
from bot.agents.hierarchy import MOST_TASKS
from bot.cli import installations
from bot.cli.output import say, warn
from bot.cli.session import open_session
from bot.identity.actors import BOT, NO_AGENTS, SLUG
from bot.identity.credentials import add_api_key
from bot.kernel import event_recorder
from bot.kernel.notice_rules import Happening
from bot.outbox import stopped
from bot.settings import Settings, WrongSettings
from bot.times import stamp
from store.agents import agents
from store.engine.transaction import Tx
from store.identity import credentials
from store.mirror import stored_installations
from store.tables.agents import Role


async def create_token(loaded: Settings, installation: str, agent: str, role: Role) -> None:
    if not re.fullmatch(SLUG, agent):
        raise WrongSettings(
            f"--agent is {agent!r}. It may have lower-case letters, digits and hyphens only."
        )
    if why := NO_AGENTS.get(agent):
        raise WrongSettings(
            f"--agent: {agent!r} cannot be an agent's id, because {why}. Choose another."
        )
    async with open_session(loaded) as session:
        installation_id = await session.store.read(lambda tx: _installation(tx, installation))
        made = await session.store.write(
            lambda tx: add_api_key(tx, session.keys, installation_id, agent, role)
        )
    say(made)
    warn(
        f"this is the token of {agent} as {role} in installation {installation_id}. It is shown "
        "only once. Give it to the agent as HUBBUB_TOKEN, or as `Authorization: Bearer …`."
    )


async def list_tokens(loaded: Settings, installation: str) -> None:
    async with open_session(loaded) as session:
        installation_id = await session.store.read(lambda tx: _installation(tx, installation))
        rows = await session.store.read(lambda tx: credentials.of_installation(tx, installation_id))
    for row in rows:
        say(f"{row['id']}  {row['actor']}  {row['role']}  created {stamp(row['created_at'])}")


async def revoke_token(loaded: Settings, key_id: str) -> None:
    async with open_session(loaded) as session:
        done = await session.store.write(lambda tx: revoke(tx, key_id))
    say(f"{key_id} is revoked. Running servers accept it for up to a second more.")
    say(done)


async def revoke(tx: Tx, key_id: str) -> str:
    """Revoke the token. With an agent's last token, cancel what it queued. Return what was done."""
    row = await credentials.get(tx, key_id)
    if row is None or not await credentials.revoke(tx, key_id):
        raise WrongSettings(
            f"There is no token {key_id}. `hubbub token list --installation …` lists those of an "
            "account."
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
