"""Fills an installation with many rows of everything, as it has them after months of work.

A row is numbered `k`, from 1. Each column has an expression over `k` that both engines understand,
or a default by its type. Half of what has an owner belongs to one agent, so that its history grows
with the installation. One task has sixty rows of each kind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from store.engine.transaction import Tx
from store.outbox.budgets import HOUR
from store.tables import TABLES
from store.tables.columns import Column, Default, Json

# What the servers call their limit to a recursion.
RECURSION = {"mysql": "cte_max_recursion_depth", "mariadb": "max_recursive_iterations"}
COUNT = (
    "WITH RECURSIVE n (k) AS (SELECT :first UNION ALL SELECT k + 1 FROM n WHERE k < :last) "
    "SELECT k FROM n"
)
Expressions = Mapping[str, str]


@dataclass(frozen=True)
class Tenant:
    """Whose rows are filled in. `target`: that of the writes on the issue of the task."""

    installation_id: int
    repository_id: int
    agent_id: str
    task_id: str
    number: int
    pull: int
    target: str
    thread_id: str
    context_id: str


def _by(modulus: int, default: str, **cases: str) -> str:
    """`k` modulo a number decides: `_by(10, "'done'", r0="'open'")`."""
    whens = " ".join(f"WHEN {rest[1:]} THEN {value}" for rest, value in cases.items())
    return f"CASE k % {modulus} {whens} ELSE {default} END"


# Ten minutes lie between two rows, and the last one is new.
AT = ":now - (:size - k + 1) * 600000000"
# 20, by which most states are chosen, is no multiple of 3: each repository has all of them.
REPOSITORY = ":r + k % 3"
ID = "4000000000000 + k"
NUMBER = "1000000 + k"
TASK = "'t_0000000000' || (1000000000 + k)"
LEASE = "'l_0000000000' || (1000000000 + k)"
AGENT = "'agent-' || k"
HALF_MINE = f"CASE WHEN k % 2 = 0 THEN :me ELSE {AGENT} END"
# The newest rows belong to the one task. No task lives for ever.
IS_OF_TASK = ":size - k < 60"
MINE_OR_NOT = f"CASE WHEN {IS_OF_TASK} THEN :me ELSE {AGENT} END"
OF_TASK = f"CASE WHEN {IS_OF_TASK} THEN :mine ELSE {TASK} END"
ON_ISSUE = f"CASE WHEN {IS_OF_TASK} THEN :number ELSE {NUMBER} END"
IN_REPOSITORY = f"CASE WHEN {IS_OF_TASK} THEN :r ELSE {REPOSITORY} END"
SHA = "'sha-' || k"
SEQ = ":head + k"

# Of 20 tasks, one each is ready, reserved, blocked, in progress, in review, on hold, and beyond
# the agent's capabilities; the others have ended.
TASK_STATE = _by(
    20,
    "'completed'",
    r0="'pending'",
    r1="'assigned'",
    r2="'pending'",
    r3="'in_progress'",
    r4="'in_review'",
    r5="'pending'",
    r6="'pending'",
    r7="'failed'",
    r8="'cancelled'",
)
WORKFLOW_STATE = _by(3, "'completed'", r1="'running'")
IS_OPEN = "k % 20 < 7"
IS_LIVE = "k % 20 IN (3, 4)"

ROWS: dict[str, Expressions] = {
    "issues": {
        "id": ID,
        "repository_id": REPOSITORY,
        "number": NUMBER,
        "title": "'Mend it'",
        "body": "'It smokes, and nobody knows why.'",
        "state": f"CASE WHEN {IS_OPEN} THEN 'open' ELSE 'closed' END",
        "author": "'octocat'",
        "author_association": "'NONE'",
        "labels": """'["agent-task"]'""",
        "created_at": AT,
        "updated_at": AT,
        "version": "'0'",
    },
    "tasks": {
        "id": TASK,
        "repository_id": REPOSITORY,
        "issue_id": ID,
        "number": NUMBER,
        "title": "'Mend it'",
        "state": TASK_STATE,
        "held": _by(20, "0", r5="1"),
        "held_by": _by(20, "NULL", r5="'@octocat'"),
        "stuck_at": _by(20, "NULL", r5=AT),
        "priority": "k % 3",
        "capabilities": _by(20, "'[]'", r6="""'["cobol"]'"""),
        "assigned_to": _by(20, "NULL", r1=AGENT),
        "assigned_by": _by(20, "NULL", r1="'@octocat'"),
        "assigned_at": _by(20, "NULL", r1=":now - 60000000"),
        "lease_id": f"CASE WHEN {IS_LIVE} THEN {LEASE} END",
        "holder": f"CASE WHEN {IS_LIVE} THEN {AGENT} END",
        "last_holder": f"CASE WHEN {IS_OPEN} THEN NULL ELSE {HALF_MINE} END",
        "fence": f"CASE WHEN {IS_OPEN} AND NOT {IS_LIVE} THEN 0 ELSE 1 END",
        "branch": "'task-' || k",
        "pull_number": _by(20, "2000000 + k", r0="NULL", r1="NULL", r2="NULL", r5="NULL"),
        "created_at": AT,
        "updated_at": AT,
    },
    "leases": {
        "id": LEASE,
        "task_id": f"CASE WHEN {IS_LIVE} THEN {TASK} ELSE {OF_TASK} END",
        "holder": f"CASE WHEN {IS_LIVE} THEN {AGENT} ELSE {HALF_MINE} END",
        "fence": "1",
        "state": _by(
            20, "'completed'", r3="'held'", r4="'parked'", r6="'released'", r7="'expired'"
        ),
        "lease_s": "900",
        "expires_at": _by(20, AT, r3=":now + 900000000", r4="NULL"),
        "granted_at": AT,
        "renewed_at": AT,
        "ended_at": f"CASE WHEN {IS_LIVE} THEN NULL ELSE {AT} END",
        "ended_why": f"CASE WHEN {IS_LIVE} THEN NULL ELSE 'done' END",
        "paths": """'["src/' || k || '.py"]'""",
        "known": "2",
    },
    "relations": {
        "kind": "CASE WHEN k % 2 = 0 THEN 'blocked_by' ELSE 'parent' END",
        "source_id": ID,
        # What is ready waits only for issues that are closed.
        "target_id": f"CASE k % 20 WHEN 0 THEN 7 ELSE 1 END + {ID}",
        "source_name": "'acme/r#' || k",
        "source_state": f"CASE WHEN {IS_OPEN} THEN 'open' ELSE 'closed' END",
        "target_name": "'acme/r#' || (k + 1)",
        "target_state": f"CASE WHEN {IS_OPEN} THEN 'open' ELSE 'closed' END",
    },
    "planned_relations": {
        "task_id": _by(20, "'t_none-' || k", r1=TASK, r2=TASK),
        "write_id": "'w_0000000000' || k",
    },
    "pull_requests": {
        "id": f"1000000000 + {ID}",
        "repository_id": IN_REPOSITORY,
        "number": "2000000 + k",
        "title": "'Mend it'",
        "body": "'Closes it.'",
        "state": f"CASE WHEN {IS_OF_TASK} THEN 'open' ELSE 'closed' END",
        "merged": f"CASE WHEN {IS_OF_TASK} THEN 0 ELSE 1 END",
        "head_ref": "'task-' || k",
        "head_sha": SHA,
        "base_ref": "'main'",
        "author": "'octocat'",
        "author_association": "'NONE'",
        "created_at": AT,
        "updated_at": AT,
        "version": "'0'",
    },
    "pull_links": {
        "repository_id": REPOSITORY,
        "pull_number": "2000000 + k",
        "issue_number": NUMBER,
        "how": "'closes'",
    },
    "pull_files": {
        "repository_id": IN_REPOSITORY,
        "number": "2000000 + k",
        "head_sha": SHA,
        "files": """'[{"path": "src/a.py", "status": "modified"}]'""",
        "whole": "1",
    },
    "comments": {
        "id": ID,
        "repository_id": IN_REPOSITORY,
        "number": ON_ISSUE,
        "body": "'Look at the valve.'",
        "author": "'octocat'",
        "author_association": "'NONE'",
        "created_at": AT,
        "updated_at": AT,
        "version": "'0'",
    },
    "reviews": {
        "id": ID,
        "repository_id": REPOSITORY,
        "number": "2000000 + k",
        "state": "'approved'",
        "author": "'octocat'",
        "author_association": "'NONE'",
        "submitted_at": AT,
        "updated_at": AT,
        "version": "'0'",
    },
    "review_comments": {
        "id": ID,
        "repository_id": REPOSITORY,
        "number": "2000000 + k",
        "path": "'src/a.py'",
        "author": "'octocat'",
        "author_association": "'NONE'",
        "created_at": AT,
        "updated_at": AT,
        "version": "'0'",
    },
    "review_threads": {
        "node_id": "'T_' || k",
        "repository_id": REPOSITORY,
        "number": "2000000 + k",
        "comment_id": ID,
        "resolved": "1",
        "version": "'0'",
    },
    "refs": {"repository_id": REPOSITORY, "name": "'task-' || k", "sha": SHA, "pushed_at": AT},
    "check_runs": {
        "id": ID,
        "repository_id": REPOSITORY,
        "head_sha": SHA,
        "name": "'tests'",
        "app": "'ci'",
        "status": "'completed'",
        "conclusion": "'success'",
        "completed_at": AT,
        "version": "'0'",
    },
    "workflow_runs": {
        "id": ID,
        "repository_id": REPOSITORY,
        "head_sha": SHA,
        "status": "'completed'",
        "created_at": AT,
        "updated_at": AT,
        "version": "'0'",
    },
    "workflow_jobs": {
        "id": ID,
        "repository_id": REPOSITORY,
        "run_id": ID,
        "status": "'completed'",
        "completed_at": AT,
        "version": "'0'",
    },
    "project_items": {
        "id": ID,
        "node_id": "'PVTI_' || k",
        "project_node_id": "'PVT_1'",
        "content_node_id": "'I_' || k",
        "content_type": "'Issue'",
        "version": "'0'",
    },
    "code_objects": {
        "repository_id": IN_REPOSITORY,
        "kind": "'blob'",
        "id": SHA,
        "size": "1",
        "used_at": AT,
    },
    "search_texts": {
        "doc": ":i % 1000000 * 1000000000 + k",
        "kind": "'issue'",
        "repository_id": REPOSITORY,
        "number": NUMBER,
        "author_key": "'octocat'",
        "state": f"CASE WHEN {IS_OPEN} THEN 'open' ELSE 'closed' END",
        "labels": ":labels",
        "terms": "'w_mend w_n' || k",
    },
    "permissions": {
        "repository_id": IN_REPOSITORY,
        "login_key": "'login-' || k",
        "permission": "'write'",
        "fetched_at": AT,
        "person_id": ID,
    },
    "people": {"id": ID, "login": "'login-' || k", "login_key": "'login-' || k"},
    "verdicts": {
        "write_id": "'w_0000000000' || (1000000000 + k)",
        "repository_id": REPOSITORY,
        "number": "2000000 + k",
        "reviewer": HALF_MINE,
        "verdict": "'approved'",
        "head_sha": SHA,
        "at": AT,
    },
    "deliveries": {
        "guid": "'guid-' || k",
        "event": "'issues'",
        "action": "'edited'",
        "repository_id": IN_REPOSITORY,
        "state": "'processed'",
        "outcome": "'mirrored'",
        "attempts": "1",
        "not_before": AT,
        "received_at": AT,
        "processed_at": AT,
        "number": ON_ISSUE,
    },
    "commands": {
        "source_kind": "'comment'",
        "source_id": ID,
        "text_hash": "'hash'",
        "nth": "1",
        "repository_id": IN_REPOSITORY,
        "number": ON_ISSUE,
        "verb": "'status'",
        "asker": "'octocat'",
        "state": "'done'",
        "not_before": AT,
        "written_at": AT,
        "received_at": AT,
        "answered_at": AT,
    },
    "pending_reads": {
        "kind": "'issue'",
        "subject": "'issue-' || k",
        "arguments": "'{}'",
        "state": "'answered'",
        "not_before": AT,
        "asked_at": AT,
        "answered_at": AT,
        "asker": HALF_MINE,
    },
    "backfills": {
        "repository_id": f"100 + {ID}",
        "part": "'issues'",
        "state": "'done'",
        "not_before": "0",
        "started_at": AT,
        "finished_at": AT,
    },
    "writes": {
        "id": "'w_0000000000' || (1000000000 + k)",
        "seq": SEQ,
        "kind": "'comment'",
        "repository_id": REPOSITORY,
        "target": f"CASE WHEN {IS_OF_TASK} THEN :target ELSE 'issue ' || k END",
        "arguments": "'{}'",
        "author": HALF_MINE,
        "task_id": OF_TASK,
        "lease_id": LEASE,
        "state": _by(20, "'sent'", r1="'superseded'", r2="'cancelled'", r3="'refused'"),
        "attempts": "1",
        "not_before": AT,
        "queued_at": AT,
        "sending_at": AT,
        "finished_at": AT,
        "result": "'{}'",
        "error": """'{"code": "closed", "message": "It is closed."}'""",
        "told_at": AT,
    },
    # All have ended: few runs of a repository run or wait at once.
    "agent_runs": {
        "id": "'r_0000000000' || (1000000000 + k)",
        "repository_id": REPOSITORY,
        "template": "'fixer'",
        "task_id": OF_TASK,
        "agent_id": "'actions-fixer-' || k",
        "role": "'developer'",
        "model": "'m-1'",
        "priority": "1",
        "workflow": "'agent.yml'",
        "ref": "'main'",
        "inputs": "'{}'",
        "root_id": "'r_0000000000' || (1000000000 + k)",
        "depth": "0",
        "asked_by": HALF_MINE,
        "state": _by(3, "'succeeded'", r1="'failed'"),
        "workflow_run_id": ID,
        "created_at": AT,
        "started_at": AT,
        "ended_at": AT,
    },
    "workflow_definitions": {
        "repository_id": REPOSITORY,
        "name": "'flow-' || k",
        "definition": '\'{"steps": [{"id": "a", "title": "A", "body": "B"}]}\'',
        "problem": "NULL",
        "read_at": AT,
    },
    "workflows": {
        "id": "'wf_000000000' || (1000000000 + k)",
        "repository_id": REPOSITORY,
        "name": "'flow-' || k",
        "definition": "'{}'",
        "inputs": "'{}'",
        "parent_task_id": OF_TASK,
        "started_by": HALF_MINE,
        # None runs under the one task, so that its holder can complete it.
        "state": f"CASE WHEN {IS_OF_TASK} THEN 'completed' ELSE {WORKFLOW_STATE} END",
        "most_open": "10",
        "created_at": AT,
        "updated_at": AT,
        "ended_at": AT,
    },
    "workflow_steps": {
        "workflow_id": "'wf_000000000' || (1000000000 + k)",
        "step": "'a'",
        "task_id": TASK,
        "place": "0",
        "definition": '\'{"id": "a", "title": "A", "body": "B"}\'',
        "state": _by(3, "'completed'", r1="'open'"),
    },
    "spending": {
        "hour": ":hour - :size + k",
        "author": HALF_MINE,
        "requests": "1",
        "last_at": AT,
    },
    "agents": {
        "id": AGENT,
        "name": AGENT,
        "system_name": "'claude'",
        "role": "CASE WHEN k % 10 = 0 THEN 'tester' ELSE 'developer' END",
        "capabilities": "'[]'",
        "registered_at": AT,
        "last_active_at": ":now - 60000000",
        "health": "NULL",
    },
    "credentials": {
        "id": "'key-' || :i || '-' || k",
        "kind": "'api_key'",
        "actor": AGENT,
        "role": "'developer'",
        "hash": "'hash'",
        "created_at": AT,
        "revoked_at": AT,
    },
    "messages": {
        "id": "'m_0000000000' || (1000000000 + k)",
        "seq": SEQ,
        "thread_id": "CASE WHEN k % 2 = 0 THEN :thread ELSE 'm_0000000000' || (1000000000 + k) END",
        "sender": f"CASE WHEN k % 3 = 0 THEN :me ELSE {AGENT} END",
        "recipient": f"CASE WHEN k % 3 = 0 THEN {AGENT} ELSE :me END",
        "task_id": OF_TASK,
        "priority": "1",
        "body": "'Look at the valve.'",
        "sent_at": AT,
        "expires_at": ":now + 86400000000",
    },
    "receipts": {
        "agent_id": f"CASE WHEN k % 3 = 0 THEN {AGENT} ELSE :me END",
        "message_id": "'m_0000000000' || (1000000000 + k)",
        "state": _by(20, "'read'", r1="'dead'"),
        "priority": "1",
        "seq": SEQ,
        "read_at": AT,
        "attempts": "1",
        "expires_at": ":now + 86400000000",
        "dead_why": _by(20, "NULL", r1="'expired'"),
        "ended_at": AT,
        "told_at": AT,
    },
    "consultations": {
        "id": "'m_0000000000' || (1000000000 + k)",
        "asker": f"CASE WHEN k % 3 = 0 THEN :me ELSE {AGENT} END",
        "state": "'answered'",
        "outcome": AGENT,
        "created_at": AT,
        "expires_at": AT,
        "ended_at": AT,
    },
    "consultation_answers": {
        "consultation_id": "'m_0000000000' || (1000000000 + k)",
        "agent_id": AGENT,
        "message_id": "'m_0000000000' || (1000000001 + k)",
        "at": AT,
        "seen_at": AT,
    },
    "notices": {
        # Hubbub keeps the newest 50 of an agent.
        "agent_id": f"CASE WHEN :size - k < 50 THEN :me ELSE {AGENT} END",
        "seq": SEQ,
        "kind": "'task_ready'",
        "subject": TASK,
        "message": "'A task is ready.'",
        "created_at": AT,
        "seen_at": AT,
    },
    "events": {
        "seq": SEQ,
        "at": AT,
        "kind": "'task.progress'",
        "subject": OF_TASK,
        "actor": HALF_MINE,
        "data": """'{"progress": 1}'""",
        "repository_id": REPOSITORY,
    },
    "audit": {
        "seq": SEQ,
        "at": AT,
        "actor": HALF_MINE,
        "operation": "'update_task_status'",
        "subject": OF_TASK,
        "data": "'{}'",
    },
    "audit_seals": {
        "number": "k",
        "at": AT,
        "after_seq": f"{SEQ} - 1",
        "to_seq": SEQ,
        "covered": "1",
    },
    "requests": {"request_key": "'key-' || k", "at": AT, "result": "'{}'"},
    "contexts": {
        "id": "'c_0000000000' || (1000000000 + k)",
        "name": "'notes/' || k",
        "owner": MINE_OR_NOT,
        "kind": "'text'",
        "version": "1",
        "task_id": OF_TASK,
        "created_at": AT,
        "updated_at": AT,
    },
    "context_versions": {
        "context_id": "'c_0000000000' || (1000000000 + k)",
        "version": "1",
        "author": MINE_OR_NOT,
        "at": AT,
        "checksum": "''",
    },
    "context_grants": {
        "context_id": "'c_0000000000' || (1000000000 + k)",
        "grantee": HALF_MINE,
        "access": "'read'",
        "granted_by": "'lead'",
        "granted_at": AT,
    },
    "context_snapshots": {
        "id": "'s_0000000000' || (1000000000 + k)",
        "name": "'before'",
        "author": MINE_OR_NOT,
        "at": AT,
        "members": "'{}'",
    },
    "checkpoints": {"agent_id": AGENT, "task_id": TASK, "saved_at": AT},
}
REPOSITORIES: Expressions = {
    "id": ":r + k",
    "full_name": "'acme/r' || k",
    "full_name_key": "'acme/r' || k",
    "private": "1",
    "default_branch": "'main'",
    "selected": "1",
    "version": "'0'",
}


def _default(column: Column) -> str:
    if column.nullable:
        return "NULL"
    if column.type is int:
        return "0"
    if column.type is bytes:
        return "x'00'"
    return "'[]'" if column.type is Json else "''"


async def insert(
    tx: Tx, table: str, expressions: Expressions, size: int, first: int = 1, /, **given: Any
) -> None:
    """Insert as many rows, whose `k` counts from `first`. `given`: what expressions name else."""
    missing = {
        column.name: _default(column)
        for column in TABLES[table].columns
        if column.name not in expressions
        and not any(isinstance(mark, Default) for mark in column.marks)
    }
    columns: dict[str, str] = {**missing, "installation_id": ":i", **expressions}
    if tx.dialect != "sqlite":
        await tx.run(f"SET {RECURSION[tx.dialect]} = 2000000")
    await tx.run(
        f"INSERT INTO {table} ({', '.join(columns)}) "
        f"SELECT {', '.join(columns.values())} FROM ({COUNT}) q",
        size=size,
        first=first,
        last=first + size - 1,
        **given,
    )


async def fill(tx: Tx, tenant: Tenant, size: int) -> None:
    """Fill every table with so many rows."""
    head = await tx.one(
        "SELECT seq FROM heads WHERE installation_id = :i", i=tenant.installation_id
    )
    given = {
        "i": tenant.installation_id,
        "r": tenant.repository_id,
        "me": tenant.agent_id,
        "mine": tenant.task_id,
        "number": tenant.number,
        "target": tenant.target,
        "thread": tenant.thread_id,
        "labels": "\nagent-task\n",
        "head": head["seq"] if head else 0,
        "now": await tx.now(),
        "hour": await tx.now() // HOUR,
    }
    await insert(tx, "repositories", REPOSITORIES, 2, **given)
    for table, expressions in ROWS.items():
        await insert(tx, table, expressions, size, **given)
    await tx.run(
        "UPDATE heads SET seq = seq + :size WHERE installation_id = :i",
        size=size,
        i=tenant.installation_id,
    )
