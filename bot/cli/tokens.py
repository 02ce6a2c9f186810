"""`hubbub token`: tokens of agents."""

import re

from bot.cli import installations
from bot.cli.output import say, warn
from bot.cli.session import open_session
from bot.identity.actors import NO_AGENTS, SLUG
from bot.identity.tokens import TOKEN_CACHE_S, add_token
from bot.outbox import stopped
from bot.settings import Settings, WrongSettings
from bot.times import stamp
from store.agents import agent_keys
from store.engine.transaction import Tx
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
            lambda tx: add_token(tx, session.keys, installation_id, agent, role)
        )
    say(made)
    warn(
        f"this is the token of {agent} as {role} in installation {installation_id}. It is shown "
        "only once. Give it to the agent as HUBBUB_TOKEN, or as `Authorization: Bearer …`."
    )


async def list_tokens(loaded: Settings, installation: str) -> None:
    async with open_session(loaded) as session:
        installation_id = await session.store.read(lambda tx: _installation(tx, installation))
        rows = await session.store.read(lambda tx: agent_keys.of_installation(tx, installation_id))
    for row in rows:
        say(f"{row['id']}  {row['agent_id']}  {row['role']}  created {stamp(row['created_at'])}")


async def revoke_token(loaded: Settings, key_id: str) -> None:
    async with open_session(loaded) as session:
        done = await session.store.write(lambda tx: _revoke(tx, key_id))
    say(f"{key_id} is revoked. Running servers accept it for up to {TOKEN_CACHE_S} s more.")
    say(done)


async def _revoke(tx: Tx, key_id: str) -> str:
    """Revoke the token. With an agent's last token, cancel what it queued. Return what was done."""
    row = await agent_keys.get(tx, key_id)
    if row is None or not await agent_keys.revoke(tx, key_id):
        raise WrongSettings(
            f"There is no token {key_id}. `hubbub token list --installation …` lists those of an "
            "account."
        )
    agent, here = row["agent_id"], row["installation_id"]
    if any(each["agent_id"] == agent for each in await agent_keys.of_installation(tx, here)):
        return (
            f"{agent} has another token, so its queued writes are still sent. "
            f"`hubbub writes cancel --installation {here} --agent {agent}` cancels them."
        )
    reason = stopped.REVOKED.format(author=agent)
    n = len(await stopped.cancel_queued(tx, here, [agent], reason))
    are = "queued write is" if n == 1 else "queued writes are"
    return f"{agent} has no other token. {n} of its {are} cancelled."


async def _installation(tx: Tx, named: str) -> int:
    found = await installations.find(tx, named)
    if named.isdecimal() and await stored_installations.installation(tx, found) is None:
        warn(f"GitHub has sent nothing about installation {named} yet. The token works anyway.")
    return found
