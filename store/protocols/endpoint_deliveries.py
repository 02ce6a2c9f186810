"""What waits for agents with an endpoint, what is being delivered, and what was."""

from collections.abc import Sequence
from typing import Any

from store.engine import ids, json_text, sql
from store.engine.transaction import Tx
from store.protocols import endpoints
from store.tables.protocols import DeliveryKind, DeliveryState, EndpointDeliveryRow

COLUMNS = tuple(EndpointDeliveryRow.__annotations__)
# The bell that wakes the loops.
TOPIC = "endpoints"
OPEN = "state IN ('waiting', 'sending')"


async def queue(
    tx: Tx,
    installation_id: int,
    agent_ids: Sequence[str],
    kind: DeliveryKind,
    subject: str,
    remote_id: str | None = None,
) -> int:
    """Queue it for those of the agents that have an endpoint which is on. Return how many."""
    found = await endpoints.protocols(tx, installation_id, agent_ids)
    reached = [agent for agent, (_, state) in found.items() if state != "off"]
    if not reached:
        return 0
    now = await tx.now()
    await tx.many(
        sql.insert("endpoint_deliveries", COLUMNS),
        [_new(installation_id, each, kind, subject, remote_id, now) for each in reached],
    )
    await tx.run(
        "UPDATE agent_endpoints SET due_at = CASE WHEN due_at < :now THEN due_at ELSE :now END "
        "WHERE installation_id = :i AND agent_id IN :agents",
        now=now,
        i=installation_id,
        agents=reached,
    )
    tx.rings.add(TOPIC)
    return len(reached)


def _new(
    installation_id: int,
    agent_id: str,
    kind: DeliveryKind,
    subject: str,
    remote_id: str | None,
    now: int,
) -> dict[str, Any]:
    return {
        "installation_id": installation_id,
        "id": ids.new("e", now),
        "agent_id": agent_id,
        "kind": kind,
        "subject": subject,
        "state": "waiting",
        "attempts": 0,
        "failures": 0,
        "not_before": now,
        "remote_id": remote_id,
        "data": None,
        "created_at": now,
        "ended_at": None,
        "error": None,
    }


async def queue_cancel(tx: Tx, installation_id: int, agent_id: str, task_id: str) -> None:
    """Drop the delivery of a task that the agent lost. If it was begun, queue a cancellation."""
    found = await endpoints.get(tx, installation_id, agent_id)
    if found is None:
        return
    rows = await _of_task(tx, installation_id, agent_id, task_id)
    await tx.run(
        "UPDATE endpoint_deliveries SET state = 'dropped', ended_at = :now "
        "WHERE installation_id = :i AND agent_id = :a AND kind = 'task' AND subject = :t "
        "AND state = 'waiting'",
        now=await tx.now(),
        i=installation_id,
        a=agent_id,
        t=task_id,
    )
    begun = [row for row in rows if row["attempts"] or row["remote_id"]]
    if begun and begun[0]["state"] != "failed":
        remote_id = begun[0]["remote_id"]
        await queue(tx, installation_id, [agent_id], "cancel", task_id, remote_id)


async def _of_task(
    tx: Tx, installation_id: int, agent_id: str, task_id: str
) -> list[EndpointDeliveryRow]:
    """The deliveries of a task among the agent's newest ones, the newest first."""
    rows = await newest(tx, installation_id, agent_id, 200)
    return [row for row in rows if row["kind"] == "task" and row["subject"] == task_id]


async def newest(
    tx: Tx, installation_id: int, agent_id: str, limit: int
) -> list[EndpointDeliveryRow]:
    index = sql.by_index(tx.dialect, "endpoint_deliveries", "ix_endpoint_deliveries_agent")
    rows = await tx.all(
        f"SELECT * FROM {index} WHERE installation_id = :i AND agent_id = :a "
        "ORDER BY created_at DESC LIMIT :n",
        i=installation_id,
        a=agent_id,
        n=limit,
    )
    return [decode(row) for row in rows]


async def get(tx: Tx, installation_id: int, delivery_id: str) -> EndpointDeliveryRow | None:
    q = "SELECT * FROM endpoint_deliveries WHERE installation_id = :i AND id = :d"
    row = await tx.one(q, i=installation_id, d=delivery_id)
    return decode(row) if row else None


async def lock_next(tx: Tx, installation_id: int, agent_id: str) -> EndpointDeliveryRow | None:
    """Lock the next delivery of an endpoint that is locked.

    One that is being sent comes first: its process has ended.
    """
    index = sql.by_index(tx.dialect, "endpoint_deliveries", "ix_endpoint_deliveries_next")
    parts = (
        f"SELECT * FROM (SELECT id, not_before, {rank} AS place FROM {index} WHERE "
        f"installation_id = :i AND agent_id = :a AND state = '{state}' AND not_before <= :now "
        f"ORDER BY not_before LIMIT 1) {state}_one"
        for rank, state in ((0, "sending"), (1, "waiting"))
    )
    q = f"{' UNION ALL '.join(parts)} ORDER BY place, not_before LIMIT 1"
    first = await tx.one(q, i=installation_id, a=agent_id, now=await tx.now())
    if first is None:
        return None
    row = await tx.one(
        "SELECT * FROM endpoint_deliveries WHERE installation_id = :i AND id = :d FOR UPDATE",
        i=installation_id,
        d=first["id"],
    )
    return decode(row) if row else None


async def begin(tx: Tx, row: EndpointDeliveryRow) -> EndpointDeliveryRow:
    """Mark a locked delivery as being sent."""
    attempts = row["attempts"] + 1
    await tx.run(
        "UPDATE endpoint_deliveries SET state = 'sending', attempts = :n "
        "WHERE installation_id = :i AND id = :d",
        n=attempts,
        i=row["installation_id"],
        d=row["id"],
    )
    return {**row, "state": "sending", "attempts": attempts}


async def record(
    tx: Tx,
    row: EndpointDeliveryRow,
    state: DeliveryState,
    *,
    not_before: int | None = None,
    failures: int = 0,
    remote_id: str | None = None,
    data: Any = None,
    error: str | None = None,
) -> bool:
    """Record how an attempt ended. False if another process took the delivery, or dropped it.

    What is None stays as it is, except for the error.
    """
    return bool(
        await tx.run(
            "UPDATE endpoint_deliveries SET state = :s, error = :error, ended_at = :ended, "
            "not_before = COALESCE(:at, not_before), failures = :failures, "
            "remote_id = COALESCE(:remote, remote_id), data = COALESCE(:data, data) "
            "WHERE installation_id = :i AND id = :d AND state = :was AND attempts = :n",
            s=state,
            error=error and error[:300],
            ended=None if state in ("waiting", "sending") else await tx.now(),
            at=not_before,
            failures=failures,
            remote=remote_id and remote_id[:255],
            data=None if data is None else json_text.text(data),
            i=row["installation_id"],
            d=row["id"],
            was=row["state"],
            n=row["attempts"],
        )
    )


async def drop_waiting(tx: Tx, installation_id: int, agent_id: str) -> None:
    """Drop all that waits for an agent."""
    await tx.run(
        "UPDATE endpoint_deliveries SET state = 'dropped', ended_at = :now "
        f"WHERE installation_id = :i AND agent_id = :a AND {OPEN}",
        now=await tx.now(),
        i=installation_id,
        a=agent_id,
    )


async def tasks_waiting(tx: Tx, installation_id: int, agent_id: str) -> list[str]:
    """The ids of the tasks that wait for an agent, or are being delivered."""
    index = sql.by_index(tx.dialect, "endpoint_deliveries", "ix_endpoint_deliveries_next")
    rows = await tx.all(
        f"SELECT DISTINCT subject FROM {index} WHERE installation_id = :i AND agent_id = :a "
        f"AND {OPEN} AND kind = 'task' ORDER BY subject LIMIT 1000",
        i=installation_id,
        a=agent_id,
    )
    return [row["subject"] for row in rows]


def decode(row: Any) -> EndpointDeliveryRow:
    row = row | {"data": row["data"] and json_text.value(row["data"])}
    found: EndpointDeliveryRow = row
    return found
