"""Cancelling queued writes: one, or all that nobody waits for any more."""

from collections.abc import Collection
from typing import Any

from store.engine import json_text
from store.engine.transaction import Tx
from store.tables.outbox import WriteRow
from store.tasks import spend_holds


async def cancel(tx: Tx, write: WriteRow, outcome: dict[str, Any], *, author_knows: bool) -> bool:
    """Cancel a queued write. Return False if it is not queued.

    `author_knows`: the author needs no notice.
    """
    tx.rings.add(f"installation {write['installation_id']}")
    now = await tx.now()
    return bool(
        await tx.run(
            "UPDATE writes SET state = 'cancelled', error = :error, finished_at = :now, "
            "told_at = :told WHERE installation_id = :i AND id = :w AND state = 'queued'",
            error=json_text.text(outcome),
            now=now,
            told=now if author_knows else None,
            i=write["installation_id"],
            w=write["id"],
        )
    )


async def cancel_of_lease(
    tx: Tx, installation_id: int, task_id: str, lease_id: str, outcome: dict[str, Any]
) -> None:
    """Cancel the writes queued under a lease that its holder lost."""
    where = "task_id = :t AND lease_id = :l"
    await _cancel_where(tx, installation_id, where, outcome, t=task_id, l=lease_id)


async def cancel_held_back(
    tx: Tx, installation_id: int, task_id: str, outcome: dict[str, Any]
) -> None:
    """Cancel the writes that held agents queued under earlier leases on a task claimed now.

    Such an agent is paused, or a cap on its spend is reached.
    """
    where = (
        "task_id = :t AND lease_id IS NOT NULL AND (EXISTS (SELECT 1 FROM agents a "
        "WHERE a.installation_id = writes.installation_id AND a.id = writes.author "
        f"AND a.paused_at IS NOT NULL) OR {spend_holds.is_stopped('writes')})"
    )
    await _cancel_where(tx, installation_id, where, outcome, t=task_id)


async def cancel_succeeded(
    tx: Tx, installation_id: int, authors: Collection[str], outcome: dict[str, Any]
) -> None:
    """Cancel the writes of these authors under leases on tasks that others hold now."""
    where = (
        "author IN :authors AND lease_id IS NOT NULL AND EXISTS (SELECT 1 "
        "FROM tasks t WHERE t.installation_id = writes.installation_id AND t.id = writes.task_id "
        "AND t.lease_id <> writes.lease_id)"
    )
    await _cancel_where(tx, installation_id, where, outcome, authors=tuple(authors))


async def _cancel_where(
    tx: Tx, installation_id: int, where: str, outcome: dict[str, Any], **values: Any
) -> None:
    """Cancel the queued writes that match. `told_at` stays empty, so their authors get notices."""
    tx.rings.add(f"installation {installation_id}")
    await tx.run(
        "UPDATE writes SET state = 'cancelled', error = :error, finished_at = :now "
        f"WHERE installation_id = :i AND state = 'queued' AND {where}",
        error=json_text.text(outcome),
        now=await tx.now(),
        i=installation_id,
        **values,
    )
