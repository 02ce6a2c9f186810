"""The targets of notifications."""

from typing import Any

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.notifications import NotificationTargetRow, TargetState

COLUMNS = tuple(NotificationTargetRow.__annotations__)
# Of one installation.
MOST = 50


async def add(tx: Tx, row: NotificationTargetRow) -> None:
    """Add it, and look for what needs a person from now on."""
    encoded = {**row, "rules": json_text.text(row["rules"])}
    await tx.run(sql.insert("notification_targets", COLUMNS), **encoded)
    columns, key = ("installation_id", "due_at"), ("installation_id",)
    statement = sql.insert_new(tx.dialect, "notification_sweeps", columns, key)
    await tx.run(statement, installation_id=row["installation_id"], due_at=row["created_at"])


async def all_of(tx: Tx, installation_id: int) -> list[NotificationTargetRow]:
    """All targets of an installation, the oldest first."""
    q = "SELECT * FROM notification_targets WHERE installation_id = :i ORDER BY id LIMIT :n"
    return [_decode(row) for row in await tx.all(q, i=installation_id, n=MOST)]


async def get(tx: Tx, installation_id: int, target_id: str) -> NotificationTargetRow | None:
    q = "SELECT * FROM notification_targets WHERE installation_id = :i AND id = :t"
    row = await tx.one(q, i=installation_id, t=target_id)
    return _decode(row) if row else None


async def set_state(
    tx: Tx, installation_id: int, target_id: str, state: TargetState, why: str | None = None
) -> None:
    """Pause, stop or resume it. Once it is active again, it is told of what begins from now on."""
    await tx.run(
        "UPDATE notification_targets SET state = :s, why = :why, since = :now "
        "WHERE installation_id = :i AND id = :t",
        s=state,
        why=why and why[:300],
        now=await tx.now(),
        i=installation_id,
        t=target_id,
    )
    q = "UPDATE notification_sweeps SET due_at = :now WHERE installation_id = :i AND due_at > :now"
    await tx.run(q, now=await tx.now(), i=installation_id)


async def remove(tx: Tx, installation_id: int, target_id: str) -> None:
    """Remove it with all that waits for it."""
    here = {"i": installation_id, "t": target_id}
    await tx.run("DELETE FROM notification_targets WHERE installation_id = :i AND id = :t", **here)
    await tx.run("DELETE FROM notifications WHERE installation_id = :i AND target_id = :t", **here)


def _decode(row: Any) -> NotificationTargetRow:
    row = row | {"rules": json_text.value(row["rules"])}
    found: NotificationTargetRow = row
    return found
