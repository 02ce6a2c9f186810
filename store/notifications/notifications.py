"""Messages to targets: those that collect entries, that are sent, and that were sent."""

from typing import Any, TypedDict

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.notifications import NotificationRow, NotificationState

COLUMNS = tuple(NotificationRow.__annotations__)


class Key(TypedDict):
    installation_id: int
    id: str


async def add(tx: Tx, row: NotificationRow) -> None:
    encoded = {**row, "entries": json_text.text(row["entries"])}
    await tx.run(sql.insert("notifications", COLUMNS), **encoded)


async def lock_waiting(tx: Tx, installation_id: int, target_id: str) -> list[NotificationRow]:
    """Lock the messages to a target that nobody has begun to send."""
    rows = await tx.all(
        f"SELECT * FROM {sql.by_index(tx.dialect, 'notifications', 'ix_notifications_target')} "
        "WHERE installation_id = :i AND target_id = :t AND state = 'waiting' AND attempts = 0 "
        "ORDER BY id LIMIT 10 FOR UPDATE",
        i=installation_id,
        t=target_id,
    )
    return [_decode(row) for row in rows]


async def put_entries(tx: Tx, row: NotificationRow) -> None:
    """Store the entries of a locked message; if it tells of nothing, it is deleted."""
    here = {"i": row["installation_id"], "id": row["id"]}
    if not row["entries"] and not row["more"]:
        await tx.run("DELETE FROM notifications WHERE installation_id = :i AND id = :id", **here)
        return
    await tx.run(
        "UPDATE notifications SET entries = :entries, more = :more "
        "WHERE installation_id = :i AND id = :id",
        entries=json_text.text(row["entries"]),
        more=row["more"],
        **here,
    )


async def due(tx: Tx, limit: int) -> list[Key]:
    """The messages of all installations to be sent now. A `sending` one is due once it is late."""
    index = sql.by_index(tx.dialect, "notifications", "ix_notifications_due")
    parts = (
        f"SELECT * FROM (SELECT installation_id, id, not_before FROM {index} WHERE "
        f"state = '{state}' AND not_before <= :now ORDER BY not_before LIMIT :n) {state}_ones"
        for state in ("waiting", "sending")
    )
    return await tx.all(" UNION ALL ".join(parts), now=await tx.now(), n=limit)


async def lock(tx: Tx, key: Key) -> NotificationRow | None:
    q = "SELECT * FROM notifications WHERE installation_id = :i AND id = :id FOR UPDATE"
    row = await tx.one(q, i=key["installation_id"], id=key["id"])
    return _decode(row) if row else None


async def put_off(tx: Tx, key: Key, until: int) -> None:
    """Send a locked message later."""
    q = "UPDATE notifications SET not_before = :at WHERE installation_id = :i AND id = :id"
    await tx.run(q, at=until, i=key["installation_id"], id=key["id"])


async def begin_sending(tx: Tx, row: NotificationRow, until: int) -> NotificationRow:
    """Mark a locked message as being sent, so that no other process sends it until then."""
    attempts = row["attempts"] + 1
    await tx.run(
        "UPDATE notifications SET state = 'sending', attempts = :n, not_before = :until "
        "WHERE installation_id = :i AND id = :id",
        n=attempts,
        until=until,
        i=row["installation_id"],
        id=row["id"],
    )
    return {**row, "state": "sending", "attempts": attempts, "not_before": until}


async def record(
    tx: Tx,
    row: NotificationRow,
    state: NotificationState,
    *,
    not_before: int | None = None,
    error: str | None = None,
) -> bool:
    """Record how an attempt ended. False if another process has begun the next one."""
    return bool(
        await tx.run(
            "UPDATE notifications SET state = :s, error = :error, ended_at = :ended, "
            "not_before = COALESCE(:at, not_before) WHERE installation_id = :i AND id = :id "
            "AND state = 'sending' AND attempts = :n",
            s=state,
            error=error and error[:300],
            ended=None if state == "waiting" else await tx.now(),
            at=not_before,
            i=row["installation_id"],
            id=row["id"],
            n=row["attempts"],
        )
    )


async def give_up_waiting(tx: Tx, installation_id: int, target_id: str, why: str) -> None:
    """Give up all that waits for a target."""
    await tx.run(
        "UPDATE notifications SET state = 'dead', error = :why, ended_at = :now "
        "WHERE installation_id = :i AND target_id = :t AND state = 'waiting'",
        why=why[:300],
        now=await tx.now(),
        i=installation_id,
        t=target_id,
    )


async def drop_waiting(tx: Tx, installation_id: int, target_id: str) -> None:
    """Delete all that waits for a target."""
    await tx.run(
        "DELETE FROM notifications WHERE installation_id = :i AND target_id = :t "
        "AND state = 'waiting'",
        i=installation_id,
        t=target_id,
    )


async def sent_since(
    tx: Tx, installation_id: int, target_id: str, since: int, limit: int
) -> list[int]:
    """When the newest messages to a target since then were sent, the newest first."""
    rows = await tx.all(
        "SELECT ended_at FROM notifications WHERE installation_id = :i AND target_id = :t "
        "AND state = 'sent' AND ended_at > :since ORDER BY ended_at DESC LIMIT :n",
        i=installation_id,
        t=target_id,
        since=since,
        n=limit,
    )
    return [row["ended_at"] for row in rows]


async def newest(tx: Tx, installation_id: int, target_id: str) -> dict[str, Any]:
    """When the last message to a target was sent, and what went wrong.

    That is how the newest one in trouble failed, or else who did not get the last one.
    """
    here = {"i": installation_id, "t": target_id}
    sent = await tx.one(
        "SELECT ended_at, error FROM notifications WHERE installation_id = :i AND target_id = :t "
        "AND state = 'sent' ORDER BY ended_at DESC LIMIT 1",
        **here,
    )
    failed = await tx.one(
        "SELECT error FROM notifications WHERE installation_id = :i AND target_id = :t "
        "AND state IN ('waiting', 'sending') AND error IS NOT NULL LIMIT 1",
        **here,
    )
    wrong = failed or sent
    return {"last_sent_at": sent and sent["ended_at"], "error": wrong and wrong["error"]}


def _decode(row: Any) -> NotificationRow:
    row = row | {"entries": json_text.value(row["entries"])}
    found: NotificationRow = row
    return found
