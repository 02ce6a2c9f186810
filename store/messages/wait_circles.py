"""Which agents wait for which, and the circles of them that were found."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from store.engine import key_values, sql
from store.engine.transaction import Row, Tx
from store.tables.consultations import WaitCircleRow, WaitKind

COLUMNS = tuple(WaitCircleRow.__annotations__)
# People hold tasks too. They are no part of a circle of agents.
AT_WORK = "('in_progress', 'in_review')"
IS_OPEN = "state = 'open' AND expires_at > :now"
# Whether the wait `e` of a circle still exists.
LIVES = (
    "((e.kind = 'answer' AND EXISTS (SELECT 1 FROM consultations c "
    "WHERE c.installation_id = e.installation_id AND c.id = e.subject AND c.state = 'open' "
    "AND c.expires_at > :now)) "
    "OR (e.kind = 'task' AND EXISTS (SELECT 1 FROM tasks t "
    "JOIN tasks b ON b.installation_id = t.installation_id AND b.id = e.blocker "
    "JOIN relations r ON r.installation_id = t.installation_id AND r.kind = 'blocked_by' "
    "AND r.source_id = t.issue_id AND r.target_id = b.issue_id AND r.cyclic = 0 "
    "WHERE t.installation_id = e.installation_id AND t.id = e.subject "
    f"AND t.holder = e.waiter AND b.holder = e.awaited AND t.state IN {AT_WORK} "
    f"AND b.state IN {AT_WORK})))"
)

# Whether all waits of the circle of `q` exist.
LIVING = (
    "NOT EXISTS (SELECT 1 FROM wait_circles e WHERE e.installation_id = q.installation_id "
    f"AND e.circle_id = q.circle_id AND NOT {LIVES})"
)


@dataclass(frozen=True)
class Wait:
    """`waiter` waits for `awaited`. `subject`: the question, or its task; `blocker`: the other."""

    waiter: str
    awaited: str
    kind: WaitKind
    subject: str
    blocker: str | None = None


def _waits(dialect: sql.Dialect, whose: str, tasks: str, relation: str) -> str:
    """SQL: waits by the conditions on the consultation, the waiting task and the relation."""
    consultations = sql.by_index(dialect, "consultations", "ix_consultations_asker")
    held = sql.by_index(dialect, "tasks t", "ix_tasks_newest_of")
    return (
        "SELECT asker AS waiter, sole AS awaited, 'answer' AS kind, id AS subject, NULL AS blocker "
        f"FROM {consultations} WHERE installation_id = :i AND {whose} AND {IS_OPEN} "
        "AND sole IS NOT NULL "
        "UNION ALL SELECT t.holder, b.holder, 'task', t.id, b.id "
        f"FROM {held} {sql.IN_ORDER[dialect]} relations r "
        "ON r.installation_id = :i AND r.kind = 'blocked_by' "
        f"AND r.source_id = t.issue_id AND r.cyclic = 0{relation} "
        "JOIN tasks b ON b.installation_id = :i AND b.issue_id = r.target_id "
        f"WHERE t.installation_id = :i AND {tasks} AND t.state IN {AT_WORK} "
        f"AND b.state IN {AT_WORK} AND b.holder <> t.holder"
    )


async def of_agents(tx: Tx, installation_id: int, agents: Collection[str]) -> list[Wait]:
    """What these agents wait for."""
    q = _waits(tx.dialect, "asker IN :agents", "t.holder IN :agents", "")
    rows = await tx.all(q, i=installation_id, agents=sorted(agents), now=await tx.now())
    return _of_rows(rows)


async def between_issues(tx: Tx, installation_id: int, issue_ids: Collection[int]) -> list[Wait]:
    """The waits between holders because of relations of these issues that block them."""
    rows = await tx.all(
        "SELECT t.holder AS waiter, b.holder AS awaited, 'task' AS kind, t.id AS subject, "
        "b.id AS blocker FROM relations r "
        "JOIN tasks t ON t.installation_id = :i AND t.issue_id = r.source_id "
        "JOIN tasks b ON b.installation_id = :i AND b.issue_id = r.target_id "
        "WHERE r.installation_id = :i AND r.kind = 'blocked_by' AND r.source_id IN :ids "
        f"AND r.cyclic = 0 AND t.state IN {AT_WORK} AND b.state IN {AT_WORK} "
        "AND b.holder <> t.holder",
        i=installation_id,
        ids=sorted(issue_ids),
    )
    return _of_rows(rows)


def _of_rows(rows: Sequence[Row]) -> list[Wait]:
    return [
        Wait(row["waiter"], row["awaited"], row["kind"], row["subject"], row["blocker"])
        for row in rows
        if not row["waiter"].startswith("@") and not row["awaited"].startswith("@")
    ]


async def lock(tx: Tx, installation_id: int) -> None:
    """Lock the waits of the installation until the transaction ends.

    Without it two transactions could close one circle and neither would see it.
    """
    await key_values.lock_of(tx, installation_id, "waits")


async def add(
    tx: Tx, installation_id: int, circle_id: str, circle: Sequence[Wait], at: int
) -> None:
    rows = [
        {
            "installation_id": installation_id,
            "circle_id": circle_id,
            "place": place,
            "waiter": wait.waiter,
            "awaited": wait.awaited,
            "kind": wait.kind,
            "subject": wait.subject,
            "blocker": wait.blocker,
            "found_at": at,
        }
        for place, wait in enumerate(circle)
    ]
    await tx.many(sql.insert("wait_circles", COLUMNS), rows)


async def with_broken(tx: Tx, limit: int) -> list[int]:
    """Installations with circles of which a wait has ended."""
    q = f"SELECT DISTINCT e.installation_id FROM wait_circles e WHERE NOT {LIVES} LIMIT :n"
    rows = await tx.all(q, now=await tx.now(), n=limit)
    return [row["installation_id"] for row in rows]


async def ids_of_broken(tx: Tx, installation_id: int, limit: int) -> list[str]:
    """Circles of which a wait has ended."""
    rows = await tx.all(
        "SELECT DISTINCT e.circle_id FROM wait_circles e WHERE e.installation_id = :i "
        f"AND NOT {LIVES} ORDER BY e.circle_id LIMIT :n",
        i=installation_id,
        now=await tx.now(),
        n=limit,
    )
    return [row["circle_id"] for row in rows]


async def living(tx: Tx, installation_id: int, limit: int) -> list[WaitCircleRow]:
    """The waits of the circles that exist, circle by circle."""
    return await tx.all(
        f"SELECT q.* FROM wait_circles q WHERE q.installation_id = :i AND {LIVING} "
        "ORDER BY q.circle_id, q.place LIMIT :n",
        i=installation_id,
        now=await tx.now(),
        n=limit,
    )


async def is_in_circle(tx: Tx, installation_id: int, agent_id: str) -> bool:
    q = "SELECT 1 AS n FROM wait_circles WHERE installation_id = :i AND waiter = :a LIMIT 1"
    return await tx.one(q, i=installation_id, a=agent_id) is not None


async def drop(tx: Tx, installation_id: int, circle_id: str) -> list[Wait]:
    """Forget a circle. Return those of its waits that still exist."""
    rows = await tx.all(
        "SELECT * FROM wait_circles e WHERE e.installation_id = :i AND e.circle_id = :c "
        f"AND {LIVES}",
        i=installation_id,
        c=circle_id,
        now=await tx.now(),
    )
    q = "DELETE FROM wait_circles WHERE installation_id = :i AND circle_id = :c"
    await tx.run(q, i=installation_id, c=circle_id)
    return _of_rows(rows)
