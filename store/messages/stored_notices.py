"""Notices of what happened, one row for each agent. An agent gets them with its next answers."""

from collections.abc import Collection
from typing import TypedDict

from store.engine import sequences, sql
from store.engine.transaction import Row, Tx
from store.tables.messages import NoticeRow, TextKind

MINE = "installation_id = :i AND agent_id = :a"
UNSEEN = f"{MINE} AND seen_at IS NULL AND created_at >= :since"
# Notices of one agent that are kept once it has seen them.
KEPT = 50


class NewNotice(TypedDict):
    """A notice for an agent, without its number and time. See `NoticeRow`."""

    agent_id: str
    kind: str
    subject: str
    message: str
    repository_id: int | None
    seen_at: int | None
    text_kind: TextKind | None
    text_id: int | None


class Group(TypedDict):
    """The unseen notices of one kind about one subject. `last` is the number of the newest."""

    kind: str
    subject: str
    n: int
    last: int


async def add(tx: Tx, installation_id: int, notice: NewNotice) -> None:
    row: Row = {**notice, "created_at": await tx.now()}
    sequences.append(tx, "notices", installation_id, row)


def new_kinds(tx: Tx, installation_id: int, agent_id: str, subject: str) -> set[str]:
    """The kinds of notice about the subject that this transaction adds for the agent."""
    return {
        row["kind"]
        for row in sequences.pending(tx, "notices", installation_id)
        if (row["agent_id"], row["subject"]) == (agent_id, subject)
    }


def withdraw_new(
    tx: Tx, installation_id: int, agent_id: str, kinds: Collection[str], subject: str
) -> None:
    """Drop the notices of these kinds about the subject that this transaction adds."""
    tx.numbered = [
        each
        for each in tx.numbered
        if (each.table, each.installation_id) != ("notices", installation_id)
        or (each.row["agent_id"], each.row["subject"]) != (agent_id, subject)
        or each.row["kind"] not in kinds
    ]


async def has_unseen(tx: Tx, installation_id: int, agent_id: str, kind: str, subject: str) -> bool:
    if kind in new_kinds(tx, installation_id, agent_id, subject):
        return True
    row = await tx.one(
        f"SELECT 1 AS n FROM {sql.by_index(tx.dialect, 'notices', 'ix_notices_unseen')} "
        f"WHERE {MINE} AND seen_at IS NULL AND kind = :k AND subject = :s LIMIT 1",
        i=installation_id,
        a=agent_id,
        k=kind,
        s=subject,
    )
    return row is not None


async def unseen(tx: Tx, installation_id: int, agent_id: str, since: int) -> list[Group]:
    """The agent's unseen notices, by kind and subject."""
    return await tx.all(
        "SELECT kind, subject, COUNT(*) AS n, MAX(seq) AS last FROM notices "
        f"WHERE {UNSEEN} GROUP BY kind, subject",
        i=installation_id,
        a=agent_id,
        since=since,
    )


async def unseen_after(
    tx: Tx, installation_id: int, agent_id: str, since: int, after: int, limit: int
) -> list[NoticeRow]:
    """The agent's unseen notices with a number above `after`, the oldest first."""
    return await tx.all(
        f"SELECT * FROM notices WHERE {UNSEEN} AND seq > :after ORDER BY seq LIMIT :n",
        i=installation_id,
        a=agent_id,
        since=since,
        after=after,
        n=limit,
    )


async def several(
    tx: Tx, installation_id: int, agent_id: str, numbers: Collection[int]
) -> list[NoticeRow]:
    q = f"SELECT * FROM notices WHERE {MINE} AND seq IN :seqs"
    return await tx.all(q, i=installation_id, a=agent_id, seqs=tuple(numbers))


async def newest(tx: Tx, installation_id: int, agent_id: str, limit: int) -> list[NoticeRow]:
    """The agent's newest notices, seen or not, the newest first."""
    q = f"SELECT * FROM notices WHERE {MINE} ORDER BY seq DESC LIMIT :n"
    return await tx.all(q, i=installation_id, a=agent_id, n=limit)


async def mark_seen(
    tx: Tx, installation_id: int, agent_id: str, kinds: Collection[str], subject: str, last: int
) -> None:
    """Mark the notices of these kinds about the subject as seen, up to a number."""
    await tx.run(
        f"UPDATE {sql.by_index(tx.dialect, 'notices', 'ix_notices_unseen')} "
        f"SET seen_at = :now WHERE {MINE} AND seen_at IS NULL AND kind IN :k "
        "AND subject = :s AND seq <= :last",
        now=await tx.now(),
        i=installation_id,
        a=agent_id,
        k=tuple(kinds),
        s=subject,
        last=last,
    )


async def drop_old(tx: Tx, installation_id: int, agent_id: str) -> None:
    """Drop what the agent has seen, except the newest notices."""
    kept = await tx.all(
        f"SELECT seq FROM notices WHERE {MINE} ORDER BY seq DESC LIMIT 1 OFFSET :n",
        i=installation_id,
        a=agent_id,
        n=KEPT,
    )
    if kept:
        await tx.run(
            f"DELETE FROM notices WHERE {MINE} AND seq <= :s AND seen_at IS NOT NULL",
            i=installation_id,
            a=agent_id,
            s=kept[0]["seq"],
        )
