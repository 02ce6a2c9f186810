"""Agent runs: the rows, their trees, the queue, and what they used."""

from collections.abc import Collection, Sequence
from typing import Any, TypedDict

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.runs import AgentRunRow, RunState

COLUMNS = tuple(AgentRunRow.__annotations__)
# Those that take one of the places for runs at the same time.
LIVE: tuple[RunState, ...] = ("dispatched", "running", "stopping")
NOT_ENDED: tuple[RunState, ...] = ("queued", *LIVE)


class Used(TypedDict):
    """What the agents of some runs reported of their use. `cost` is in millionths."""

    tokens: int
    cost: int


async def add(tx: Tx, row: AgentRunRow) -> None:
    encoded = {**row, "inputs": json_text.text(row["inputs"])}
    await tx.run(sql.insert("agent_runs", COLUMNS), **encoded)


async def get(tx: Tx, installation_id: int, run_id: str) -> AgentRunRow | None:
    q = "SELECT * FROM agent_runs WHERE installation_id = :i AND id = :id"
    return _decode(await tx.one(q, i=installation_id, id=run_id))


async def lock(tx: Tx, installation_id: int, run_id: str) -> AgentRunRow | None:
    """Lock the run. Tasks are locked before runs, a run before the runs below it."""
    q = "SELECT * FROM agent_runs WHERE installation_id = :i AND id = :id FOR UPDATE"
    return _decode(await tx.one(q, i=installation_id, id=run_id))


async def change(tx: Tx, run: AgentRunRow, **values: Any) -> AgentRunRow:
    """Set columns of a locked run. Return the row as it is then."""
    sets = ", ".join(f"{column} = :{column}" for column in values)
    q = f"UPDATE agent_runs SET {sets} WHERE installation_id = :i AND id = :id"
    await tx.run(q, i=run["installation_id"], id=run["id"], **values)
    changed: Any = {**run, **values}
    row: AgentRunRow = changed
    return row


async def of_task(tx: Tx, installation_id: int, task_id: str) -> AgentRunRow | None:
    """The newest run for the task."""
    q = (
        f"SELECT * FROM {sql.by_index(tx.dialect, 'agent_runs', 'ix_agent_runs_task')} "
        "WHERE installation_id = :i AND task_id = :t ORDER BY created_at DESC, id DESC LIMIT 1"
    )
    return _decode(await tx.one(q, i=installation_id, t=task_id))


async def all_of_task(tx: Tx, installation_id: int, task_id: str, limit: int) -> list[AgentRunRow]:
    """The newest runs for the task, the newest first."""
    rows = await tx.all(
        f"SELECT * FROM {sql.by_index(tx.dialect, 'agent_runs', 'ix_agent_runs_task')} "
        "WHERE installation_id = :i AND task_id = :t ORDER BY created_at DESC, id DESC LIMIT :n",
        i=installation_id,
        t=task_id,
        n=limit,
    )
    return [each for row in rows if (each := _decode(row)) is not None]


async def live_of_task(tx: Tx, installation_id: int, task_id: str) -> AgentRunRow | None:
    """The newest run for the task that has not ended."""
    q = (
        f"SELECT * FROM {sql.by_index(tx.dialect, 'agent_runs', 'ix_agent_runs_task')} "
        "WHERE installation_id = :i AND task_id = :t AND state IN :states "
        "ORDER BY created_at DESC, id DESC LIMIT 1"
    )
    return _decode(await tx.one(q, i=installation_id, t=task_id, states=NOT_ENDED))


async def of_agent(tx: Tx, installation_id: int, agent_id: str) -> AgentRunRow | None:
    q = "SELECT * FROM agent_runs WHERE installation_id = :i AND agent_id = :a"
    return _decode(await tx.one(q, i=installation_id, a=agent_id))


async def asked_by(tx: Tx, installation_id: int, agent_ids: Collection[str]) -> list[AgentRunRow]:
    """The runs of agents below these that have not ended."""
    agents = sql.by_index(tx.dialect, "agents a", "ix_agents_parent")
    rows = await tx.all(
        f"SELECT r.* FROM {agents} {sql.IN_ORDER[tx.dialect]} agent_runs r "
        "ON r.installation_id = :i AND r.agent_id = a.id "
        "WHERE a.installation_id = :i AND a.parent_id IN :ids AND r.state IN :states "
        "ORDER BY r.id",
        i=installation_id,
        ids=sorted(agent_ids),
        states=NOT_ENDED,
    )
    return _rows(rows)


async def of_workflow_run(tx: Tx, installation_id: int, workflow_run_id: int) -> AgentRunRow | None:
    q = "SELECT * FROM agent_runs WHERE installation_id = :i AND workflow_run_id = :r"
    return _decode(await tx.one(q, i=installation_id, r=workflow_run_id))


async def of_write(tx: Tx, installation_id: int, write_id: str) -> AgentRunRow | None:
    q = "SELECT * FROM agent_runs WHERE installation_id = :i AND write_id = :w"
    return _decode(await tx.one(q, i=installation_id, w=write_id))


async def of_slot(
    tx: Tx, installation_id: int, repository_id: int, template: str, slot: int
) -> AgentRunRow | None:
    """The run that a schedule started for this time."""
    q = (
        "SELECT * FROM agent_runs WHERE installation_id = :i AND repository_id = :r "
        "AND template = :t AND schedule_slot = :s"
    )
    return _decode(await tx.one(q, i=installation_id, r=repository_id, t=template, s=slot))


async def last_scheduled(
    tx: Tx, installation_id: int, repository_id: int, template: str
) -> AgentRunRow | None:
    """The newest run of the template that a schedule started."""
    q = (
        f"SELECT * FROM {sql.by_index(tx.dialect, 'agent_runs', 'ix_agent_runs_slot')} "
        "WHERE installation_id = :i AND repository_id = :r AND template = :t "
        "AND schedule_slot IS NOT NULL ORDER BY schedule_slot DESC LIMIT 1"
    )
    return _decode(await tx.one(q, i=installation_id, r=repository_id, t=template))


async def tree(tx: Tx, installation_id: int, root_id: str) -> list[AgentRunRow]:
    """All runs of a tree, oldest first. The limit on children bounds how many there are."""
    q = (
        f"SELECT * FROM {sql.by_index(tx.dialect, 'agent_runs', 'ix_agent_runs_root')} "
        "WHERE installation_id = :i AND root_id = :r ORDER BY id"
    )
    return _rows(await tx.all(q, i=installation_id, r=root_id))


async def subtree(tx: Tx, run: AgentRunRow) -> list[AgentRunRow]:
    """The run and all runs below it, each after its parent."""
    everybody = await tree(tx, run["installation_id"], run["root_id"])
    return below(everybody, run["id"])


def below(everybody: Sequence[AgentRunRow], run_id: str) -> list[AgentRunRow]:
    """Of the runs of one tree: this one and all below it, each after its parent."""
    found = {run_id}
    for each in sorted(everybody, key=lambda row: row["depth"]):
        if each["parent_id"] in found:
            found.add(each["id"])
    kept = [each for each in everybody if each["id"] in found]
    return sorted(kept, key=lambda row: (row["depth"], row["id"]))


async def usage_of(
    tx: Tx, installation_id: int, agent_ids: Collection[str], currency: str
) -> dict[str, Used]:
    """What each of these agents reported in all: input and output tokens, and money."""
    rows = await tx.all(
        "SELECT subject, SUM(input_tokens + output_tokens) AS tokens, "
        "SUM(CASE WHEN currency = :c THEN cost ELSE 0 END) AS cost FROM usage_sums "
        "WHERE installation_id = :i AND scope = 'agent' AND subject IN :ids AND day = 0 "
        "GROUP BY subject",
        i=installation_id,
        ids=sorted(agent_ids),
        c=currency,
    )
    found = {row["subject"]: Used(tokens=int(row["tokens"]), cost=int(row["cost"])) for row in rows}
    return {each: found.get(each, Used(tokens=0, cost=0)) for each in agent_ids}


async def queue(tx: Tx, installation_id: int, repository_id: int, limit: int) -> list[AgentRunRow]:
    """The runs that wait for a place, those of high priority first, then the oldest."""
    rows = await tx.all(
        f"SELECT * FROM {sql.by_index(tx.dialect, 'agent_runs', 'ix_agent_runs_queue')} "
        "WHERE installation_id = :i AND repository_id = :r AND state = 'queued' "
        "ORDER BY priority DESC, created_at, id LIMIT :n",
        i=installation_id,
        r=repository_id,
        n=limit,
    )
    return _rows(rows)


async def live_counts(tx: Tx, installation_id: int, repository_id: int) -> dict[str, int]:
    """How many runs of each template have a place now."""
    rows = await tx.all(
        "SELECT template, COUNT(*) AS n FROM "
        f"{sql.by_index(tx.dialect, 'agent_runs', 'ix_agent_runs_queue')} "
        "WHERE installation_id = :i AND repository_id = :r AND state IN :states "
        "GROUP BY template",
        i=installation_id,
        r=repository_id,
        states=LIVE,
    )
    return {row["template"]: row["n"] for row in rows}


async def queued_count(tx: Tx, installation_id: int, repository_id: int) -> int:
    row = await tx.one(
        "SELECT COUNT(*) AS n FROM "
        f"{sql.by_index(tx.dialect, 'agent_runs', 'ix_agent_runs_queue')} "
        "WHERE installation_id = :i AND repository_id = :r AND state = 'queued'",
        i=installation_id,
        r=repository_id,
    )
    return int(row["n"]) if row else 0


def _rows(rows: Sequence[Any]) -> list[AgentRunRow]:
    return [row for each in rows if (row := _decode(each)) is not None]


def _decode(found: Any) -> AgentRunRow | None:
    row: AgentRunRow | None = found
    if row is not None:
        row["inputs"] = json_text.value(row["inputs"])
    return row
