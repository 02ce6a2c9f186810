"""What happens to runs by time: those that wait for a place, and those to look at."""

from typing import NamedTuple

from store.engine import sql
from store.engine.transaction import Tx
from store.runs import runs


class RepositoryKey(NamedTuple):
    installation_id: int
    repository_id: int


class RunKey(NamedTuple):
    installation_id: int
    id: str
    due_at: int


async def waiting_repositories(tx: Tx, after: RepositoryKey, limit: int) -> list[RepositoryKey]:
    """The repositories in whose queue a run waits, in all installations, by key."""
    rows = await tx.all(
        "SELECT DISTINCT installation_id, repository_id FROM "
        f"{sql.by_index(tx.dialect, 'agent_runs', 'ix_agent_runs_state')} "
        "WHERE state = 'queued' AND (installation_id > :i "
        "OR (installation_id = :i AND repository_id > :r)) "
        "ORDER BY installation_id, repository_id LIMIT :n",
        i=after.installation_id,
        r=after.repository_id,
        n=limit,
    )
    return [RepositoryKey(row["installation_id"], row["repository_id"]) for row in rows]


async def due(tx: Tx, limit: int) -> list[RunKey]:
    """The runs of all installations to look at now, the most overdue first."""
    rows = await tx.all(
        "SELECT installation_id, id, due_at FROM agent_runs WHERE due_at <= :now "
        "ORDER BY due_at LIMIT :n",
        now=await tx.now(),
        n=limit,
    )
    return [RunKey(row["installation_id"], row["id"], row["due_at"]) for row in rows]


async def take(tx: Tx, key: RunKey, length: int) -> bool:
    """Put off when the run is due next, for the process that looks now. False for all others."""
    now = await tx.now()
    return bool(
        await tx.run(
            "UPDATE agent_runs SET due_at = CASE WHEN state IN :states THEN :later ELSE NULL END "
            "WHERE installation_id = :i AND id = :id AND due_at = :due",
            states=runs.LIVE,
            later=now + length,
            i=key.installation_id,
            id=key.id,
            due=key.due_at,
        )
    )


async def waiting_s(tx: Tx) -> dict[str, float]:
    """How many seconds the oldest run in a queue has waited, of all installations."""
    row = await tx.one(
        "SELECT MIN(created_at) AS at FROM "
        f"{sql.by_index(tx.dialect, 'agent_runs', 'ix_agent_runs_state')} WHERE state = 'queued'"
    )
    oldest = row["at"] if row else None
    return {"runs_waiting_seconds": (await tx.now() - oldest) / 1_000_000 if oldest else 0.0}
