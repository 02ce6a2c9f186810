"""Leases: who holds a task, and until when. A lease ends only by a change of its row."""

from collections.abc import Sequence
from typing import Any, TypedDict

from store.engine import ids, json_text, reach, sql
from store.engine.reach import Reach
from store.engine.transaction import Tx
from store.tables.tasks import CONFIRMED, UNKNOWN, LeaseRow, TaskState
from store.tasks.tasks import FullTask

COLUMNS = (
    "installation_id",
    "id",
    "task_id",
    "holder",
    "fence",
    "state",
    "lease_s",
    "expires_at",
    "granted_at",
    "renewed_at",
    "ended_at",
    "ended_why",
    "paths",
    "known",
)
# While a lease is in one of these states, the writes queued under it may go out.
PROPER = ("held", "parked", "released", "completed")
# Which leases `l` began since `:since`: those that live, and those that ended. Each part is read by
# an index.
BEGAN_SINCE = (
    "l.state IN ('held', 'parked') AND l.granted_at > :since",
    (
        "l.state IN ('released', 'completed', 'expired', 'revoked') AND l.ended_at > :since "
        "AND l.granted_at > :since"
    ),
)


class Touched(TypedDict):
    """The paths that the holder of a task named, and when it claimed the task."""

    holder: str
    granted_at: int
    paths: list[str]
    task_id: str
    number: int | None
    pull_number: int | None


class Rate(TypedDict):
    """How often something happened, and when the first time was."""

    n: int
    first_at: int


async def grant(
    tx: Tx,
    task: FullTask,
    fence: int,
    holder: str,
    lease_s: int | None,
    paths: Sequence[str] = (),
    known: int = UNKNOWN,
) -> FullTask | None:
    """Grant a lease on a locked task: its row now. None if it cannot be claimed as it is.

    `fence`: above every fence of the task. A lease with `lease_s` None never expires. `paths` are
    the files the holder plans to touch.
    """
    now = await tx.now()
    lease_id = ids.new("l", now)
    taken = _claim_columns(holder, lease_id, fence, now)
    if not await _take_task(tx, task, taken):
        return None
    lease: LeaseRow = {
        "installation_id": task["installation_id"],
        "id": lease_id,
        "task_id": task["id"],
        "holder": holder,
        "fence": fence,
        "state": "held",
        "lease_s": lease_s or 0,
        "expires_at": None if lease_s is None else now + lease_s * 1_000_000,
        "granted_at": now,
        "renewed_at": now,
        "ended_at": None,
        "ended_why": None,
        "paths": json_text.text(list(paths)),
        "known": known,
    }
    await tx.run(sql.insert("leases", COLUMNS), **lease)
    return {**task, **taken, "expires_at": lease["expires_at"], "known": known}


class _Taken(TypedDict):
    """The columns of a task that a claim sets."""

    lease_id: str
    holder: str
    last_holder: str
    fence: int
    state: TaskState
    assigned_to: None
    assigned_by: None
    assigned_at: None
    assigned_until: None
    updated_at: int


def _claim_columns(holder: str, lease_id: str, fence: int, now: int) -> _Taken:
    return {
        "lease_id": lease_id,
        "holder": holder,
        "last_holder": holder,
        "fence": fence,
        "state": "in_progress",
        "assigned_to": None,
        "assigned_by": None,
        "assigned_at": None,
        "assigned_until": None,
        "updated_at": now,
    }


async def _take_task(tx: Tx, task: FullTask, taken: _Taken) -> bool:
    """Let the holder have the task with its next fence. One UPDATE decides who gets it."""
    took = await tx.run(
        f"UPDATE tasks SET {', '.join(f'{column} = :{column}' for column in taken)} "
        "WHERE installation_id = :i AND id = :t AND fence = :before "
        "AND lease_id IS NULL AND held = 0 AND state IN ('pending', 'assigned') "
        "AND (assigned_to IS NULL OR assigned_to = :holder)",
        **taken,
        i=task["installation_id"],
        t=task["id"],
        before=task["fence"],
    )
    return bool(took)


async def confirm(tx: Tx, installation_id: int, lease_id: str) -> None:
    """Record that the holder knows about the lease, because it passed the fence."""
    await tx.run(
        "UPDATE leases SET known = :known WHERE installation_id = :i AND id = :l",
        known=CONFIRMED,
        i=installation_id,
        l=lease_id,
    )


async def get(tx: Tx, installation_id: int, lease_id: str | None) -> LeaseRow | None:
    q = "SELECT * FROM leases WHERE installation_id = :i AND id = :l"
    return await tx.one(q, i=installation_id, l=lease_id)


async def end(
    tx: Tx, installation_id: int, task_id: str, lease_id: str, state: str, why: str, to: str
) -> bool:
    """End a live lease as released, completed, expired or revoked; its task goes to state `to`.

    Return False and change nothing if the lease had ended before.
    """
    now = await tx.now()
    ended = await tx.run(
        "UPDATE leases SET state = :state, ended_at = :now, ended_why = :why "
        "WHERE installation_id = :i AND id = :l AND state IN ('held', 'parked')",
        state=state,
        now=now,
        why=why[:200],
        i=installation_id,
        l=lease_id,
    )
    if ended:
        await tx.run(
            "UPDATE tasks SET lease_id = NULL, holder = NULL, state = :to, question = NULL, "
            "asked_at = NULL, updated_at = :now "
            "WHERE installation_id = :i AND id = :t AND lease_id = :l",
            to=to,
            now=now,
            i=installation_id,
            t=task_id,
            l=lease_id,
        )
    return bool(ended)


async def park(tx: Tx, lease: LeaseRow) -> None:
    """Stop a live lease from expiring while its holder waits for a review or a person."""
    await tx.run(
        "UPDATE leases SET state = 'parked', expires_at = NULL "
        "WHERE installation_id = :i AND id = :l AND state = 'held' "
        "AND (expires_at IS NULL OR expires_at > :now)",
        now=await tx.now(),
        i=lease["installation_id"],
        l=lease["id"],
    )


async def unpark(tx: Tx, lease: LeaseRow) -> None:
    now = await tx.now()
    await tx.run(
        "UPDATE leases SET state = 'held', renewed_at = :now, expires_at = "
        "CASE WHEN lease_s = 0 THEN NULL ELSE :now + lease_s * 1000000 END "
        "WHERE installation_id = :i AND id = :l AND state = 'parked'",
        now=now,
        i=lease["installation_id"],
        l=lease["id"],
    )


def is_expired(row: LeaseRow | FullTask, now: int) -> bool:
    """Whether the lease has expired. A task has its lease's `expires_at`."""
    return row["expires_at"] is not None and row["expires_at"] <= now


async def overdue(
    tx: Tx, limit: int, installation_id: int | None = None, repositories: Reach = None
) -> list[LeaseRow]:
    """Live leases past their expiry. Only those of an installation can be within a reach."""
    return await tx.all(
        "SELECT * FROM leases WHERE state = 'held' AND expires_at <= :now "
        f"{'AND installation_id = :i ' if installation_id is not None else ''}"
        f"{reach.of_task(repositories, 'task_id')} ORDER BY expires_at LIMIT :n",
        now=await tx.now(),
        n=limit,
        **reach.parameters(repositories),
        **({"i": installation_id} if installation_id is not None else {}),
    )


async def renew(
    tx: Tx, installation_id: int, holder: str, now: int, repositories: Reach = None
) -> int:
    """Renew the live leases of the holder within reach. A lease that ended stays ended."""
    of_holder = sql.by_index(tx.dialect, "leases", "ix_leases_holder")
    return await tx.run(
        f"UPDATE {of_holder} SET expires_at = :now + lease_s * 1000000, renewed_at = :now "
        "WHERE installation_id = :i AND holder = :h AND state = 'held' AND expires_at > :now"
        f"{reach.of_task(repositories, 'task_id')}",
        now=now,
        i=installation_id,
        h=holder,
        **reach.parameters(repositories),
    )


async def shortest_s(tx: Tx, installation_id: int, holder: str) -> int | None:
    """The seconds of the shortest lease of the holder that can expire, if it has one."""
    row = await tx.one(
        "SELECT MIN(lease_s) AS s FROM leases WHERE installation_id = :i AND holder = :h "
        "AND state = 'held' AND lease_s > 0",
        i=installation_id,
        h=holder,
    )
    return row["s"] if row else None


async def set_length(tx: Tx, installation_id: int, lease_id: str, lease_s: int) -> None:
    """Give a live lease this many seconds from now. A parked one gets them when it goes on."""
    now = await tx.now()
    await tx.run(
        "UPDATE leases SET lease_s = :s, renewed_at = :now, expires_at = "
        "CASE WHEN state = 'held' THEN :ends ELSE NULL END "
        "WHERE installation_id = :i AND id = :l AND state IN ('held', 'parked')",
        s=lease_s,
        now=now,
        ends=now + lease_s * 1_000_000,
        i=installation_id,
        l=lease_id,
    )


async def set_paths(tx: Tx, installation_id: int, lease_id: str, paths: Sequence[str]) -> None:
    """Replace the paths that the holder plans to touch."""
    await tx.run(
        "UPDATE leases SET paths = :paths WHERE installation_id = :i AND id = :l",
        paths=json_text.text(list(paths)),
        i=installation_id,
        l=lease_id,
    )


async def with_paths(tx: Tx, installation_id: int, repository_id: int) -> list[Touched]:
    """The live leases in a repository whose holders named paths, with their tasks."""
    rows = await tx.all(
        "SELECT l.holder, l.granted_at, l.paths, t.id AS task_id, t.number, t.pull_number "
        "FROM leases l JOIN tasks t ON t.installation_id = l.installation_id AND t.id = l.task_id "
        "AND t.lease_id = l.id WHERE l.installation_id = :i AND l.state IN ('held', 'parked') "
        "AND l.paths <> '[]' AND t.repository_id = :r ORDER BY t.id",
        i=installation_id,
        r=repository_id,
    )
    return [row | {"paths": json_text.value(row["paths"])} for row in rows]


async def previous(tx: Tx, installation_id: int, task_id: str) -> LeaseRow | None:
    """The lease that ended last on a task."""
    q = (
        "SELECT * FROM leases WHERE installation_id = :i AND task_id = :t "
        "AND state NOT IN ('held', 'parked') ORDER BY fence DESC LIMIT 1"
    )
    return await tx.one(q, i=installation_id, t=task_id)


async def granted_since(tx: Tx, installation_id: int, holder: str, since: int) -> Rate:
    """The leases that an agent got since then."""
    parts = [
        "SELECT l.granted_at AS at FROM leases l WHERE l.installation_id = :i AND l.holder = :h "
        f"AND {part}"
        for part in BEGAN_SINCE
    ]
    which = " UNION ALL ".join(parts)
    return await _rate(tx, which, i=installation_id, h=holder, since=since)


async def released_since(tx: Tx, installation_id: int, holder: str, since: int) -> Rate:
    """The leases that an agent released itself since then."""
    return await _rate(
        tx,
        "SELECT ended_at AS at FROM leases WHERE installation_id = :i AND holder = :h "
        "AND state = 'released' AND ended_at > :since",
        i=installation_id,
        h=holder,
        since=since,
    )


async def _rate(tx: Tx, which: str, **given: Any) -> Rate:
    row = await tx.one(f"SELECT COUNT(*) AS n, MIN(at) AS first_at FROM ({which}) q", **given)
    return {"n": int(row["n"]), "first_at": row["first_at"] or 0} if row else Rate(n=0, first_at=0)


def paths_of(lease: LeaseRow) -> list[str]:
    """The paths that the holder plans to touch."""
    found: list[str] = json_text.value(lease["paths"] or "[]")
    return found


async def was_held_by(tx: Tx, installation_id: int, task_id: str, holder: str) -> bool:
    """Whether a lease on the task was ever the holder's, as far back as leases are kept."""
    row = await tx.one(
        f"SELECT 1 AS n FROM {sql.by_index(tx.dialect, 'leases', 'ix_leases_task')} "
        "WHERE installation_id = :i AND task_id = :t AND holder = :h LIMIT 1",
        i=installation_id,
        t=task_id,
        h=holder,
    )
    return row is not None
