"""What decides which agent gets a ready step first: load, record and spend of each."""

from collections.abc import Sequence
from typing import TypedDict

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.columns import Json
from store.tables.tasks import TaskState

# How many of an agent's last leases count.
LAST = 30


class EndedLease(TypedDict):
    """A lease that its holder ended with its work done, or that expired, and its task now."""

    holder: str
    state: str
    fence: int
    task_fence: int
    task_state: TaskState
    capabilities: Json
    # Of the step that the task is.
    workflow: str | None
    step: str | None


async def loads(tx: Tx, installation_id: int, agent_ids: Sequence[str]) -> dict[str, int]:
    """How many tasks each holds, or has reserved. Those with none are not in it."""
    leases = sql.by_index(tx.dialect, "leases", "ix_leases_holder")
    tasks = sql.by_index(tx.dialect, "tasks", "ix_tasks_reserved_for")
    rows = await tx.all(
        f"SELECT holder AS agent, COUNT(*) AS n FROM {leases} WHERE installation_id = :i "
        "AND holder IN :ids AND state IN ('held', 'parked') GROUP BY holder UNION ALL "
        f"SELECT assigned_to, COUNT(*) FROM {tasks} WHERE installation_id = :i "
        "AND assigned_to IN :ids AND state = 'assigned' GROUP BY assigned_to",
        i=installation_id,
        ids=tuple(agent_ids),
    )
    found: dict[str, int] = {}
    for row in rows:
        found[row["agent"]] = found.get(row["agent"], 0) + row["n"]
    return found


async def ended_leases(tx: Tx, installation_id: int, agent_ids: Sequence[str]) -> list[EndedLease]:
    """The last leases of each that were completed or expired."""
    rows: list[EndedLease] = await tx.all(
        "SELECT e.holder, e.state, e.fence, t.fence AS task_fence, t.state AS task_state, "
        "t.capabilities, w.name AS workflow, s.step FROM ("
        "SELECT holder, state, fence, task_id, ROW_NUMBER() OVER "
        "(PARTITION BY holder ORDER BY ended_at DESC, id) AS place "
        f"FROM {sql.by_index(tx.dialect, 'leases', 'ix_leases_holder')} "
        "WHERE installation_id = :i AND holder IN :ids AND state IN ('completed', 'expired')) e "
        f"{sql.IN_ORDER[tx.dialect]} tasks t ON t.installation_id = :i AND t.id = e.task_id "
        "LEFT JOIN workflow_steps s ON s.installation_id = :i AND s.task_id = t.id "
        "LEFT JOIN workflows w ON w.installation_id = :i AND w.id = s.workflow_id "
        f"WHERE e.place <= {LAST}",
        i=installation_id,
        ids=tuple(agent_ids),
    )
    for row in rows:
        row["capabilities"] = json_text.value(row["capabilities"])
    return rows


async def costs(tx: Tx, installation_id: int, agent_ids: Sequence[str]) -> dict[str, int]:
    """The cost that each has reported in all, in millionths.

    Only what is in the currency of most agents, because others cannot be compared with it.
    """
    rows = await tx.all(
        "SELECT subject, currency, cost FROM usage_sums WHERE installation_id = :i "
        "AND scope = 'agent' AND subject IN :ids AND day = 0 ORDER BY currency",
        i=installation_id,
        ids=tuple(agent_ids),
    )
    used = [row["currency"] for row in rows]
    most = max(sorted(set(used)), key=used.count, default=None)
    return {row["subject"]: row["cost"] for row in rows if row["currency"] == most}
