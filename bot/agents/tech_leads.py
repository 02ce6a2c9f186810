"""Says who the tech-leads are, where a refusal sends an agent to one."""

import contextlib

from bot.errors import Refused
from bot.identity.actors import Actor
from bot.kernel.remedies import TO_A_LEAD
from store.agents import agents
from store.engine.transaction import Store, StoreError, Tx

# A text names no more of them.
MOST = 5


async def add_names(refused: Refused, store: Store, actor: Actor) -> None:
    """Add the names to the message of a refusal that needs them."""
    if _needs_names(refused.message, actor):
        with contextlib.suppress(StoreError):  # the error itself matters more
            refused.message = await store.read(lambda tx: with_names(tx, actor, refused.message))


async def with_names(tx: Tx, actor: Actor, text: str) -> str:
    """The text, with a sentence that names the tech-leads if it sends the actor to one."""
    if not _needs_names(text, actor):
        return text
    found = await agents.of_roles(tx, actor.installation_id, ("tech-lead",), MOST)
    names = (
        f"Tech-leads: {', '.join(found)}" if found else "No tech-lead is registered: ask a person"
    )
    return f"{text} {names}."


def _needs_names(text: str, actor: Actor) -> bool:
    return TO_A_LEAD in text and not actor.is_person and not actor.may("tech-lead")
