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
            f"--agent is {agent!r}; it must be a slug: lower-case letters, digits and hyphens."
        )
    if why := NO_AGENTS.get(agent):
        raise WrongSettings(f"--agent: {agent!r} is no agent's id, since {why}. Take another.")
    async with open_session(loaded) as session:
        installation_id = await session.store.read(lambda tx: _installation(tx, installation))
        made = await session.store.write(
            lambda tx: add_token(tx, session.keys, installation_id, agent, role)
        )
    say(made)
    warn(
        f"this is {agent}'s token as {role} in installation {installation_id}; it is not shown "
        "again. Give it to the agent as HUBBUB_TOKEN, or as `Authorization: Bearer …`."
    )


async def list_tokens(loaded: Settings, installation: str) -> None:
    async with open_session(loaded) as session:
        installation_id = await session.store.read(lambda tx: _installation(tx, installation))
        rows = await session.store.read(lambda tx: agents.keys_of(tx, installation_id))
    for row in rows:
        say(f"{row['id']}  {row['agent_id']}  {row['role']}  made {stamp(row['created_at'])}")


async def revoke_token(loaded: Settings, key_id: str) -> None:
    async with open_session(loaded) as session:
        if not await session.store.write(lambda tx: agents.revoke_key(tx, key_id)):
            raise WrongSettings(f"There is no token {key_id}. `hubbub token list` shows them.")
    say(f"{key_id} is revoked; servers take it for {TOKEN_CACHE_S} s more at most.")


async def _installation(tx: Tx, named: str) -> int:
    if named.isdecimal():
        if await mirror_rows.installation(tx, int(named)) is None:
            warn(f"no delivery has named installation {named} yet; its token works all the same.")
        return int(named)
    row = await mirror_rows.installation_of(tx, named)
    if row is None:
        raise WrongSettings(
            f"No installation on {named!r} is known yet. Install the App there while `hubbub "
            "serve` runs, or give the installation's number."
        )
    return int(row["installation_id"])
