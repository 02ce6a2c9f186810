"""The tasks that agents hold or have reserved, and their release when an agent stops."""

from collections.abc import Collection, Sequence

from bot.tasks import lifecycle, lookup
from store.agents import agents
from store.engine.transaction import Tx
from store.tasks import tasks


async def of(tx: Tx, installation_id: int, agent_ids: Sequence[str], most: int) -> list[str]:
    """Ids of the tasks that they hold or that are reserved for them, at most `most` of each."""
    kept = await tasks.reserved_for(tx, installation_id, agent_ids, most)
    held = await agents.held_tasks(tx, installation_id, agent_ids, most)
    return sorted({*held, *kept})


async def release(
    tx: Tx,
    installation_id: int,
    task_ids: Sequence[str],
    agent_ids: Collection[str],
    actor: str,
    why: str,
    *,
    except_in_review: bool,
) -> list[str]:
    """Release these tasks and end their reservations. Return the names of the released ones.

    `except_in_review`: a task in review stays with its holder, because others have the next word.
    """
    freed = []
    for task_id in task_ids:
        task = await tasks.lock(tx, installation_id, task_id)
        if task is not None and task["assigned_to"] in agent_ids:
            await lifecycle.end_reservation(tx, task, actor, why)
        if task is None or task["holder"] not in agent_ids:
            continue
        if except_in_review and task["state"] == "in_review":
            continue
        how = "released" if task["holder"] == actor else "revoked"
        await lifecycle.release(tx, task, how, why, actor)
        freed.append(lookup.name(task))
    return freed
