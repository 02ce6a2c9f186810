"""Lists of writes: what took effect, what failed, who wrote how much."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, TypedDict

from store.engine import json_text, reach, sql
from store.engine.reach import Reach
from store.engine.transaction import Tx
from store.outbox.writes import COUNTED, decode
from store.tables.outbox import WriteRow


class WritePlace(TypedDict):
    """Enough of a write to decide whether a list shows it."""

    id: str
    seq: int
    author: str
    repository_id: int


class AuthorAndTime(TypedDict):
    author: str
    queued_at: int


def _on_target(tx: Tx) -> str:
    """SQL: the writes, read by their target."""
    return sql.by_index(tx.dialect, "writes", "ix_writes_target")


async def results(tx: Tx, installation_id: int, target: str, limit: int) -> list[WriteRow]:
    """The newest writes to a target that took effect."""
    q = (
        f"SELECT * FROM {_on_target(tx)} "
        "WHERE installation_id = :i AND target = :t AND state = 'sent' "
        "ORDER BY seq DESC LIMIT :n"
    )
    return [decode(row) for row in await tx.all(q, i=installation_id, t=target, n=limit)]


async def newest_attempt(tx: Tx, installation_id: int, target: str, kind: str) -> str | None:
    """The id of the newest write of a kind to a target that took effect or may have done so."""
    row = await tx.one(
        f"SELECT id FROM {_on_target(tx)} WHERE installation_id = :i AND target = :t "
        "AND state IN ('sending', 'unknown', 'sent') AND kind = :k ORDER BY seq DESC LIMIT 1",
        i=installation_id,
        t=target,
        k=kind,
    )
    return row["id"] if row else None


async def paths_of_commits(
    tx: Tx, installation_id: int, task_id: str, limit: int
) -> dict[str, bool]:
    """The paths that the newest commits for a task changed, in the order of the commits.

    The value says whether the file is there after the last of them.
    """
    rows = await tx.all(
        "SELECT result FROM writes WHERE installation_id = :i AND task_id = :t "
        "AND state = 'sent' AND kind = 'commit' ORDER BY seq DESC LIMIT :n",
        i=installation_id,
        t=task_id,
        n=limit,
    )
    found: dict[str, bool] = {}
    for row in reversed(rows):
        result = json_text.value(row["result"])
        deleted = result.get("deleted", [])
        found |= dict.fromkeys(result.get("paths", []), True)
        found |= dict.fromkeys(deleted, False)
    return found


async def recent_authors(
    tx: Tx, installation_id: int, target: str, kinds: Collection[str], since: int, limit: int
) -> list[AuthorAndTime]:
    """Who queued the newest writes of these kinds to a target, and when."""
    return await tx.all(
        f"SELECT author, queued_at FROM {_on_target(tx)} "
        "WHERE installation_id = :i AND target = :t "
        "AND state IN :counted AND kind IN :k AND queued_at >= :since "
        "ORDER BY seq DESC LIMIT :n",
        i=installation_id,
        t=target,
        counted=COUNTED,
        k=tuple(kinds),
        since=since,
        n=limit,
    )


async def counts_by_author(
    tx: Tx, installation_id: int, target: str, kinds: Collection[str], since: int
) -> dict[str, int]:
    """How many writes of these kinds each author queued for a target since then."""
    rows = await tx.all(
        f"SELECT author, COUNT(*) AS n FROM {_on_target(tx)} "
        "WHERE installation_id = :i AND target = :t "
        "AND state IN :counted AND kind IN :k AND queued_at >= :since GROUP BY author",
        i=installation_id,
        t=target,
        counted=COUNTED,
        k=tuple(kinds),
        since=since,
    )
    return {row["author"]: row["n"] for row in rows}


async def authors(tx: Tx, installation_id: int, target: str, kinds: Collection[str]) -> set[str]:
    """Who queued writes of these kinds to a target that took effect or may still do so."""
    rows = await tx.all(
        f"SELECT DISTINCT author FROM {_on_target(tx)} WHERE installation_id = :i AND target = :t "
        "AND state IN :counted AND kind IN :k",
        i=installation_id,
        t=target,
        counted=COUNTED,
        k=tuple(kinds),
    )
    return {row["author"] for row in rows}


async def newest_sent(
    tx: Tx, installation_id: int, author: str, kinds: Collection[str], limit: int
) -> list[WriteRow]:
    """The newest writes of these kinds by this author that took effect, oldest first."""
    rows = await tx.all(
        f"SELECT * FROM {sql.by_index(tx.dialect, 'writes', 'ix_writes_author')} "
        "WHERE installation_id = :i AND author = :a AND state = 'sent' AND kind IN :k "
        "ORDER BY finished_at DESC LIMIT :n",
        i=installation_id,
        a=author,
        k=tuple(kinds),
        n=limit,
    )
    return [decode(row) for row in reversed(rows)]


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


async def asked_reviewers(tx: Tx, installation_id: int, target: str) -> set[str]:
    """Folded logins of people whom agents asked for a review of this pull request."""
    rows = await tx.all(
        f"SELECT arguments FROM {_on_target(tx)} WHERE installation_id = :i AND target = :t "
        "AND state IN :counted AND kind = 'reviewers' LIMIT 100",
        i=installation_id,
        t=target,
        counted=COUNTED,
    )
    named = [json_text.value(row["arguments"]).get("reviewers", []) for row in rows]
    return {login.casefold() for each in named for login in each}


async def refusals(
    tx: Tx, installation_id: int, author: str, since: int, limit: int, repositories: Reach = None
) -> list[WriteRow]:
    """Writes that failed for good and whose author has not been notified."""
    rows = await tx.all(
        "SELECT * FROM writes WHERE installation_id = :i AND author = :a AND state IN :ended "
        "AND finished_at >= :since AND told_at IS NULL"
        f"{reach.within(repositories, 'repository_id')} ORDER BY finished_at LIMIT :n",
        i=installation_id,
        a=author,
        ended=("refused", "dead", "cancelled"),
        since=since,
        n=limit,
        **reach.parameters(repositories),
    )
    return [decode(row) for row in rows]


async def mark_notified(tx: Tx, installation_id: int, write_ids: Collection[str]) -> None:
    """Record that the author knows how these writes ended."""
    q = "UPDATE writes SET told_at = :now WHERE installation_id = :i AND id IN :ids"
    await tx.run(q, now=await tx.now(), i=installation_id, ids=tuple(write_ids))


async def of_task(tx: Tx, installation_id: int, task_id: str, limit: int) -> list[WriteRow]:
    """The newest writes that belong to a task, whatever became of them, the newest first."""
    rows = await tx.all(
        f"SELECT * FROM {sql.by_index(tx.dialect, 'writes', 'ix_writes_task')} "
        "WHERE installation_id = :i AND task_id = :t ORDER BY seq DESC LIMIT :n",
        i=installation_id,
        t=task_id,
        n=limit,
    )
    return [decode(row) for row in rows]


@dataclass(frozen=True)
class Wanted:
    """Filters of writes. `task_id` None matches all.

    `task_targets` are the task's issue and pull request. Writes on them that were queued without
    the task's fence belong to it too.
    `authors` None matches the writes of all agents, but not those of people and of the bot.
    """

    states: Collection[str]
    authors: Collection[str] | None = None
    task_id: str | None = None
    task_targets: Collection[str] = ()
    # Those within the caller's reach.
    repositories: Reach = None


async def page(
    tx: Tx, installation_id: int, wanted: Wanted, before: int | None, limit: int
) -> list[WriteRow]:
    """The newest writes that match, with numbers below `before`."""
    where = reach.within(wanted.repositories, "repository_id")
    given: dict[str, Any] = reach.parameters(wanted.repositories)
    if wanted.authors is None:
        # Logins of people begin with @, and the bot's name has a bracket.
        where += " AND INSTR(author, '@') = 0 AND INSTR(author, '[') = 0"
    else:
        where += " AND author IN :authors"
        given["authors"] = tuple(wanted.authors)
    if wanted.task_id is not None:
        on_it = " OR target IN :targets" if wanted.task_targets else ""
        where, given["t"] = f"{where} AND (task_id = :t{on_it})", wanted.task_id
        if wanted.task_targets:
            given["targets"] = tuple(wanted.task_targets)
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


async def places(
    tx: Tx, installation_id: int, states: Collection[str], before: int, limit: int
) -> list[WritePlace]:
    """The newest writes of everybody in these states, with numbers below `before`."""
    found: list[WritePlace] = []
    # One query for each state, because the index has the state before the number.
    for state in states:
        found += await tx.all(
            "SELECT id, seq, author, repository_id FROM "
            f"{sql.by_index(tx.dialect, 'writes', 'ix_writes_queue')} "
            "WHERE installation_id = :i AND state = :state AND seq < :before "
            "ORDER BY seq DESC LIMIT :n",
            i=installation_id,
            state=state,
            before=before,
            n=limit,
        )
    return sorted(found, key=lambda each: -each["seq"])[:limit]


async def count_up_to(tx: Tx, installation_id: int, state: str, most: int) -> int:
    """How many writes are in this state; `most` stands for this many or more."""
    rows = sql.by_index(tx.dialect, "writes", "ix_writes_queue")
    row = await tx.one(
        "SELECT COUNT(*) AS n FROM (SELECT 1 AS one FROM "
        f"{rows} WHERE installation_id = :i AND state = :state LIMIT :n) some",
        i=installation_id,
        state=state,
        n=most,
    )
    return int(row["n"]) if row else 0


async def by_ids(tx: Tx, installation_id: int, ids: Collection[str]) -> list[WriteRow]:
    """These writes, newest first."""
    if not ids:
        return []
    rows = await tx.all(
        "SELECT * FROM writes WHERE installation_id = :i AND id IN :ids ORDER BY seq DESC",
        i=installation_id,
        ids=tuple(ids),
    )
    return [decode(row) for row in rows]
