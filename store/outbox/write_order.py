"""The order in which the writes of an installation go out, and what may go out now."""

from collections import Counter
from collections.abc import Collection
from typing import TypedDict

from store.engine import sequences, sql
from store.engine.transaction import Tx
from store.outbox.writes import AGENTS, LIVE, PEOPLE, decode, queued_in
from store.tables.outbox import WriteRow
from store.tasks import spend_holds

# Kinds that answer people. They do not depend on what agents write in the same place.
REACTIONS = ("reaction", "reaction_removal", "review_reaction", "review_reaction_removal")
ANSWERS = ("comment", "reply", *REACTIONS)
# The words of a task's holder, which it may write while people hold the task.
WORDS = (
    "comment",
    "reply",
    "comment_edit",
    "comment_delete",
    "comment_minimize",
    "reaction",
    "review_reply",
)
# Queued writes by which a forecast is made, at most.
MOST_COUNTED = 5000
# Writes that may share a request, at most.
MOST_FIRST = 50


def _is_held_back(row: str) -> str:
    """SQL: whether the write waits because its author is paused, or because of a cap on spend."""
    return (
        f"({row}.state = 'queued' AND (EXISTS (SELECT 1 FROM agents a "
        f"WHERE a.installation_id = {row}.installation_id AND a.id = {row}.author "
        f"AND a.paused_at IS NOT NULL) OR {spend_holds.is_stopped(row)}))"
    )


def _is_stopped_by_hold(row: str) -> str:
    """SQL: whether the write waits because its task is on hold."""
    return (
        f"({row}.lease_id IS NOT NULL AND {row}.state = 'queued' AND {row}.kind NOT IN :words "
        f"AND EXISTS (SELECT 1 FROM tasks t WHERE t.installation_id = {row}.installation_id "
        f"AND t.id = {row}.task_id AND t.held = 1))"
    )


def _is_put_off(row: str, until: str) -> str:
    """SQL: whether the write minimizes an old reply, and its time has not come."""
    return (
        f"({row}.kind = 'comment_minimize' AND {row}.state = 'queued' "
        f"AND {row}.not_before > :{until})"
    )


def _queue(tx: Tx) -> str:
    """SQL: the writes `w`, read by their installation and state."""
    return sql.by_index(tx.dialect, "writes w", "ix_writes_queue")


class QueuedBy(TypedDict):
    """How many writes of a kind an author has in the queue."""

    author: str
    kind: str
    lane: int
    # Whether they wait because somebody paused the author, or because of a cap on spend.
    paused: int
    n: int


class NextWrite(TypedDict):
    """The oldest write of an author and lane that may go out."""

    lane: int
    author: str
    # 1: of a kind that draws on another limit, 2: of a kind that waits for others, 3: a reaction
    # that answers a person.
    apart: int
    seq: int


class _Next(NextWrite):
    # Whether its lease has ended.
    ended: int


class Line(TypedDict):
    """The writes of an author, a lane and a kind that may go out now."""

    author: str
    lane: int
    kind: str
    # Whether they are being sent.
    sending: int
    n: int
    first_seq: int


async def queued_by(tx: Tx, installation_id: int) -> list[QueuedBy]:
    """How many writes have not ended, by author, kind, lane and whether they are held."""
    return await tx.all(
        f"SELECT w.author, w.kind, w.lane, {_is_held_back('w')} AS paused, COUNT(*) AS n "
        f"FROM {_queue(tx)} WHERE w.installation_id = :i AND w.state IN :live "
        "GROUP BY w.author, w.kind, w.lane, paused ORDER BY w.author, w.kind",
        i=installation_id,
        live=LIVE,
    )


async def lines(tx: Tx, installation_id: int) -> list[Line]:
    """What may go out now, with what this transaction has queued. Of more, the oldest count."""
    now = await tx.now()
    beyond = await tx.one(
        "SELECT seq FROM writes WHERE installation_id = :i AND state = 'queued' "
        "ORDER BY seq LIMIT 1 OFFSET :n",
        i=installation_id,
        n=MOST_COUNTED,
    )
    stored: list[Line] = await tx.all(
        "SELECT w.author, w.lane, w.kind, w.state = 'sending' AS sending, COUNT(*) AS n, "
        f"MIN(w.seq) AS first_seq FROM {_queue(tx)} WHERE w.installation_id = :i "
        "AND w.state IN :live "
        f"AND w.seq < :beyond AND w.not_before <= :now AND NOT {_is_held_back('w')} "
        "GROUP BY w.author, w.lane, w.kind, sending",
        i=installation_id,
        live=LIVE,
        beyond=beyond["seq"] if beyond else sequences.UNNUMBERED,
        now=now,
    )
    pending: list[Line] = [
        {
            "author": row["author"],
            "lane": row["lane"],
            "kind": row["kind"],
            "sending": 0,
            "n": 1,
            "first_seq": row["seq"],
        }
        for row in queued_in(tx, installation_id)
        if row["not_before"] <= now
    ]
    return stored + pending


async def kinds_before(
    tx: Tx, installation_id: int, seq: int, *, lane: int, author: str | None = None
) -> Counter[str]:
    """How many writes of a lane may go out now and were queued before, by kind.

    Only those of one author, if given.
    """
    now = await tx.now()
    own, given = ("AND w.author = :a", {"a": author}) if author is not None else ("", {})
    rows = await tx.all(
        f"SELECT w.kind, COUNT(*) AS n FROM {_queue(tx)} WHERE w.installation_id = :i "
        "AND w.state IN ('queued', 'unknown') AND w.seq < :seq AND w.lane = :lane "
        f"AND w.not_before <= :now AND NOT {_is_held_back('w')} {own} GROUP BY w.kind",
        i=installation_id,
        seq=seq,
        lane=lane,
        now=now,
        **given,
    )
    found = Counter({row["kind"]: int(row["n"]) for row in rows})
    for each in queued_in(tx, installation_id):
        if each["seq"] < seq and each["lane"] == lane and author in (None, each["author"]):
            found[each["kind"]] += each["not_before"] <= now
    return found


async def last_before(
    tx: Tx, installation_id: int, target: str, author: str, seq: int
) -> WriteRow | None:
    """The last write of another agent to a target that goes out before this number."""
    row = await tx.one(
        "SELECT * FROM writes w WHERE w.installation_id = :i AND w.target = :t "
        f"AND w.state IN ('queued', 'unknown') AND w.seq < :seq AND w.lane = {AGENTS} "
        f"AND w.author <> :a AND NOT {_is_held_back('w')} ORDER BY w.seq DESC LIMIT 1",
        i=installation_id,
        t=target,
        seq=seq,
        a=author,
    )
    return decode(row) if row else None


async def next_of_each(
    tx: Tx, installation_id: int, apart: Collection[str] = (), waiting: Collection[str] = ()
) -> list[NextWrite]:
    """Of each author and lane, the oldest write that may go out now: `seq`, `author`, `lane`.

    - The kinds `apart`, which draw on another limit, have a row of their own, and so have the
      kinds that are `waiting` for others, in the lane of agents.
    - So have reactions to what people wrote, because a comment that notifies people waits longer.
    - What an author queued under a lease that ended comes first, because the next holder waits
      for it.
    - Writes to one target go in order, but no answer to a person waits for agents, and nobody
      waits until an old reply is minimized.
    - Writes of a task's next holder wait for those of the last one. What the holder wrote waits
      while people hold the task, but for its words, and nobody waits for it.
    - What a paused agent wrote waits, and nobody waits for it.
    """
    on_target = sql.by_index(tx.dialect, "writes e", "ix_writes_target")
    of_task = sql.by_index(tx.dialect, "writes p", "ix_writes_task")
    found: list[_Next] = await tx.all(
        "SELECT w.lane, w.author, CASE WHEN w.kind IN :apart THEN 1 "
        f"WHEN w.lane = {AGENTS} AND w.kind IN :waiting THEN 2 "
        f"WHEN w.lane = {PEOPLE} AND w.kind IN :reactions THEN 3 ELSE 0 END AS apart, "
        "(w.lease_id IS NOT NULL AND EXISTS ("
        "SELECT 1 FROM leases l WHERE l.installation_id = w.installation_id AND l.id = w.lease_id "
        f"AND l.ended_at IS NOT NULL)) AS ended, MIN(w.seq) AS seq FROM {_queue(tx)} "
        "WHERE w.installation_id = :i "
        "AND w.state IN ('queued', 'unknown') "
        f"AND w.not_before <= :now AND NOT {_is_held_back('w')} "
        f"AND NOT EXISTS (SELECT 1 FROM {on_target} WHERE "
        "e.installation_id = w.installation_id AND e.target = w.target AND e.state IN :live "
        f"AND e.seq < w.seq AND NOT (w.lane = {PEOPLE} AND w.kind IN :answers "
        f"AND e.lane = {AGENTS}) AND NOT {_is_held_back('e')} AND NOT {_is_stopped_by_hold('e')} "
        f"AND NOT {_is_put_off('e', 'now')}) "
        f"AND NOT EXISTS (SELECT 1 FROM {of_task} WHERE "
        "p.installation_id = w.installation_id AND p.task_id = w.task_id AND p.state IN :live "
        f"AND p.lease_id <> w.lease_id AND p.seq < w.seq AND NOT {_is_held_back('p')}) "
        f"AND NOT {_is_stopped_by_hold('w')} "
        "GROUP BY w.lane, w.author, apart, ended",
        i=installation_id,
        live=LIVE,
        apart=tuple(apart) or ("",),
        waiting=tuple(waiting) or ("",),
        answers=ANSWERS,
        reactions=REACTIONS,
        words=WORDS,
        now=await tx.now(),
    )
    awaited = {_turn_of(each) for each in found if each["ended"]}
    return [each for each in found if each["ended"] or _turn_of(each) not in awaited]


async def first_attempts(
    tx: Tx, installation_id: int, author: str, kinds: Collection[str], until: int
) -> list[WriteRow]:
    """The author's writes of these kinds that were never sent and may go out until then.

    No other write to the same target goes before them, except one that minimizes later.
    """
    rows = await tx.all(
        "SELECT w.* FROM writes w WHERE w.installation_id = :i AND w.author = :a "
        "AND w.state = 'queued' AND w.attempts = 0 AND w.kind IN :kinds "
        "AND w.lease_id IS NULL AND w.not_before <= :until "
        "AND NOT EXISTS (SELECT 1 FROM writes e WHERE e.installation_id = w.installation_id "
        "AND e.target = w.target AND e.state IN :live AND e.seq < w.seq "
        f"AND NOT {_is_put_off('e', 'until')}) "
        "ORDER BY w.lane, w.seq LIMIT :n",
        i=installation_id,
        a=author,
        kinds=tuple(kinds),
        until=until,
        live=LIVE,
        n=MOST_FIRST,
    )
    return [decode(row) for row in rows]


def _turn_of(row: NextWrite) -> tuple[int, str, int]:
    return row["lane"], row["author"], row["apart"]


async def waiting_installations(tx: Tx) -> list[int]:
    """The installations with a write or read that is due now.

    The writes of a suspended one wait until the suspension is lifted.
    """
    now = await tx.now()
    rows = await tx.all(
        "SELECT DISTINCT installation_id FROM writes WHERE state IN :live AND not_before <= :now "
        "AND installation_id NOT IN (SELECT installation_id FROM installations "
        "WHERE deleted = 0 AND suspended_at IS NOT NULL) "
        "UNION SELECT DISTINCT installation_id FROM pending_reads WHERE state = 'queued' "
        "AND not_before <= :now "
        "UNION SELECT DISTINCT installation_id FROM backfills WHERE state = 'queued' "
        "AND not_before <= :now",
        live=LIVE,
        now=now,
    )
    return sorted(r["installation_id"] for r in rows)
