"""Cancelling queued writes: one, or all that nobody waits for any more."""

import json
from collections.abc import Collection
from typing import Any

from store.engine.transaction import Row, Tx
from store.tables.outbox import WriteRow

# Its author gets a notice.
CANCEL = (
    "UPDATE writes SET state = 'cancelled', error = :error, finished_at = :now "
    "WHERE installation_id = :i AND state = 'queued'"
)


async def cancel(tx: Tx, write: WriteRow, outcome: dict[str, Any], *, told: bool) -> bool:
    """Cancel a queued write. `told`: whether its author knows. False if it is not queued."""
    tx.rings.add(f"installation {write['installation_id']}")
    now = await tx.now()
    return bool(
        await tx.run(
            "UPDATE writes SET state = 'cancelled', error = :error, finished_at = :now, "
            "told_at = :told WHERE installation_id = :i AND id = :w AND state = 'queued'",
            error=json.dumps(outcome),
            now=now,
            told=now if told else None,
            i=write["installation_id"],
            w=write["id"],
        )
    )


async def cancel_of_lease(
    tx: Tx, installation_id: int, task_id: str, lease_id: str, outcome: dict[str, Any]
) -> None:
    """Cancel what is queued under a lease that its holder lost."""
    q = f"{CANCEL} AND task_id = :t AND lease_id = :l"
    await tx.run(q, **await _cancelling(tx, installation_id, outcome), t=task_id, l=lease_id)


async def cancel_held_back(
    tx: Tx, installation_id: int, task_id: str, outcome: dict[str, Any]
) -> None:
    """Cancel what paused agents queued under earlier leases on a task that is claimed now."""
    q = (
        f"{CANCEL} AND task_id = :t AND lease_id IS NOT NULL AND EXISTS (SELECT 1 FROM agents a "
        "WHERE a.installation_id = writes.installation_id AND a.id = writes.author "
        "AND a.paused_at IS NOT NULL)"
    )
    await tx.run(q, **await _cancelling(tx, installation_id, outcome), t=task_id)


async def cancel_succeeded(
    tx: Tx, installation_id: int, authors: Collection[str], outcome: dict[str, Any]
) -> None:
    """Cancel what these authors queued under leases on tasks that others hold now."""
    q = (
        f"{CANCEL} AND author IN :authors AND lease_id IS NOT NULL AND EXISTS (SELECT 1 "
        "FROM tasks t WHERE t.installation_id = writes.installation_id AND t.id = writes.task_id "
        "AND t.lease_id <> writes.lease_id)"
    )
    given = await _cancelling(tx, installation_id, outcome)
    await tx.run(q, **given, authors=tuple(authors))


async def _cancelling(tx: Tx, installation_id: int, outcome: dict[str, Any]) -> Row:
    tx.rings.add(f"installation {installation_id}")
    return {"error": json.dumps(outcome), "now": await tx.now(), "i": installation_id}
