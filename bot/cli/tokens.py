"""`hubbub token`: tokens of agents."""

import re

from bot.cli.output import say, warn
from bot.cli.session import open_session
from bot.identity.actors import NO_AGENTS, SLUG
from bot.identity.tokens import TOKEN_CACHE_S, add_token
from bot.settings import Settings, WrongSettings
from bot.times import stamp
from store.agents import agents
from store.engine.transaction import Tx
from store.mirror import mirror_rows
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
        rows = await session.store.read(lambda tx: agents.keys_of(tx, installation_id))
    for row in rows:
        say(f"{row['id']}  {row['agent_id']}  {row['role']}  created {stamp(row['created_at'])}")


async def revoke_token(loaded: Settings, key_id: str) -> None:
    async with open_session(loaded) as session:
        if not await session.store.write(lambda tx: agents.revoke_key(tx, key_id)):
            raise WrongSettings(f"There is no token {key_id}. `hubbub token list` shows all.")
    say(f"{key_id} is revoked. Running servers accept it for up to {TOKEN_CACHE_S} s more.")


async def _installation(tx: Tx, named: str) -> int:
    if named.isdecimal():
        if await mirror_rows.installation(tx, int(named)) is None:
            warn(f"GitHub has sent nothing about installation {named} yet. The token works anyway.")
        return int(named)
    row = await mirror_rows.installation_of(tx, named)
    if row is None:
        raise WrongSettings(
            f"Hubbub knows no installation on {named!r}. Install the App there while `hubbub "
            "serve` runs, or pass the installation's number."
        )
    return int(row["installation_id"])
