"""Access to contexts: who may read, write and share one."""

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from bot.errors import Refused
from bot.identity import permissions
from bot.identity.actors import EVERYBODY, ROLES, Actor
from bot.kernel.operation import Context
from store import events
from store.contexts import contexts, grants
from store.contexts.contexts import FullContext
from store.contexts.grants import Grant
from store.engine.transaction import Tx

# From the least access to the most.
Access: TypeAlias = Literal["none", "read", "write", "share"]
ACCESS: tuple[Access, ...] = ("none", "read", "write", "share")


class AccessibleContext(FullContext):
    """A context, with what the actor may do with it."""

    access: Access


MOST_OWNED = 1000
MOST_GRANTS = 200


def task_of(row: FullContext) -> str | None:
    """`owner/repo#12`, or the task's id while it has no number."""
    return f"{row['full_name']}#{row['number']}" if row["number"] else row["task_id"]


def _grantees(actor: Actor, held: Iterable[str]) -> list[str]:
    """All names by which a context can be shared with the actor."""
    roles = [f"role:{role}" for role in ROLES if actor.may_somewhere(role)]
    return [actor.name, EVERYBODY, *roles, *(f"task:{task_id}" for task_id in held)]


def is_in_charge(actor: Actor, repository_id: int | None) -> bool:
    """Whether the actor has all access to contexts of other owners too, in the repository."""
    return permissions.allows(actor, "share_context", repository_id=repository_id)


def may_be_in_charge(actor: Actor) -> bool:
    """Whether it is in charge of the contexts of any repository."""
    return permissions.allows_somewhere(actor, "share_context")


def _is_group(grantee: str) -> bool:
    return grantee == EVERYBODY or grantee.startswith("role:")


def _has_role(actor: Actor, grantee: str, repository_id: int | None) -> bool:
    """Whether the actor belongs to the group, by its role in the context's repository."""
    return all(grantee != f"role:{role}" or actor.may(role, repository_id) for role in ROLES)


def readers(row: FullContext, granted: Iterable[Grant]) -> list[str]:
    """Who can read a context, in the words with which it is shared."""
    people = [f"people with write access to {row['full_name']}"] if row["full_name"] else []
    return [row["owner"], "role:tech-lead", *people, *(g["grantee"] for g in granted)]


def access_to(actor: Actor, row: FullContext, granted: Iterable[Grant]) -> Access:
    """What the actor may do with a context. `granted` are its grants to the actor.

    A person has a role in some repositories only. It gives no access to a context that belongs to
    no repository.
    """
    reach, where = actor.repositories, row["repository_id"]
    if reach is not None and where is not None and where not in reach:
        return "none"
    by_role = reach is None or where is not None
    if row["owner"] == actor.name or (by_role and is_in_charge(actor, where)):
        return "share"
    counted: list[Access] = [
        g["access"]
        for g in granted
        if (by_role and _has_role(actor, g["grantee"], where)) or not _is_group(g["grantee"])
    ]
    return max(["none", *counted], key=ACCESS.index)


async def accesses(tx: Tx, actor: Actor, rows: Sequence[FullContext]) -> dict[str, Access]:
    """What the actor may do with each context, by id."""
    here = actor.installation_id
    found: dict[str, list[Grant]] = {row["id"]: [] for row in rows}
    if not rows:
        return {}
    held = await grants.held_tasks(tx, here, actor.name, await tx.now())
    for each in await grants.to_grantees(tx, here, _grantees(actor, held), list(found)):
        found[each["context_id"]].append(each)
    return {row["id"]: access_to(actor, row, found[row["id"]]) for row in rows}


async def readable_ones(tx: Tx, actor: Actor, context_ids: Sequence[str]) -> set[str]:
    """The contexts among these that the actor may read."""
    rows = await contexts.several(tx, actor.installation_id, context_ids, actor.repositories)
    may = await accesses(tx, actor, rows)
    return {each for each, access in may.items() if access != "none"}


async def visible_ids(tx: Tx, actor: Actor, after: str, limit: int) -> list[str]:
    """The ids of contexts that the actor owns or that are shared with it, in order."""
    here = actor.installation_id
    held = await grants.held_tasks(tx, here, actor.name, await tx.now())
    given = await grants.granted_ids(tx, here, _grantees(actor, held), after, limit)
    own = await contexts.page(
        tx, here, owner=actor.name, after=after, limit=limit, repositories=actor.repositories
    )
    return sorted({*given, *(row["id"] for row in own)})[:limit]


def unknown(context_id: str) -> Refused:
    return Refused(
        "unknown_context",
        f"There is no context {context_id!r} that you may read. list_contexts lists yours. Its "
        "owner can share it with you.",
    )


def too_many_error(what: str, most: int, remedy: str) -> Refused:
    return Refused("too_many", f"{what}. {remedy}", most=most)


async def find(ctx: Context, context_id: str, needs: Access = "read") -> AccessibleContext:
    """The context, with the actor's access in `access`. Raise Refused."""
    row = await contexts.get(ctx.tx, ctx.installation_id, context_id, ctx.actor.known_repositories)
    if row is None:
        raise unknown(context_id)
    access = (await accesses(ctx.tx, ctx.actor, [row]))[context_id]
    if access == "none":
        raise unknown(context_id)
    if ACCESS.index(access) < ACCESS.index(needs):
        raise Refused(
            "forbidden",
            f"You may {access} {context_id}, but not {needs if needs == 'share' else 'change'} it. "
            f"Ask its owner, {row['owner']}, or a tech-lead.",
            owner=row["owner"],
            **permissions.missing(ctx.actor, ctx.operation),
        )
    return {**row, "access": access}


async def record(ctx: Context, row: FullContext, what: str, **data: object) -> None:
    """Append an event of the context, for everybody who may read it."""
    await events.append(
        ctx.tx,
        ctx.installation_id,
        f"context.{what}",
        row["id"],
        ctx.actor.name,
        data,
        repository_id=row["repository_id"],
    )
