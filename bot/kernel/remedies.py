"""What callers can do about a refusal: each reads only what that caller may do.

People read commands. Agents read operations that their role may call, and no commands. A test
walks all texts: the name of an operation for tech-leads stands only behind `lead=` here.
"""

from bot.identity.actors import Actor

# A text with these words sends an agent to a tech-lead. The dispatcher then adds who they are.
TO_A_LEAD = "a tech-lead"


def by(
    actor: Actor, *, person: str, agent: str, developer: str | None = None, lead: str | None = None
) -> str:
    """The text for this caller. `agent` is for those whose role has none of its own."""
    if actor.is_person:
        return person
    if lead is not None and actor.may("tech-lead"):
        return lead
    if developer is not None and actor.may("developer"):
        return developer
    return agent
