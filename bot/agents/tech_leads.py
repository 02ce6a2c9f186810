"""Says who can do or grant what a refused agent lacks: tech-leads, and who made its token."""

import contextlib

from bot.errors import Refused
from bot.identity import permissions
from bot.identity.actors import OPERATOR, Actor, is_at_least
from bot.kernel.remedies import TO_A_LEAD
from store.agents import agents
from store.engine.transaction import Store, StoreError, Tx
from store.identity import credentials
from store.tables.agents import Role

# A text names no more of them.
MOST = 5


async def add_names(refused: Refused, store: Store, actor: Actor) -> None:
    """Say in a refusal who can do or grant what the actor lacks, by name as far as possible."""
    if _missing_role(refused) or _needs_names(refused.message, actor):
        with contextlib.suppress(StoreError):  # the error itself matters more
            refused.message = await store.read(lambda tx: _with_grant(tx, actor, refused))


async def _with_grant(tx: Tx, actor: Actor, refused: Refused) -> str:
    text, role = refused.message, _missing_role(refused)
    if role is not None:
        text += await _grant(tx, actor, role, sends_to_lead=TO_A_LEAD in text)
    return await with_names(tx, actor, text)


def _missing_role(refused: Refused) -> Role | None:
    """The role that `permissions.missing` names, unless the actor has it."""
    role: Role | None = refused.details.get("needs")
    if role is None or is_at_least(refused.details["has"], role):
        return None
    return role


async def _grant(tx: Tx, actor: Actor, role: Role, *, sends_to_lead: bool) -> str:
    if actor.is_person:
        permission = permissions.PERMISSION_OF_ROLE[role]
        return f" Somebody who administers the repository can give you the permission {permission}."
    token = f"{await _maker(tx, actor)} for a token with the role {role}"
    if role == "tech-lead" and not sends_to_lead:
        return f" Ask {TO_A_LEAD} to do it, or {token}."
    return f" Ask {token}."


async def _maker(tx: Tx, actor: Actor) -> str:
    """Who made the actor's token, or can make another one."""
    row = await credentials.get(tx, actor.credential) if actor.credential else None
    made_by = row["created_by"] if row else ""
    if not made_by:
        return "a person who administers the installation"
    return f"{'the operator of Hubbub' if made_by == OPERATOR else made_by}, who made yours,"


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
