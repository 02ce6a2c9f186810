"""The queue of reads from GitHub. Each subject is queued at most once."""

from collections.abc import Mapping
from typing import Any

from store.engine import json_text, sql
from store.engine.transaction import Row, Tx
from store.tables.fetch import PendingReadRow

COLUMNS = (
    "installation_id",
    "kind",
    "subject",
    "arguments",
    "state",
    "not_before",
    "asked_at",
    "priority",
    "asker",
)
KEY = ("installation_id", "kind", "subject")
# The error of a read that is parked begins with it.
PARKED = "turned off"
AND_OURS = "AND asker = '' "
# The last wait repeats.
BACKOFF_S = (5, 15, 60, 300, 900, *(3600,) * 10, 24 * 3600)


async def ask(
    tx: Tx,
    installation_id: int,
    kind: str,
    subject: str,
    arguments: Mapping[str, Any],
    *,
    priority: int = 0,
    not_before: int = 0,
    asker: str = "",
) -> None:
    """Queue a read, or have the queued one also answer this, the more urgent counting.

    `priority`: 0 somebody waits, 1 the mirror is unsure, 2 it fills up. `asker`: who wants it.
    """
    now = await tx.now()
    row = {
        "installation_id": installation_id,
        "kind": kind,
        "subject": subject,
        "arguments": json_text.text(dict(arguments)),
        "state": "queued",
        "not_before": max(now, not_before),
        "asked_at": now,
        "priority": priority,
        "asker": asker,
    }
    known = await tx.one(
        "SELECT state, arguments FROM pending_reads WHERE installation_id = :i AND kind = :k "
        "AND subject = :s",
        i=installation_id,
        k=kind,
        s=subject,
    )
    if known is None or not await _ask_again(tx, row, _arguments(known, arguments)):
        # Another transaction may have queued it since.
        new = sql.insert_new(tx.dialect, "pending_reads", COLUMNS, KEY, counter="asked")
        if await tx.run(new, **row) != 1:
            await _ask_again(tx, row, arguments)
    tx.rings.add("outbox")


def _arguments(known: Row, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the arguments of the queued read, because the new request may know fewer."""
    return (
        {**json_text.value(known["arguments"]), **arguments}
        if known["state"] == "queued"
        else arguments
    )


async def _ask_again(tx: Tx, row: Row, arguments: Mapping[str, Any]) -> bool:
    """Let the stored read also answer this. Return False if it is gone."""
    given = {name: value for name, value in row.items() if name != "state"}
    return bool(
        await tx.run(
            "UPDATE pending_reads SET asked = asked + 1, attempts = 0, "
            "priority = CASE WHEN state = 'queued' AND priority < :priority THEN priority "
            "ELSE :priority END, state = 'queued', arguments = :arguments, "
            "asked_at = :asked_at, not_before = :not_before, asker = :asker "
            "WHERE installation_id = :installation_id AND kind = :kind AND subject = :subject",
            **{**given, "arguments": json_text.text(dict(arguments))},
        )
    )


async def due(
    tx: Tx, installation_id: int, priority: int, *, of_agents: bool = True
) -> PendingReadRow | None:
    """The next read of that priority. `of_agents`: also one that an agent asked for."""
    q = (
        "SELECT * FROM pending_reads WHERE installation_id = :i AND state = 'queued' "
        f"AND priority = :p AND not_before <= :now {'' if of_agents else AND_OURS}"
        "ORDER BY not_before LIMIT 1"
    )
    row = await tx.one(q, now=await tx.now(), i=installation_id, p=priority)
    return row and row | {"arguments": json_text.value(row["arguments"])}


async def is_queued(tx: Tx, installation_id: int, kind: str, subject: str) -> bool:
    q = (
        "SELECT state FROM pending_reads WHERE installation_id = :i AND kind = :k AND subject = :s "
        "AND state = 'queued'"
    )
    return await tx.one(q, i=installation_id, k=kind, s=subject) is not None


async def is_new_below(tx: Tx, installation_id: int, kind: str, prefix: str) -> bool:
    """Whether a read is queued that was not tried yet, and whose subject begins like this."""
    q = (
        "SELECT subject FROM pending_reads WHERE installation_id = :i AND kind = :k "
        "AND subject >= :first AND subject < :last AND state = 'queued' AND attempts = 0 LIMIT 1"
    )
    last = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    return await tx.one(q, i=installation_id, k=kind, first=prefix, last=last) is not None


async def get(tx: Tx, installation_id: int, kind: str, subject: str) -> PendingReadRow | None:
    """The read, queued or answered, with the error of its last try."""
    q = "SELECT * FROM pending_reads WHERE installation_id = :i AND kind = :k AND subject = :s"
    row = await tx.one(q, i=installation_id, k=kind, s=subject)
    return row and row | {"arguments": json_text.value(row["arguments"])}


async def count_of(tx: Tx, installation_id: int, priority: int, asker: str) -> int:
    """How many reads of that priority are queued for somebody."""
    row = await tx.one(
        "SELECT COUNT(*) AS n FROM pending_reads WHERE installation_id = :i "
        "AND state = 'queued' AND priority = :p AND asker = :a",
        i=installation_id,
        p=priority,
        a=asker,
    )
    return int(row["n"]) if row else 0


async def waiting(tx: Tx, installation_id: int, priority: int) -> int:
    """How many reads of that priority are queued."""
    row = await tx.one(
        "SELECT COUNT(*) AS n FROM pending_reads WHERE installation_id = :i "
        "AND state = 'queued' AND priority = :p",
        i=installation_id,
        p=priority,
    )
    return int(row["n"]) if row else 0


async def mark_answered(tx: Tx, read: PendingReadRow, error: str | None = None) -> None:
    """Mark as answered, unless it was queued again. `error` is set if GitHub refused."""
    await tx.run(
        "UPDATE pending_reads SET state = 'answered', answered_at = :now, error = :error "
        "WHERE installation_id = :i AND kind = :k AND subject = :s AND asked = :asked",
        now=await tx.now(),
        i=read["installation_id"],
        k=read["kind"],
        s=read["subject"],
        asked=read["asked"],
        error=error and error[:4000],
    )


async def mark_failed(tx: Tx, read: PendingReadRow, error: str) -> None:
    """Retry later, with growing delays, because GitHub may be away for a day."""
    wait = BACKOFF_S[min(read["attempts"], len(BACKOFF_S) - 1)]
    await _put_off(tx, read, await tx.now() + wait * 1_000_000, error, 1)


async def park(tx: Tx, read: PendingReadRow, until: int, error: str) -> None:
    """Delay the read, because the feature that it asks about is turned off."""
    await _put_off(tx, read, until, f"{PARKED}: {error}", 0)


async def wake_parked(tx: Tx, installation_id: int, repository_id: int) -> None:
    """Ask now for what was parked in a repository."""
    now = await tx.now()
    # By the columns of an index, as many reads may wait their turn.
    await tx.run(
        "UPDATE pending_reads SET not_before = :now WHERE installation_id = :i "
        "AND state = 'queued' AND priority IN (0, 1, 2) AND not_before > :now "
        "AND error LIKE :parked AND (subject = :r OR subject LIKE :of)",
        now=now,
        i=installation_id,
        parked=f"{PARKED}: %",
        r=str(repository_id),
        of=f"{repository_id} %",
    )
    tx.rings.add("outbox")


async def look_again(
    tx: Tx, read: PendingReadRow, until: int, arguments: Mapping[str, Any]
) -> None:
    """Delay the read without counting a failure, with other arguments for the next time."""
    await tx.run(
        "UPDATE pending_reads SET not_before = :at, arguments = :arguments, error = NULL "
        "WHERE installation_id = :i AND kind = :k AND subject = :s AND asked = :asked",
        at=until,
        arguments=json_text.text(dict(arguments)),
        i=read["installation_id"],
        k=read["kind"],
        s=read["subject"],
        asked=read["asked"],
    )


async def given_up(tx: Tx, limit: int) -> list[PendingReadRow]:
    """The newest reads that ended without an answer, in all installations.

    That an object is not there is an answer. Who asked for a read learns by itself how it ended.
    """
    rows: list[PendingReadRow] = await tx.all(
        "SELECT * FROM pending_reads WHERE state = 'answered' AND error IS NOT NULL "
        "AND error NOT LIKE :missing AND error NOT LIKE :deleted AND asker = '' "
        "ORDER BY answered_at DESC LIMIT :n",
        missing="404:%",
        deleted="410:%",
        n=limit,
    )
    return [{**row, "arguments": json_text.value(row["arguments"])} for row in rows]


async def put_off(tx: Tx, read: PendingReadRow, until: int) -> None:
    """Delay the read without counting a failure, because GitHub said to wait."""
    await _put_off(tx, read, until, None, 0)


async def _put_off(
    tx: Tx, read: PendingReadRow, until: int, error: str | None, attempts: int
) -> None:
    await tx.run(
        "UPDATE pending_reads SET attempts = attempts + :attempts, not_before = :at, "
        "error = :error WHERE installation_id = :i AND kind = :k AND subject = :s "
        "AND asked = :asked",
        asked=read["asked"],
        at=until,
        attempts=attempts,
        error=error and error[:4000],
        i=read["installation_id"],
        k=read["kind"],
        s=read["subject"],
    )
