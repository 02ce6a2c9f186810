"""What was recorded lately in an installation, for reports. Each query reads a bounded part."""

from typing import TypedDict

from store.engine import json_text, reach, sql
from store.engine.reach import Reach
from store.engine.transaction import Tx
from store.tables.outbox import WriteRow
from store.tables.runs import RunState
from store.tables.tasks import TaskState

# Rows of each query at most: the newest.
MOST = 2000
# How far back a report reads the event log and the audit log, in rows of the installation.
MOST_RECORDED = 20_000


class EndedLease(TypedDict):
    """A lease that ended, and its task. `came_back_at`: when its holder claimed the task again."""

    id: str
    holder: str
    state: str
    lease_s: int
    granted_at: int
    renewed_at: int
    ended_at: int
    task_id: str
    number: int | None
    full_name: str
    came_back_at: int | None


class EndedTask(TypedDict):
    id: str
    number: int | None
    full_name: str
    state: TaskState
    last_holder: str | None
    failures: int


class Refusals(TypedDict):
    """Equal refusals of calls. `newest`: about which task or other thing the last one was."""

    actor: str
    operation: str
    code: str
    n: int
    newest: str


class Spent(TypedDict):
    """What an agent reported. `cost` is in millionths of the currency."""

    agent: str
    currency: str
    cost: int
    tokens: int
    reports: int


class Happened(TypedDict):
    at: int
    kind: str
    subject: str
    actor: str


class Review(TypedDict):
    """A review of a pull request, by an agent or a person."""

    repository_id: int
    number: int
    reviewer: str
    at: int


class Ran(TypedDict):
    id: str
    template: str
    full_name: str
    state: RunState
    why: str | None
    created_at: int
    dispatched_at: int | None


class RefusedCommand(TypedDict):
    full_name: str
    number: int
    verb: str
    asker: str
    answer: str | None


async def ended_leases(
    tx: Tx, installation_id: int, since: int, repositories: Reach = None
) -> list[EndedLease]:
    rows = sql.by_index(tx.dialect, "leases l", "ix_leases_ended")
    return await tx.all(
        "SELECT l.id, l.holder, l.state, l.lease_s, l.granted_at, l.renewed_at, l.ended_at, "
        "l.task_id, t.number, r.full_name, (SELECT MIN(n.granted_at) FROM leases n "
        "WHERE n.installation_id = l.installation_id AND n.task_id = l.task_id "
        "AND n.fence = l.fence + 1 AND n.holder = l.holder) AS came_back_at "
        f"FROM {rows} JOIN tasks t ON t.installation_id = l.installation_id AND t.id = l.task_id "
        "JOIN repositories r ON r.installation_id = t.installation_id AND r.id = t.repository_id "
        "WHERE l.installation_id = :i AND l.ended_at > :since"
        f"{reach.within(repositories, 't.repository_id')} ORDER BY l.ended_at DESC LIMIT :n",
        i=installation_id,
        since=since,
        n=MOST,
        **reach.parameters(repositories),
    )


async def ended_tasks(
    tx: Tx, installation_id: int, since: int, repositories: Reach = None
) -> list[EndedTask]:
    rows = sql.by_index(tx.dialect, "tasks t", "ix_tasks_ended_of_all")
    return await tx.all(
        "SELECT t.id, t.number, r.full_name, t.state, t.last_holder, t.failures "
        f"FROM {rows} JOIN repositories r ON r.installation_id = t.installation_id "
        "AND r.id = t.repository_id WHERE t.installation_id = :i AND t.ended_at > :since "
        "AND t.state IN ('completed', 'failed')"
        f"{reach.within(repositories, 't.repository_id')} ORDER BY t.ended_at DESC LIMIT :n",
        i=installation_id,
        since=since,
        n=MOST,
        **reach.parameters(repositories),
    )


async def refused_calls(tx: Tx, installation_id: int, since: int) -> list[Refusals]:
    """Refusals in the newest part of the audit log, the most frequent first."""
    return await tx.all(
        "SELECT actor, operation, code, SUM(calls) AS n, MAX(subject) AS newest FROM audit "
        "WHERE installation_id = :i AND seq > :from AND at > :since AND outcome = 'refused' "
        "AND actor <> '' GROUP BY actor, operation, code ORDER BY n DESC, actor LIMIT 50",
        i=installation_id,
        since=since,
        **await _newest_part(tx, installation_id),
    )


async def _newest_part(tx: Tx, installation_id: int) -> dict[str, int]:
    """From which number on the logs are read."""
    row = await tx.one("SELECT seq FROM heads WHERE installation_id = :i", i=installation_id)
    return {"from": (row["seq"] if row else 0) - MOST_RECORDED}


async def events_of(tx: Tx, installation_id: int, since: int, kind: str) -> list[Happened]:
    """Events of a kind in the newest part of the event log, the newest first."""
    return await tx.all(
        "SELECT at, kind, subject, actor FROM events WHERE installation_id = :i AND seq > :from "
        "AND at > :since AND kind = :kind ORDER BY seq DESC LIMIT :n",
        i=installation_id,
        since=since,
        kind=kind,
        n=MOST,
        **await _newest_part(tx, installation_id),
    )


async def worked_after(
    tx: Tx, installation_id: int, actor: str, subjects: tuple[str, ...], after: int
) -> int | None:
    """When an agent first called something about these subjects after a time."""
    row = await tx.one(
        f"SELECT MIN(at) AS at FROM {sql.by_index(tx.dialect, 'audit', 'ix_audit_subject')} "
        "WHERE installation_id = :i AND subject IN :subjects AND actor = :a AND at >= :after "
        "AND INSTR(operation, '.') = 0",
        i=installation_id,
        subjects=subjects,
        a=actor,
        after=after,
    )
    return row["at"] if row else None


async def reported_spend(tx: Tx, installation_id: int, since_day: int) -> list[Spent]:
    """What agents reported since a day since 1970, the most expensive first."""
    return await tx.all(
        "SELECT subject AS agent, currency, SUM(cost) AS cost, SUM(reports) AS reports, "
        "SUM(input_tokens + output_tokens) AS tokens FROM usage_sums "
        "WHERE installation_id = :i AND scope = 'agent' AND day >= :day "
        "GROUP BY subject, currency ORDER BY cost DESC, subject LIMIT 50",
        i=installation_id,
        day=since_day,
    )


async def writes_in(
    tx: Tx, installation_id: int, state: str, since: int, repositories: Reach = None
) -> list[WriteRow]:
    """The newest writes in a state, without their arguments and results."""
    rows = await tx.all(
        "SELECT id, kind, author, repository_id, queued_at, sending_at, finished_at, error, "
        f"task_id, state FROM {sql.by_index(tx.dialect, 'writes', 'ix_writes_queue')} "
        "WHERE installation_id = :i AND state = :s AND finished_at > :since"
        f"{reach.within(repositories, 'repository_id')} ORDER BY seq DESC LIMIT :n",
        i=installation_id,
        s=state,
        since=since,
        n=MOST,
        **reach.parameters(repositories),
    )
    return [row | {"error": row["error"] and json_text.value(row["error"])} for row in rows]


async def reviews(
    tx: Tx, installation_id: int, since: int, repositories: Reach = None
) -> list[Review]:
    """What agents and people said about pull requests since then, the oldest first."""
    own = await tx.all(
        "SELECT repository_id, number, reviewer, at FROM verdicts WHERE installation_id = :i "
        f"AND at > :since{reach.within(repositories, 'repository_id')} "
        "ORDER BY write_id DESC LIMIT :n",
        i=installation_id,
        since=since,
        n=MOST,
        **reach.parameters(repositories),
    )
    of_people = await tx.all(
        "SELECT repository_id, number, author AS reviewer, submitted_at AS at FROM reviews "
        "WHERE installation_id = :i AND submitted_at > :since AND deleted = 0 "
        f"AND INSTR(author, '[bot]') = 0{reach.within(repositories, 'repository_id')} "
        "ORDER BY id DESC LIMIT :n",
        i=installation_id,
        since=since,
        n=MOST,
        **reach.parameters(repositories),
    )
    for each in of_people:
        each["reviewer"] = f"@{each['reviewer']}"
    found: list[Review] = own + of_people
    return sorted(found, key=lambda each: each["at"])


async def runs(tx: Tx, installation_id: int, since: int, repositories: Reach = None) -> list[Ran]:
    return await tx.all(
        "SELECT a.id, a.template, r.full_name, a.state, a.why, a.created_at, a.dispatched_at "
        "FROM agent_runs a JOIN repositories r ON r.installation_id = a.installation_id "
        "AND r.id = a.repository_id WHERE a.installation_id = :i AND a.created_at > :since"
        f"{reach.within(repositories, 'a.repository_id')} ORDER BY a.created_at DESC LIMIT :n",
        i=installation_id,
        since=since,
        n=MOST,
        **reach.parameters(repositories),
    )


async def refused_commands(
    tx: Tx, installation_id: int, since: int, repositories: Reach = None
) -> list[RefusedCommand]:
    return await tx.all(
        "SELECT r.full_name, c.number, c.verb, c.asker, c.answer FROM repositories r "
        f"{sql.IN_ORDER[tx.dialect]} commands c ON c.installation_id = r.installation_id "
        "AND c.repository_id = r.id AND c.state = 'refused' "
        "WHERE r.installation_id = :i AND c.answered_at > :since"
        f"{reach.within(repositories, 'r.id')} ORDER BY c.answered_at DESC LIMIT :n",
        i=installation_id,
        since=since,
        n=MOST,
        **reach.parameters(repositories),
    )
