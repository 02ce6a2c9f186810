"""The outbox: a queue of changes to make on GitHub, in the order of the requests."""

from collections.abc import Collection, Sequence
from typing import Any

from store.engine import ids, json_text, reach, sequences, sql
from store.engine.reach import Reach
from store.engine.transaction import Tx
from store.tables.outbox import WriteRow

LIVE = ("queued", "sending", "unknown")
# Those that took effect, or may still do so.
COUNTED = (*LIVE, "sent")
# The lanes. Writes of people and of bookkeeping go first.
PEOPLE, AGENTS = 0, 1
FINAL = ("sent", "refused", "dead", "superseded", "cancelled")


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

    Writes to one `target` go out in order. This one waits at least `wait` microseconds. If it has
    a `lease_id`, it is dropped when the lease expires or is revoked first.
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
            # UTF-8, because an escape would take six bytes for one letter.
            "arguments": json_text.text(arguments),
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
            "trace": tx.trace,
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
    """Mark queued writes as superseded, because a new write of this kind overwrites them.

    Return when the first of them could go out, or None if there was none. `arguments`: a write
    with other arguments than these stays queued. `lease_id`: the lease of the new write. The new
    write may be dropped with it, so writes under other leases stay queued.
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
    stored = [decode(row) for row in await tx.all(q, i=installation_id, t=target, k=kind)]
    known = [row for row in stored + queued_in(tx, installation_id) if is_outdated(row)]
    await supersede_these(tx, installation_id, known)
    return min((row["not_before"] for row in known), default=None)


async def supersede_these(tx: Tx, installation_id: int, rows: Sequence[WriteRow]) -> None:
    """Supersede queued writes that the caller has read. Some may be of this transaction."""
    pending = {row["id"] for row in queued_in(tx, installation_id)}
    sequences.withdraw(tx, "writes", installation_id, pending & {row["id"] for row in rows})
    for row in rows:
        if row["id"] in pending:
            continue
        await tx.run(
            "UPDATE writes SET state = 'superseded', finished_at = :now, error = NULL "
            "WHERE installation_id = :i AND id = :w AND state = 'queued'",
            now=await tx.now(),
            i=installation_id,
            w=row["id"],
        )


def queued_in(tx: Tx, installation_id: int) -> list[WriteRow]:
    """The writes that this transaction has queued. No query finds them before the commit."""
    return [decode(row) for row in sequences.pending(tx, "writes", installation_id)]


def pending_on(tx: Tx, installation_id: int, target: str, kind: str) -> list[WriteRow]:
    """Those of `queued_in` of a kind to a target."""
    rows = queued_in(tx, installation_id)
    return [row for row in rows if (row["target"], row["kind"]) == (target, kind)]


async def get(
    tx: Tx, installation_id: int, write_id: str, repositories: Reach = None
) -> WriteRow | None:
    for pending in queued_in(tx, installation_id):
        if pending["id"] == write_id:
            return pending
    within = reach.within(repositories, "repository_id")
    q = f"SELECT * FROM writes WHERE installation_id = :i AND id = :w{within}"
    row = await tx.one(q, i=installation_id, w=write_id, **reach.parameters(repositories))
    return decode(row) if row else None


async def by_seq(tx: Tx, installation_id: int, seq: int) -> WriteRow | None:
    """The write with this number, unless it has ended."""
    q = "SELECT * FROM writes WHERE installation_id = :i AND seq = :s AND state IN :live"
    row = await tx.one(q, i=installation_id, s=seq, live=LIVE)
    return decode(row) if row else None


def on_issue(repository_id: int, number: int) -> str:
    """The target of writes on an issue or pull request."""
    return f"issue {repository_id}#{number}"


def on_branch(repository_id: int, branch: str) -> str:
    """The target of writes on a branch."""
    return f"branch {repository_id} {branch}"[:255]


async def waiting(tx: Tx, installation_id: int, target: str, kind: str) -> list[WriteRow]:
    """The writes of a kind to a target that have not ended, the oldest first."""
    q = (
        "SELECT * FROM writes WHERE installation_id = :i AND target = :t AND state IN :live "
        "AND kind = :k ORDER BY seq"
    )
    rows = await tx.all(q, i=installation_id, t=target, live=LIVE, k=kind)
    return [decode(row) for row in rows] + pending_on(tx, installation_id, target, kind)


async def edits(
    tx: Tx, installation_id: int, target: str, kind: str
) -> tuple[list[WriteRow], WriteRow | None]:
    """The writes of a kind to a target that have not ended, as in `waiting`; the last sent one."""
    here = "SELECT * FROM writes WHERE installation_id = :i AND target = :t AND kind = :k"
    last = f"SELECT * FROM ({here} AND state = 'sent' ORDER BY seq DESC LIMIT 1) last_one"
    rows = await tx.all(
        f"{here} AND state IN :live UNION ALL {last}",
        i=installation_id,
        t=target,
        k=kind,
        live=LIVE,
    )
    found = [decode(row) for row in sorted(rows, key=lambda row: row["seq"])]
    sent = [row for row in found if row["state"] == "sent"]
    live = [row for row in found if row["state"] != "sent"]
    return live + pending_on(tx, installation_id, target, kind), sent[0] if sent else None


async def newest(tx: Tx, installation_id: int, target: str, kind: str) -> WriteRow | None:
    """The newest write of a kind to a target that took effect or may still do so."""
    if pending := pending_on(tx, installation_id, target, kind):
        return pending[-1]
    q = (
        "SELECT * FROM writes WHERE installation_id = :i AND target = :t AND state IN :s "
        "AND kind = :k ORDER BY seq DESC LIMIT 1"
    )
    row = await tx.one(q, i=installation_id, t=target, s=COUNTED, k=kind)
    return decode(row) if row else None


async def latest(
    tx: Tx, installation_id: int, target: str, kind: str, limit: int
) -> list[WriteRow]:
    """The newest writes of a kind to a target that took effect or may still do so."""
    q = (
        "SELECT * FROM writes WHERE installation_id = :i AND target = :t AND state IN :s "
        "AND kind = :k ORDER BY seq DESC LIMIT :n"
    )
    rows = await tx.all(q, i=installation_id, t=target, s=COUNTED, k=kind, n=limit)
    found = pending_on(tx, installation_id, target, kind)[::-1] + [decode(row) for row in rows]
    return found[:limit]


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


async def has_queued(tx: Tx, installation_id: int, n: int) -> bool:
    """Whether agents have so many writes in the queue of the installation."""
    row = await tx.one(
        f"SELECT seq FROM {sql.by_index(tx.dialect, 'writes', 'ix_writes_queue')} "
        "WHERE installation_id = :i AND state = 'queued' ORDER BY seq LIMIT 1 OFFSET :n",
        i=installation_id,
        n=n - 1,
    )
    return row is not None


def decode(row: WriteRow) -> WriteRow:
    """The write with its JSON columns parsed."""
    return {
        **row,
        "arguments": json_text.value(row["arguments"]),
        "result": row["result"] and json_text.value(row["result"]),
        "error": row["error"] and json_text.value(row["error"]),
    }
