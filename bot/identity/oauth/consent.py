"""What a person may grant to a client: an agent with a role, never more than they have."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bot.errors import Refused
from bot.identity.actors import ROLES, SLUG, is_at_least, why_no_agent
from bot.identity.credentials import Grant
from bot.identity.oauth.clients import Client
from bot.identity.people.browser_sessions import Reach, SignedIn
from store.agents import agents
from store.engine.transaction import Tx
from store.identity import credentials as rows
from store.tables.agents import Role

# The ids are in each access token, and a header may have 4,096 bytes.
MOST_REPOSITORIES = 100
LONGEST_AGENT = 63
# What a client gets unless the person chooses: enough to claim tasks.
USUAL: Role = "developer"


@dataclass(frozen=True)
class Choice:
    """What the person entered in the form."""

    agent: str
    role: str
    repositories: frozenset[int]


def usual_choice(person: SignedIn, reach: Reach, client: Client) -> Choice:
    """What the form has at first: the usual role, where the person has it."""
    highest = max(reach.roles.values(), key=ROLES.index)
    role = min(USUAL, highest, key=ROLES.index)
    chosen = [each for each, held in sorted(reach.roles.items()) if is_at_least(held, role)]
    return Choice(
        agent_name(person.login, client.name), role, frozenset(chosen[:MOST_REPOSITORIES])
    )


def agent_name(login: str, client: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", f"{login}-{client}".lower()).strip("-")
    return words[:LONGEST_AGENT].strip("-") or "agent"


def grant_for(person: SignedIn, reach: Reach, client: Client, choice: Choice) -> Grant:
    """What the choice grants. Raise Refused if the person may not grant it."""
    _check_agent(choice.agent)
    return Grant(
        reach.installation_id,
        choice.agent,
        _granted_role(reach.roles, choice),
        choice.repositories,
        name=client.name,
        created_by=f"@{person.login}",
        client=client.id,
        person_id=person.person_id,
    )


def _check_agent(agent: str) -> None:
    if not re.fullmatch(SLUG, agent):
        raise Refused(
            "invalid_arguments",
            "The agent's id must have 1 to 63 characters of a-z, 0-9 and -, and must not begin "
            "with -.",
        )
    if why := why_no_agent(agent):
        raise Refused("invalid_arguments", f"{agent} cannot be an agent's id, because {why}.")


def _granted_role(held: Mapping[int, Role], choice: Choice) -> Role:
    if choice.role not in ROLES:
        raise Refused("invalid_arguments", f"The role must be one of {', '.join(ROLES)}.")
    role = ROLES[ROLES.index(choice.role)]
    if not 1 <= len(choice.repositories) <= MOST_REPOSITORIES:
        raise Refused(
            "invalid_arguments", f"Choose at least one repository, and {MOST_REPOSITORIES} at most."
        )
    if not all(each in held and is_at_least(held[each], role) for each in choice.repositories):
        raise Refused(
            "forbidden",
            f"You do not have the role {role} in each of these repositories. Choose a lower role, "
            "or leave out the repositories in which you have a lower one.",
        )
    return role


async def check_owner(tx: Tx, grant: Grant) -> None:
    """Raise Refused if the agent is somebody else's: its messages and tasks would be taken over."""
    owners = await rows.lock_owners(tx, grant.installation_id, grant.actor)
    registered = await agents.get(tx, grant.installation_id, grant.actor)
    is_mine = grant.person_id is not None and owners == {grant.person_id}
    if not is_mine and (owners or registered is not None):
        raise Refused(
            "forbidden",
            f"There is an agent {grant.actor} that you did not connect. Choose another id.",
        )
