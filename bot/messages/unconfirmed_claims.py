"""Tasks of which an agent may not know that it holds them: the answer to its claim may be lost."""

from collections.abc import Collection, Sequence

from bot.identity.actors import Actor
from bot.kernel.operation import Notice
from bot.messages import notice_parts
from bot.messages.notice_parts import MOST_ROWS, Asker
from bot.tasks import lookup
from bot.times import SECOND
from store.engine.transaction import Tx
from store.messages import due_notices
from store.messages.due_notices import UnconfirmedLease
from store.tables.tasks import UNKNOWN
from store.tasks import tasks

# For so long after a claim an agent may read and wait before it uses the fence.
UNUSED = 60 * SECOND


async def find(asker: Asker) -> list[Notice]:
    """One notice for all tasks of which the agent may not know that it holds them."""
    # An agent that claimed a task by its name asks again itself. Only another task misleads it.
    found = await _leases_without_use(asker, also_named=bool(asker.named))
    if not asker.named:
        # An agent that got the answer uses the fence soon. The next claim is told at once.
        found = [each for each in found if each[1]["granted_at"] <= asker.now - UNUSED]
    key = notice_parts.key_of(lease["id"] for _, lease in found)
    return [notice_parts.notice("also_held", found[0][0], _also_held(found), key)] if found else []


async def _leases_without_use(
    asker: Asker, *, also_named: bool
) -> list[tuple[str, UnconfirmedLease]]:
    """Leases whose fence the agent has not used, with their tasks' names."""
    misleading = [
        lease
        for lease in await due_notices.unconfirmed_leases(*asker.agent, MOST_ROWS, asker.reach)
        if (also_named or lease["known"] == UNKNOWN) and lease["task_id"] not in asker.named
    ]
    found = await _with_names(asker, misleading)
    return [(name, lease) for name, lease in found if name.lower() not in asker.named]


async def _with_names(
    asker: Asker, found: Sequence[UnconfirmedLease]
) -> list[tuple[str, UnconfirmedLease]]:
    """The leases, each with the name of its task. It is the id, if the agent cannot see it."""
    rows = await tasks.several(*asker.here, {lease["task_id"] for lease in found})
    names = {row["id"]: lookup.name(row) for row in rows}
    return [(names.get(lease["task_id"], lease["task_id"]), lease) for lease in found]


async def leases_of(tx: Tx, actor: Actor, now: int, named: Collection[str]) -> list[str]:
    """The ids of leases on these tasks of which the agent may not know."""
    asker = Asker(tx, actor, now)
    unconfirmed = await due_notices.unconfirmed_leases(*asker.agent, MOST_ROWS, asker.reach)
    return [
        lease["id"]
        for name, lease in await _with_names(asker, unconfirmed)
        if lease["task_id"] in named or name.lower() in named
    ]


def _also_held(found: Sequence[tuple[str, UnconfirmedLease]]) -> str:
    which = ", ".join(f"{name} (fence {lease['fence']})" for name, lease in found[:2])
    more = ", and others" if len(found) > 2 else ""
    return (
        f"You also hold {which}{more}. Maybe the answer to the claim did not reach you: you have "
        "not used the fence yet. Work on it with its fence, or call release_task."
    )


async def also_held(tx: Tx, actor: Actor, now: int) -> str:
    """A sentence to append: what the agent holds, maybe without knowing it. Empty: nothing."""
    found = await _leases_without_use(Asker(tx, actor, now), also_named=True)
    return f" {_also_held(found)}" if found else ""
