"""Slash commands. Each runs once, however often its text arrives."""

from collections.abc import Sequence
from typing import TypedDict

from store.engine import json_text, sql
from store.engine.transaction import Row, Tx
from store.tables.inbox import CommandRow

COLUMNS = (
    "installation_id",
    "source_kind",
    "source_id",
    "text_hash",
    "nth",
    "repository_id",
    "number",
    "line",
    "verb",
    "words",
    "text",
    "asker",
    "asker_id",
    "state",
    "not_before",
    "written_at",
    "received_at",
    "trace",
)
KEY = ("installation_id", "source_kind", "source_id", "text_hash", "nth")
# What changes when a removed line is written again.
REWRITTEN = ("written_at", "line", "asker", "asker_id", "received_at", "not_before", "trace")
IS_KEY = " AND ".join(f"{k} = :{k}" for k in KEY)


class FoundCommand(TypedDict):
    """A command found in a text, without its state."""

    source_kind: str
    source_id: int
    text_hash: str
    nth: int
    repository_id: int
    number: int
    line: int
    verb: str
    words: list[str]
    text: str
    asker: str
    asker_id: int
    written_at: int


class Answered(TypedDict):
    """How a command was answered by words."""

    verb: str
    answer: str
    answered_at: int


# Of a text that was edited often, so many answers stay in its reply.
MOST_ANSWERS = 50


def key(row: CommandRow) -> Row:
    return {k: v for k, v in row.items() if k in KEY}


# The order in which people wrote. A body is older than the comments of its second.
ORDER = ("written_at", "is_comment", "source_id", "line", "nth", "received_at", "text_hash")
BODIES = "('issue', 'pull_request')"


def _place(of: str) -> str:
    """The columns of that order."""
    named = (
        f"CASE WHEN {of}.source_kind IN {BODIES} THEN 0 ELSE 1 END"
        if each == "is_comment"
        else f"{of}.{each}"
        for each in ORDER
    )
    return ", ".join(named)


def _same_issue(one: str, other: str) -> str:
    columns = ("installation_id", "repository_id", "number")
    return " AND ".join(f"{one}.{column} = {other}.{column}" for column in columns)


# A command waits for older ones of its issue, and for texts that the worker has not read yet.
HAS_OLDER = (
    f"EXISTS (SELECT 1 FROM commands o WHERE {_same_issue('o', 'c')} AND o.state = 'waiting' "
    f"AND ({_place('o')}) < ({_place('c')}))"
)


def _has_unread(of: str, more: str = "") -> str:
    return (
        f"EXISTS (SELECT 1 FROM deliveries d WHERE {_same_issue('d', of)} {more} "
        f"AND d.state IN ('received', 'failed') AND d.text_at <= {of}.written_at)"
    )


ROW = ", ".join(f"waiting.{column}" for column in CommandRow.__annotations__)


async def add(tx: Tx, installation_id: int, found: Sequence[FoundCommand]) -> None:
    """Store the new commands to run, and again those that an edit removed and a later one wrote."""
    now = await tx.now()
    for row in found:
        new = {
            "installation_id": installation_id,
            **row,
            "words": json_text.text(row["words"]),
            "state": "waiting",
            "not_before": now,
            "received_at": now,
            "trace": tx.trace,
        }
        rewritten = await tx.run(
            "UPDATE commands SET state = 'waiting', written_at = :written_at, line = :line, "
            "asker = :asker, asker_id = :asker_id, received_at = :received_at, "
            "not_before = :not_before, trace = :trace, attempts = 0, "
            f"asked_at = NULL WHERE {IS_KEY} AND written_at < :written_at",
            **{name: new[name] for name in (*KEY, *REWRITTEN)},
        )
        if not rewritten:
            await tx.run(sql.insert_new(tx.dialect, "commands", COLUMNS, KEY), **new)
    tx.rings.add("inbox")


async def due(tx: Tx, limit: int) -> list[CommandRow]:
    """The first command of each issue, unless it was put off. No installation takes all places.

    Each installation gets the same number of places, and those that others leave free.
    """
    waiting = await _with_waiting(tx, limit)
    places = max(limit // max(len(waiting), 1), 1)
    found: dict[int, list[CommandRow]] = {}
    for each in waiting:
        found[each] = await _due_of(tx, each, places)
    free = limit - sum(map(len, found.values()))
    for each in [each for each, rows in found.items() if len(rows) == places]:
        if free > 0:
            found[each] = await _due_of(tx, each, places + free)
            free -= len(found[each]) - places
    rows = [row for of_one in found.values() for row in of_one]
    return sorted(rows, key=lambda row: row["received_at"])


async def _with_waiting(tx: Tx, limit: int) -> list[int]:
    """The installations with commands that wait, those that waited longest first."""
    commands = sql.by_index(tx.dialect, "commands", "ix_commands_state")
    rows = await tx.all(
        f"SELECT installation_id FROM {commands} WHERE state = 'waiting' AND not_before <= :now "
        "GROUP BY installation_id ORDER BY MIN(not_before), installation_id LIMIT :n",
        now=await tx.now(),
        n=limit,
    )
    return [row["installation_id"] for row in rows]


async def _due_of(tx: Tx, installation_id: int, limit: int) -> list[CommandRow]:
    """Of one installation. A command's place is the one among those of its issue that wait.

    To look for an older one of each would take the square of their number.
    """
    commands = sql.by_index(tx.dialect, "commands w", "ix_commands_waiting")
    waiting = (
        "SELECT w.*, ROW_NUMBER() OVER (PARTITION BY w.repository_id, w.number "
        f"ORDER BY {_place('w')}) AS place FROM {commands} "
        "WHERE w.installation_id = :i AND w.state = 'waiting'"
    )
    q = (
        f"SELECT {ROW} FROM ({waiting}) waiting WHERE place = 1 AND not_before <= :now "
        f"AND NOT {_has_unread('waiting', 'AND d.installation_id = :i')} "
        "ORDER BY received_at LIMIT :n"
    )
    return await tx.all(q, now=await tx.now(), i=installation_id, n=limit)


async def lock(tx: Tx, which: CommandRow) -> CommandRow | None:
    """Lock a waiting command and return it, if it is still the first of its issue."""
    q = f"SELECT * FROM commands WHERE {IS_KEY} AND state = 'waiting' FOR UPDATE"
    row: CommandRow | None = await tx.one(q, **key(which))
    if row is None or not await _is_first(tx, which):
        return None
    return {**row, "words": json_text.value(row["words"])}


async def _is_first(tx: Tx, which: CommandRow) -> bool:
    own = " AND ".join(f"c.{k} = :{k}" for k in KEY)
    q = (
        f"SELECT 1 AS one FROM commands c WHERE {own} AND NOT {HAS_OLDER} "
        f"AND NOT {_has_unread('c')}"
    )
    return await tx.one(q, **key(which)) is not None


async def holds_up_others(tx: Tx, which: CommandRow) -> bool:
    """Whether later commands of its issue wait for this first one."""
    q = (
        "SELECT COUNT(*) AS n FROM commands WHERE installation_id = :i AND repository_id = :r "
        "AND state = 'waiting' AND number = :n"
    )
    here = {"i": which["installation_id"], "r": which["repository_id"], "n": which["number"]}
    row = await tx.one(q, **here)
    return row is not None and row["n"] > 1


async def later_commands(tx: Tx, which: CommandRow) -> list[CommandRow]:
    """The commands of the same issue that were written later and are done."""
    q = (
        f"SELECT o.* FROM commands c JOIN commands o ON {_same_issue('o', 'c')} "
        f"WHERE {' AND '.join(f'c.{k} = :{k}' for k in KEY)} AND o.state = 'done' "
        f"AND ({_place('c')}) < ({_place('o')})"
    )
    rows = await tx.all(q, **key(which))
    return [row | {"words": json_text.value(row["words"])} for row in rows]


async def has_waiting(
    tx: Tx, installation_id: int, repository_id: int, number: int, source_kind: str
) -> bool:
    """Whether a command of this kind of source waits on the issue."""
    q = (
        "SELECT 1 AS one FROM commands WHERE installation_id = :i AND repository_id = :r "
        "AND state = 'waiting' AND number = :n AND source_kind = :k LIMIT 1"
    )
    row = await tx.one(q, i=installation_id, r=repository_id, n=number, k=source_kind)
    return row is not None


async def of_source(
    tx: Tx, installation_id: int, source_kind: str, source_id: int
) -> list[CommandRow]:
    """All commands of one source, the newest first."""
    q = (
        "SELECT * FROM commands WHERE installation_id = :i AND source_kind = :k "
        "AND source_id = :s ORDER BY written_at DESC, received_at DESC LIMIT 50"
    )
    rows = await tx.all(q, i=installation_id, k=source_kind, s=source_id)
    return [row | {"words": json_text.value(row["words"])} for row in rows]


async def answer(tx: Tx, which: CommandRow, state: str, text: str | None) -> None:
    """Record the answer. `state`: done, refused, withdrawn or expired. `text`: the reply."""
    await tx.run(
        f"UPDATE commands SET state = :state, answer = :text, answered_at = :now WHERE {IS_KEY}",
        state=state,
        text=text,
        now=await tx.now(),
        **key(which),
    )


async def withdraw(tx: Tx, installation_id: int, found: FoundCommand) -> bool:
    """End a command that still waits, and that its author took back. False if there is none."""
    named = {"installation_id": installation_id, **found}
    ended = await tx.run(
        "UPDATE commands SET state = 'withdrawn', answer = NULL, answered_at = :now "
        f"WHERE {IS_KEY} AND state = 'waiting'",
        now=await tx.now(),
        **{name: named[name] for name in KEY},
    )
    return bool(ended)


async def newest_of(tx: Tx, installation_id: int, kind: str, source_id: int) -> list[CommandRow]:
    """The commands of the last edit of a source that have an answer, in their order."""
    of_source = "installation_id = :i AND source_kind = :k AND source_id = :s"
    ended = "state IN ('done', 'refused', 'expired')"
    return await tx.all(
        f"SELECT * FROM commands WHERE {of_source} AND {ended} AND written_at = "
        f"(SELECT MAX(written_at) FROM commands WHERE {of_source} AND {ended}) ORDER BY line",
        i=installation_id,
        k=kind,
        s=source_id,
    )


async def answered_in(tx: Tx, which: CommandRow) -> list[Answered]:
    """The answers to the commands in the same text that were answered by words, line by line."""
    return await tx.all(
        "SELECT verb, answer, answered_at FROM commands WHERE installation_id = :i "
        "AND source_kind = :kind AND source_id = :id AND answer IS NOT NULL "
        "AND answered_at IS NOT NULL ORDER BY line, answered_at LIMIT :n",
        i=which["installation_id"],
        kind=which["source_kind"],
        id=which["source_id"],
        n=MOST_ANSWERS,
    )


async def waits_for_github(tx: Tx, installation_id: int, repository_id: int, number: int) -> bool:
    """Whether a command of the issue waits for an answer of GitHub, and later ones with it."""
    row = await tx.one(
        "SELECT 1 AS one FROM commands WHERE installation_id = :i AND repository_id = :r "
        "AND state = 'waiting' AND number = :n AND asked_at IS NOT NULL LIMIT 1",
        i=installation_id,
        r=repository_id,
        n=number,
    )
    return row is not None


async def put_off(tx: Tx, which: CommandRow, until: int) -> None:
    """Wait for the author's permission, or for the text, which is being read."""
    await tx.run(
        f"UPDATE commands SET not_before = :at, asked_at = COALESCE(asked_at, :now) WHERE {IS_KEY}",
        at=until,
        now=await tx.now(),
        **key(which),
    )


async def mark_failed(tx: Tx, which: CommandRow, until: int) -> None:
    """Count a failure, and try again later."""
    await tx.run(
        f"UPDATE commands SET not_before = :at, attempts = attempts + 1 WHERE {IS_KEY}",
        at=until,
        **key(which),
    )


async def wake(tx: Tx, installation_id: int, repository_id: int) -> None:
    """Retry the commands that waited for an answer of GitHub about the repository."""
    await tx.run(
        "UPDATE commands SET not_before = :now WHERE installation_id = :i "
        "AND repository_id = :r AND state = 'waiting'",
        now=await tx.now(),
        i=installation_id,
        r=repository_id,
    )
    tx.rings.add("inbox")


async def move(tx: Tx, installation_id: int, old: tuple[int, int], new: tuple[int, int]) -> None:
    """Let the waiting commands of an issue follow it to another repository and number."""
    await tx.run(
        "UPDATE commands SET repository_id = :to_repository, number = :to_number, "
        "not_before = :now, asked_at = NULL "
        "WHERE installation_id = :i AND repository_id = :r AND state = 'waiting' AND number = :n",
        now=await tx.now(),
        i=installation_id,
        r=old[0],
        n=old[1],
        to_repository=new[0],
        to_number=new[1],
    )
