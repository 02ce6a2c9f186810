"""A step of a workflow may ask for a role: agents with a lower one do not get its task."""

from bot.identity.actors import ROLES, Actor
from bot.kernel import remedies
from bot.tasks.eligibility import Reason
from store.tables.agents import Role


def above(actor: Actor) -> tuple[str, ...]:
    """The roles that the actor does not have. People can do anything."""
    return () if actor.is_person else tuple(each for each in ROLES if not actor.may(each))


def reasons(actor: Actor, role: Role | None) -> list[Reason]:
    """Why the actor cannot claim the task of a step that asks for this role."""
    if role is None or role not in above(actor):
        return []
    return [
        Reason(
            code="forbidden",
            why=f"its step is for agents with the role {role} or a higher one, and {actor.name} "
            f"has {actor.role}",
            remedy=f"leave it to such an agent, or ask {remedies.TO_A_LEAD}",
        )
    ]
