"""The outbox: every change to make on GitHub, in the order of the requests."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, TypedDict

from store.engine import ids, sequences
from store.engine.transaction import Row, Tx
from store.tables.outbox import WriteRow

LIVE = ("queued", "sending", "unknown")
# Whose writes go first, and the rest.
PEOPLE, AGENTS = 0, 1
FINAL = ("sent", "refused", "dead", "superseded", "cancelled")


class Spoken(TypedDict):
    author: str
    queued_at: int


class QueuedBy(TypedDict):
    """How many writes of a kind wait."""

    author: str
    kind: str
    lane: int
    n: int


async def queue(
    tx: Tx,
    installation_id: int,
    *,
    kind: str,
    repository_id: int,
    target: str,
    arguments: dict[str, Any],
    author: str,
    task_id: str | None = None,
    lease_id: str | None = None,
    lane: int = AGENTS,
    wait: int = 0,
) -> str:
    """Queue a write in the transaction that causes it. Return its id.

    Writes of one `target` go out in order, none before `wait` microseconds. One with a
    `lease_id` is dropped if the lease expires or is revoked before.
    """
    now = await tx.now()
    write_id = ids.new("w", now)
    sequences.append(
        tx,
        "writes",
        installation_id,
        {
            "id": write_id,
            "kind": kind,
            "repository_id": repository_id,
            "target": target,
            # As UTF-8: an escape would take six bytes for a letter.
            "arguments": json.dumps(arguments, ensure_ascii=False),
            "author": author,
            "task_id": task_id,
            "lease_id": lease_id,
            "state": "queued",
            "attempts": 0,
            "looks": 0,
            "failures": 0,
            "not_before": now + wait,
            "queued_at": now,
            "sending_at": None,
            "finished_at": None,
            "result": None,
            "error": None,
            "lane": lane,
            "told_at": None,
        },
    )
    tx.rings.add("outbox")
    return write_id


async def supersede(
    tx: Tx,
    installation_id: int,
    kind: str,
    target: str,
    *,
    arguments: Collection[str] | None = None,
    lease_id: str | None = None,
) -> int | None:
    """Those queued are outdated by one that overwrites them, of no arguments but these.

    One that may yet be dropped with its lease outdates only its own holder's. When the first of
    the outdated was to go out; None if there is none.
    """

    def is_outdated(row: WriteRow) -> bool:
        return (
            (row["kind"], row["target"], row["state"]) == (kind, target, "queued")
            and lease_id in (None, row["lease_id"])
            and (arguments is None or row["arguments"].keys() <= set(arguments))
        )

    q = (
        "SELECT * FROM writes WHERE installation_id = :i AND target = :t AND state = 'queued' "
        "AND kind = :k"
    )
    rows = [decode(row) for row in await tx.all(q, i=installation_id, t=target, k=kind)]
    stored = [row for row in rows if is_outdated(row)]
    pending = [row for row in queued_in(tx, installation_id) if is_outdated(row)]
    sequences.withdraw(tx, "writes", installation_id, {row["id"] for row in pending})
    for row in stored:
        await tx.run(
            "UPDATE writes SET state = 'superseded', finished_at = :now, error = NULL "
            "WHERE installation_id = :i AND id = :w AND state = 'queued'",
            now=await tx.now(),
            i=installation_id,
            w=row["id"],
        )
    return min((row["not_before"] for row in stored + pending), default=None)


def queued_in(tx: Tx, installation_id: int) -> list[WriteRow]:
    """The writes that this transaction has queued. No query finds them before the commit."""
    return [decode(row) for row in sequences.pending(tx, "writes", installation_id)]


def _pending_on(tx: Tx, installation_id: int, target: str, kind: str) -> list[WriteRow]:
    rows = queued_in(tx, installation_id)
    return [row for row in rows if (row["target"], row["kind"]) == (target, kind)]


async def get(tx: Tx, installation_id: int, write_id: str) -> WriteRow | None:
    for pending in queued_in(tx, installation_id):
        if pending["id"] == write_id:
            return pending
    q = "SELECT * FROM writes WHERE installation_id = :i AND id = :w"
    row = await tx.one(q, i=installation_id, w=write_id)
    return decode(row) if row else None


async def by_seq(tx: Tx, installation_id: int, seq: int) -> WriteRow | None:
    q = "SELECT * FROM writes WHERE installation_id = :i AND seq = :s AND state IN :live"
    row = await tx.one(q, i=installation_id, s=seq, live=LIVE)
    return decode(row) if row else None


async def results(tx: Tx, installation_id: int, target: str, limit: int) -> list[WriteRow]:
    """The newest writes to a target that took effect."""
    q = (
        "SELECT * FROM writes WHERE installation_id = :i AND target = :t AND state = 'sent' "
        "ORDER BY seq DESC LIMIT :n"
    )
    return [decode(row) for row in await tx.all(q, i=installation_id, t=target, n=limit)]


def on_issue(repository_id: int, number: int) -> str:
    """The target of writes on an issue or pull request."""
    return f"issue {repository_id}#{number}"


async def waiting(tx: Tx, installation_id: int, target: str, kind: str) -> list[WriteRow]:
    """The live writes of a kind to a target, the oldest first."""
    q = (
        "SELECT * FROM writes WHERE installation_id = :i AND target = :t AND state IN :live "
        "AND kind = :k ORDER BY seq"
    )
    rows = await tx.all(q, i=installation_id, t=target, live=LIVE, k=kind)
    return [decode(row) for row in rows] + _pending_on(tx, installation_id, target, kind)


async def newest(tx: Tx, installation_id: int, target: str, kind: str) -> WriteRow | None:
    """The newest write of a kind to a target that took effect or still may."""
    if pending := _pending_on(tx, installation_id, target, kind):
        return pending[-1]
    q = (
        "SELECT * FROM writes WHERE installation_id = :i AND target = :t AND state IN :s "
        "AND kind = :k ORDER BY seq DESC LIMIT 1"
    )
    row = await tx.one(q, i=installation_id, t=target, s=(*LIVE, "sent"), k=kind)
    return decode(row) if row else None


async def spoken_since(
    tx: Tx, installation_id: int, target: str, kinds: Collection[str], since: int, limit: int
) -> list[Spoken]:
    """The newest writes of these kinds to a target: `author`, `queued_at`."""
    return await tx.all(
        "SELECT author, queued_at FROM writes WHERE installation_id = :i AND target = :t "
        "AND state IN :counted AND kind IN :k AND queued_at >= :since "
        "ORDER BY seq DESC LIMIT :n",
        i=installation_id,
        t=target,
        counted=(*LIVE, "sent"),
        k=tuple(kinds),
        since=since,
        n=limit,
    )


async def authors_since(
    tx: Tx, installation_id: int, target: str, kinds: Collection[str], since: int
) -> dict[str, int]:
    """How many writes of these kinds each author queued for a target since then."""
    rows = await tx.all(
        "SELECT author, COUNT(*) AS n FROM writes WHERE installation_id = :i AND target = :t "
        "AND state IN :counted AND kind IN :k AND queued_at >= :since GROUP BY author",
        i=installation_id,
        t=target,
        counted=(*LIVE, "sent"),
        k=tuple(kinds),
        since=since,
    )
    return {row["author"]: row["n"] for row in rows}


async def has_sent(
    tx: Tx, installation_id: int, author: str, kinds: Collection[str], since: int
) -> bool:
    """Whether a write of these kinds by this author took effect since then."""
    row = await tx.one(
        "SELECT 1 AS found FROM writes WHERE installation_id = :i AND author = :a "
        "AND state = 'sent' AND finished_at >= :since AND kind IN :k LIMIT 1",
        i=installation_id,
        a=author,
        since=since,
        k=tuple(kinds),
    )
    return row is not None


async def refusals(
    tx: Tx, installation_id: int, author: str, since: int, limit: int
) -> list[WriteRow]:
    """Writes that failed for good and whose author has not been notified."""
    rows = await tx.all(
        "SELECT * FROM writes WHERE installation_id = :i AND author = :a AND state IN :ended "
        "AND finished_at >= :since AND told_at IS NULL ORDER BY finished_at LIMIT :n",
        i=installation_id,
        a=author,
        ended=("refused", "dead", "cancelled"),
        since=since,
        n=limit,
    )
    return [decode(row) for row in rows]


async def mark_notified(tx: Tx, installation_id: int, write_ids: Collection[str]) -> None:
    """Mark that the author knows about these writes."""
    q = "UPDATE writes SET told_at = :now WHERE installation_id = :i AND id IN :ids"
    await tx.run(q, now=await tx.now(), i=installation_id, ids=tuple(write_ids))


@dataclass(frozen=True)
class Wanted:
    """Filters of writes; None matches all. `authors` None: every agent, nobody else."""

    states: Collection[str]
    authors: Collection[str] | None = None
    task_id: str | None = None


async def page(
    tx: Tx, installation_id: int, wanted: Wanted, before: int | None, limit: int
) -> list[WriteRow]:
    """The newest writes of those, below the number `before`."""
    where, given = "", dict[str, Any]()
    if wanted.authors is None:
        # Neither a person nor the bot.
        where += " AND INSTR(author, '@') = 0 AND INSTR(author, '[') = 0"
    else:
        where += " AND author IN :authors"
        given["authors"] = tuple(wanted.authors)
    if wanted.task_id is not None:
        where, given["t"] = f"{where} AND task_id = :t", wanted.task_id
    if before is not None:
        where, given["before"] = f"{where} AND seq < :before", before
    rows = await tx.all(
        f"SELECT * FROM writes WHERE installation_id = :i AND state IN :states{where} "
        "ORDER BY seq DESC LIMIT :n",
        i=installation_id,
        states=tuple(wanted.states),
        n=limit,
        **given,
    )
    return [decode(row) for row in rows]


async def count_of(tx: Tx, installation_id: int, author: str) -> int:
    """How many writes of the author have not ended."""
    row = await tx.one(
        "SELECT COUNT(*) AS n FROM writes WHERE installation_id = :i AND author = :a "
        "AND state IN :live",
        i=installation_id,
        a=author,
        live=LIVE,
    )
    pending = [each for each in queued_in(tx, installation_id) if each["author"] == author]
    return (int(row["n"]) if row else 0) + len(pending)


async def queued_by(tx: Tx, installation_id: int) -> list[QueuedBy]:
    """How many writes wait, by author, kind and lane."""
    return await tx.all(
        "SELECT author, kind, lane, COUNT(*) AS n FROM writes WHERE installation_id = :i "
        "AND state IN :live GROUP BY author, kind, lane ORDER BY author, kind",
        i=installation_id,
        live=LIVE,
    )


async def mark_sending(tx: Tx, write: WriteRow) -> bool:
    """Mark the write as sending before the request goes out. False if it was cancelled."""
    return bool(
        await tx.run(
            "UPDATE writes SET state = 'sending', sending_at = :now, looks = 0, "
            "attempts = attempts + 1 "
            "WHERE installation_id = :i AND id = :w AND state IN ('queued', 'unknown')",
            now=await tx.now(),
            i=write["installation_id"],
            w=write["id"],
        )
    )


async def mark_interrupted(tx: Tx, installation_id: int) -> int:
    """Mark the writes of a process that ended while sending as unknown."""
    return await tx.run(
        "UPDATE writes SET state = 'unknown', looks = 0 WHERE installation_id = :i "
        "AND state = 'sending'",
        i=installation_id,
    )


# A sender that lost its lease must not overwrite what its successor wrote.
MINE = "WHERE installation_id = :i AND id = :w AND state IN :live AND attempts = :attempts"


def _mine(write: WriteRow) -> Row:
    return {
        "i": write["installation_id"],
        "w": write["id"],
        "live": LIVE,
        "attempts": write["attempts"],
    }


async def finish(tx: Tx, write: WriteRow, state: str, outcome: dict[str, Any]) -> bool:
    """`outcome` is the result of a sent write, otherwise an error's body.

    Returns False and changes nothing if another attempt was made in the meantime.
    """
    text = json.dumps(outcome)
    tx.rings.add(f"installation {write['installation_id']}")
    return bool(
        await tx.run(
            "UPDATE writes SET state = :state, result = :result, error = :error, "
            f"finished_at = :now {MINE}",
            state=state,
            result=text if state == "sent" else None,
            error=None if state == "sent" else text,
            now=await tx.now(),
            **_mine(write),
        )
    )


async def put_off(
    tx: Tx,
    write: WriteRow,
    state: str,
    until: int,
    *,
    why: str = "",
    looks: int = 0,
    failed: int = 0,
) -> None:
    """Back to queued or unknown, not before `until`; `failed` counts as a failure.

    `why` becomes the message of the row's error until the write ends.
    """
    await tx.run(
        "UPDATE writes SET state = :state, not_before = :at, looks = :looks, error = :error, "
        f"failures = failures + :failed {MINE}",
        state=state,
        error=json.dumps({"message": why[:1000]}) if why else None,
        at=until,
        looks=looks,
        failed=failed,
        **_mine(write),
    )


def decode(row: WriteRow) -> WriteRow:
    return {
        **row,
        "arguments": json.loads(row["arguments"]),
        "result": row["result"] and json.loads(row["result"]),
        "error": row["error"] and json.loads(row["error"]),
    }
