"""No hot query's work grows with its installation, with its history, or with other tenants."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from bot.background import expiry, retention, sealing
from bot.background.retention import DAY, RetentionTimes
from bot.fetch import backfill
from bot.identity.actors import BOT
from bot.inbox import processing, worker
from bot.operations import OPERATIONS
from bot.outbox.joint_requests import JOINABLE
from fixtures.github import Issue, Pull
from store import events
from store.agents import agents, call_state
from store.agents.agents import Sought
from store.engine.database import open_store
from store.engine.transaction import Row, Tx
from store.fetch import backfills, pending_reads
from store.identity import credentials
from store.inbox import commands, deliveries, missed_deliveries
from store.inbox.deliveries import Delivery
from store.messages import (
    dead_letters,
    due_notices,
    late_readers,
    mailbox,
    messages,
    stored_notices,
)
from store.mirror import (
    freshness,
    mirror_rows,
    people,
    permissions,
    pulls,
    relations,
    stored_repositories,
    thread_people,
)
from store.outbox import pull_writes, write_cancellation, write_history, write_order, writes
from store.outbox.budgets import HOUR
from store.tables import TABLES
from store.tasks import (
    holders,
    leases,
    planned_relations,
    ready,
    related,
    task_branches,
    tasks,
)
from tests.conftest import sqlite_copy
from tests.support.rows_visited import CountingStore, Visits
from tests.support.story import Agent, Clock, Workspace, open_workspace
from tests.support.tenant import Tenant, fill
from webhooks import metrics

SMALL, LARGE = 300, 2000
# How much more may be visited at the larger size.
FACTOR, SLACK = 1.3, 20
# The number of an issue and of its task that others relate to, in `tests.support.tenant`.
ISSUE = 4_000_000_000_003
TASK = "t_00000000001000000002"
DEAD_LETTER = "m_00000000001000000021"
CODE = {"src/a.py": "a = 1\nb = 2\n", "README.md": "Read me\n"}


@dataclass
class Scene:
    """An installation in use, with what a call needs."""

    workspace: Workspace
    store: CountingStore
    lead: Agent
    me: Agent
    ada: Agent
    mine: Issue
    free: Issue
    other: Issue
    pull: Pull
    fence: int
    context_id: str
    message_id: str
    write_id: str
    tenant: Tenant
    cursor: str
    # The time, and the last number, when the scene was full.
    at: int = 0
    seq: int = 0

    @property
    def i(self) -> int:
        return self.tenant.installation_id

    @property
    def r(self) -> int:
        return self.tenant.repository_id


async def live_in(workspace: Workspace, store: CountingStore) -> Scene:
    person, repository = workspace.person, workspace.repository
    person.push(repository, "main", CODE)
    lead = await workspace.agent("lead", "tech-lead")
    me, ada = await workspace.agent("me"), await workspace.agent("ada")
    mine, free, other = [
        await workspace.task(f"Mend the {each}", "It smokes. " * 50)
        for each in ("pump", "valve", "sail")
    ]
    fence = (await me.call("claim_task", task=workspace.name(mine)))["fence"]
    await ada.call("claim_task", task=workspace.name(other))
    person.push(repository, "mend", {**CODE, "src/a.py": "a = 1\nb = 3\n"})
    pull = person.open_pull(repository, title="Mend it", head="mend", body=f"Closes #{mine.number}")
    person.comment(mine, "Look at the valve.")
    await workspace.settle()
    context = await me.call("create_context", name="notes", content="The valve sticks.")
    await leave_deliveries(workspace, store, mine)
    sent = await ada.call("send_message", to="me", body="Which valve?", task=workspace.name(mine))
    write = await me.write("github_comment_issue", issue=workspace.name(mine), body="The left one.")
    (row,) = await workspace.rows("SELECT target FROM writes WHERE id = :w", w=write["write_id"])
    (task,) = await workspace.rows("SELECT id FROM tasks WHERE number = :n", n=mine.number)
    events = await me.call("wait_for_events", topics=["tasks"])
    tenant = Tenant(
        installation_id=workspace.installation.id,
        repository_id=repository.id,
        agent_id="me",
        task_id=task["id"],
        number=mine.number,
        pull=pull.number,
        target=row["target"],
        thread_id=sent["message_id"],
        context_id=context["context"]["id"],
    )
    return Scene(
        workspace,
        store,
        lead,
        me,
        ada,
        mine,
        free,
        other,
        pull,
        fence,
        context["context"]["id"],
        sent["message_id"],
        write["write_id"],
        tenant,
        events["cursor"],
    )


async def leave_deliveries(workspace: Workspace, store: CountingStore, issue: Issue) -> None:
    """Leave a command that waits, and a delivery that nobody has processed."""
    workspace.person.comment(issue, "/priority high")
    await workspace.github.wait_for_deliveries()
    (row,) = await workspace.rows(
        "SELECT guid FROM deliveries WHERE installation_id = :i AND state = 'received'"
    )
    i = workspace.installation.id
    await processing.process(store, workspace.dispatcher.shared.keys, i, [row["guid"]])
    workspace.person.comment(issue, "It smokes again.")
    await workspace.github.wait_for_deliveries()


Does = Callable[[Scene], Awaitable[Any]]


def call(who: str, operation: str, **given: Any) -> Does:
    """A call of an agent. A text `$mine` stands for that attribute of the scene."""

    def value(scene: Scene, each: Any) -> Any:
        if isinstance(each, list):
            return [value(scene, item) for item in each]
        if not isinstance(each, str) or not each.startswith("$"):
            return each
        found = getattr(scene, each[1:])
        return f"acme/rocket#{found.number}" if isinstance(found, Issue | Pull) else found

    async def work(scene: Scene) -> None:
        agent: Agent = getattr(scene, who)
        await agent.call(operation, **{name: value(scene, each) for name, each in given.items()})

    return work


async def claim_nothing(scene: Scene) -> None:
    refused = await scene.me.refusal("claim_task", size="large")
    assert refused.code == "nothing_ready", refused


# Each operation with typical arguments.
CALLS: dict[str, Does] = {
    "register_agent": call("me", "register_agent", agent_id="me", name="Me"),
    "update_agent": call("me", "update_agent", checkpoint={"at": 1}, task="$mine"),
    "get_agent": call("lead", "get_agent", agent_id="me"),
    "list_agents": call("lead", "list_agents", limit=4),
    "list_agents, idle": call("lead", "list_agents", limit=4, status="idle"),
    "list_agents, testers": call("lead", "list_agents", limit=4, role="tester"),
    "manage_agent": call("lead", "manage_agent", agent_id="me", action="pause"),
    "invite_agent": call("lead", "invite_agent", agent_id="newcomer"),
    "create_task": call("me", "create_task", repository="acme/rocket", title="Paint it"),
    "create_tasks": call(
        "me", "create_tasks", repository="acme/rocket", tasks=[{"id": "a", "title": "Paint it"}]
    ),
    "assign_task": call("lead", "assign_task", task="$free", agent_id="me"),
    "change_task": call("lead", "change_task", task="$mine", priority="high"),
    "change_task, hold": call("lead", "change_task", task="$mine", hold=True),
    "claim_task": call("me", "claim_task", task="$free", paths=["src/b.py"]),
    "claim_task, the best": call("me", "claim_task"),
    "claim_task, the best here": call("me", "claim_task", repository="acme/rocket"),
    "claim_task, nothing fits": claim_nothing,
    "release_task": call("me", "release_task", task="$mine", fence="$fence"),
    "update_task_status": call(
        "me", "update_task_status", task="$mine", status="in_progress", fence="$fence", progress=9
    ),
    "update_task_status, completed": call(
        "me", "update_task_status", task="$mine", status="completed", fence="$fence"
    ),
    "get_task": call("me", "get_task", task="$mine"),
    "list_tasks": call("me", "list_tasks", limit=4),
    "list_tasks, any": call("me", "list_tasks", limit=4, state="any"),
    "list_tasks, ready": call("me", "list_tasks", limit=4, state="ready"),
    "list_tasks, blocked": call("me", "list_tasks", limit=4, state="blocked"),
    "list_tasks, completed": call("me", "list_tasks", limit=4, state="completed"),
    "list_tasks of a repository": call("me", "list_tasks", limit=4, repository="acme/rocket"),
    "list_tasks of a holder": call("me", "list_tasks", limit=4, holder="me"),
    "list_tasks of a last holder": call(
        "me", "list_tasks", limit=4, holder="me", state="completed"
    ),
    "list_tasks of a label": call("me", "list_tasks", limit=4, label="agent-task"),
    "list_tasks of an assignee": call("me", "list_tasks", limit=4, assignee="octocat"),
    "list_tasks in full": call("me", "list_tasks", limit=4, detail="full"),
    "explain_task": call("me", "explain_task", task="$other"),
    "send_message": call("me", "send_message", to="ada", body="The left one.", task="$mine"),
    "send_message to a role": call("me", "send_message", to="role:tech-lead", body="Done."),
    "get_messages": call("me", "get_messages", limit=4),
    "get_messages, sent": call("me", "get_messages", limit=4, state="sent"),
    "get_messages, dead": call("me", "get_messages", limit=4, state="dead"),
    "get_messages of a thread": call("me", "get_messages", limit=4, thread_id="$message_id"),
    "mark_message_read": call("me", "mark_message_read", message_id="$message_id"),
    "delete_message": call("me", "delete_message", message_id="$message_id"),
    "resend_message": call("me", "resend_message", message_id=DEAD_LETTER),
    "create_context": call("me", "create_context", name="plan", content={"a": 1}, task="$mine"),
    "update_context": call(
        "me", "update_context", context_id="$context_id", content="It moves.", expected_version=1
    ),
    "share_context": call("me", "share_context", context_id="$context_id", to="ada", access="read"),
    "get_context": call("me", "get_context", context_id="$context_id", history=True),
    "list_contexts": call("me", "list_contexts", limit=4),
    "list_contexts of a task": call("me", "list_contexts", limit=4, task="$mine"),
    "list_contexts, snapshots": call("me", "list_contexts", limit=4, snapshots=True),
    "restore_context": call("me", "restore_context", context_id="$context_id", version=1),
    "snapshot_contexts": call("me", "snapshot_contexts", name="now", context_ids=["$context_id"]),
    "github_create_issue": call(
        "me", "github_create_issue", repository="acme/rocket", title="Paint it"
    ),
    "github_update_issue": call("me", "github_update_issue", issue="$mine", title="Mend the pump"),
    "github_comment_issue": call("me", "github_comment_issue", issue="$mine", body="It moves."),
    "github_create_pr": call(
        "me", "github_create_pr", head="mend", title="Mend", task="$mine", fence="$fence"
    ),
    "github_update_pr": call("me", "github_update_pr", pull_request="$pull", title="Mend the pump"),
    "github_review_pr": call("ada", "github_review_pr", pull_request="$pull", body="Well done."),
    "github_commit_files": call(
        "me",
        "github_commit_files",
        branch="mend",
        message="Mend it",
        files=[{"path": "src/c.py", "content": "c = 1\n"}],
        task="$mine",
        fence="$fence",
    ),
    "github_report_check": call(
        "me", "github_report_check", repository="acme/rocket", sha="0" * 40, name="mine"
    ),
    "github_run_workflow": call(
        "lead", "github_run_workflow", repository="acme/rocket", workflow="tests.yml"
    ),
    "github_list_files": call("me", "github_list_files", task="$pull"),
    "github_read_files": call("me", "github_read_files", paths=["src/a.py"], task="$pull"),
    "github_get_diff": call("me", "github_get_diff", task="$pull"),
    "github_get_thread": call("me", "github_get_thread", task="$mine"),
    "github_get_thread of a pull request": call("me", "github_get_thread", task="$pull"),
    "github_search": call("me", "github_search", limit=4, query="valve"),
    "github_search, common word": call("me", "github_search", limit=4, query="mend"),
    "github_search of a repository": call(
        "me", "github_search", query="mend", repository="acme/rocket"
    ),
    "wait_for_events": call("me", "wait_for_events", topics=["tasks", "messages"]),
    "wait_for_events, one": call("me", "wait_for_events", topics=["$mine"]),
    "get_write": call("me", "get_write", write_id="$write_id"),
    "list_writes": call("me", "list_writes"),
    "list_writes of a task": call("me", "list_writes", task="$mine"),
    "list_writes, sent": call("me", "list_writes", state="sent"),
    "cancel_write": call("me", "cancel_write", write_id="$write_id"),
    "get_budget": call("me", "get_budget"),
    "report_usage": call("me", "report_usage", model="m-1", cost="0.01"),
}


Query = Callable[[Any, Scene], Awaitable[Any]]


def a_delivery(s: Scene) -> Delivery:
    return Delivery(s.i, "guid-3", "issues", "opened", s.r, b"{}")


def a_command(s: Scene, **more: Any) -> Any:
    key = {"installation_id": s.i, "source_kind": "comment", "source_id": 3, "text_hash": "hash"}
    place = {"repository_id": s.r, "number": s.tenant.number, "line": 1, "written_at": 1}
    return {**key, "nth": 1, **place, "state": "waiting", "received_at": 1, "text": "", **more}


def an_issue(s: Scene) -> Row:
    given = {"installation_id": s.i, "id": ISSUE, "repository_id": s.r, "number": 1_000_003}
    columns = {each.name: 0 if each.type is int else "" for each in TABLES["issues"].columns}
    return {**columns, "labels": "[]", "assignees": "[]", **given, "version": "1"}


def a_task(s: Scene) -> Any:
    place = {"installation_id": s.i, "repository_id": s.r, "full_name": "acme/rocket"}
    return {**place, "number": s.tenant.number, "pull_number": s.pull.number}


def part_of(source: int, target: int) -> Row:
    ends = {"source_name": "", "source_state": "open", "target_name": "", "target_state": "open"}
    return {"kind": "parent", "source_id": source, "target_id": target, **ends}


# What the loops and rare calls ask.
QUERIES: dict[str, Query] = {
    "receive a delivery": lambda tx, s: deliveries.receive(
        tx, [replace(a_delivery(s), guid="new")]
    ),
    "deliveries due": lambda tx, _: deliveries.due(tx, 100),
    "deliveries to process": lambda tx, s: deliveries.to_process(tx, s.i, ["guid-3"]),
    "a delivery": lambda tx, s: deliveries.get(tx, s.i, "guid-3"),
    "lock a delivery": lambda tx, s: deliveries.lock(tx, s.i, ["guid-3"]),
    "a processed delivery": lambda tx, s: deliveries.mark_processed(
        tx, s.i, "kept", {"guid-3": b""}
    ),
    "the oldest delivery": lambda tx, _: deliveries.oldest(tx),
    "lost deliveries due": lambda tx, _: missed_deliveries.due(tx),
    "commands due": lambda tx, _: commands.due(tx, 100),
    "lock a command": lambda tx, s: commands.lock(tx, a_command(s)),
    "later commands": lambda tx, s: commands.later_commands(tx, a_command(s)),
    "wake commands": lambda tx, s: commands.wake(tx, s.i, s.r),
    "a command that holds up others": lambda tx, s: commands.holds_up_others(tx, a_command(s)),
    "move commands": lambda tx, s: commands.move(tx, s.i, (s.r, s.tenant.number), (s.r, 4)),
    "how fresh the mirror is": lambda tx, s: freshness.of(tx, s.i),
    "put an issue": lambda tx, s: mirror_rows.put(tx, "issues", an_issue(s)),
    "lock a repository": lambda tx, s: stored_repositories.lock_repository(tx, s.i, s.r),
    "changed issues": lambda tx, s: mirror_rows.changed_between(tx, "issues", s.i, s.r, 5, 50),
    "a login": lambda tx, s: people.with_login(tx, s.i, "octocat"),
    "rename a person": lambda tx, s: holders.rename(tx, s.i, "@octocat", "@hubot"),
    "a permission": lambda tx, s: permissions.get(tx, s.i, s.r, "octocat", 7),
    "who takes part": lambda tx, s: thread_people.participants(tx, s.i, s.r, [s.tenant.number]),
    "who may decide": lambda tx, s: thread_people.deciders(tx, s.i, s.r),
    "tasks that wait for a write": lambda tx, s: planned_relations.waiting_for(tx, s.i, "w_3"),
    "relations that a task waits for": lambda tx, s: planned_relations.writes_of(tx, s.i, TASK),
    "tasks of a pull request": lambda tx, s: tasks.of_pull(tx, s.i, s.r, s.pull.number),
    "tasks of a commit": lambda tx, s: tasks.of_head(tx, s.i, s.r, "sha-7"),
    "tasks on hold of a branch": lambda tx, s: tasks.on_hold_for_branch(tx, s.i, s.r, "task-7"),
    "overdue leases": lambda tx, _: leases.overdue(tx, 100),
    "overdue reservations": lambda tx, _: tasks.reserved_before(tx, 5, 100),
    "claims of an hour": lambda tx, s: leases.granted_since(tx, s.i, "me", s.at - HOUR),
    "releases of an hour": lambda tx, s: leases.released_since(tx, s.i, "me", s.at - HOUR),
    "stuck tasks": lambda tx, s: due_notices.stuck_tasks(tx, s.i, s.at - HOUR, 5),
    "what a call of a lead must know": lambda tx, s: call_state.of(
        tx, s.i, "me", s.at - HOUR, leads=True
    ),
    "leases that may be unknown": lambda tx, s: due_notices.unconfirmed_leases(tx, s.i, "me", 5),
    "leases that end": lambda tx, s: due_notices.ending_leases(tx, s.i, "me", s.at, 5),
    "the next write of each": lambda tx, s: write_order.next_of_each(tx, s.i),
    "the bot's writes that go along": lambda tx, s: write_order.first_attempts(
        tx, s.i, BOT, JOINABLE, s.at
    ),
    "writes before": lambda tx, s: write_order.kinds_before(tx, s.i, s.seq, lane=1, author="me"),
    "the last write before": lambda tx, s: write_order.last_before(
        tx, s.i, s.tenant.target, "me", s.seq
    ),
    "who has something to send": lambda tx, _: write_order.waiting_installations(tx),
    "reads due": lambda tx, s: pending_reads.due(tx, s.i, 0),
    "wake reads": lambda tx, s: pending_reads.wake_parked(tx, s.i, s.r),
    "backfills due": lambda tx, s: backfills.due(tx, s.i),
    "refused backfills": lambda tx, _: backfills.long_refused(tx, 1),
    "how many writes of one": lambda tx, s: writes.count_of(tx, s.i, "me"),
    "a write lately": lambda tx, s: write_history.has_sent(tx, s.i, "me", ["comment"], s.at - HOUR),
    "failed writes": lambda tx, s: write_history.refusals(tx, s.i, "me", s.at - HOUR, 5),
    "who was asked for a review": lambda tx, s: write_history.asked_reviewers(
        tx, s.i, s.tenant.target
    ),
    "the pull request of a task": lambda tx, s: pull_writes.newest_of_task(
        tx, s.i, s.tenant.task_id
    ),
    "cancel what was queued under a lease": lambda tx, s: write_cancellation.cancel_of_lease(
        tx, s.i, s.tenant.task_id, "l_3", {}
    ),
    "cancel what is held back": lambda tx, s: write_cancellation.cancel_held_back(
        tx, s.i, "me", {}
    ),
    "cancel what others do": lambda tx, s: write_cancellation.cancel_succeeded(
        tx, s.i, [s.tenant.task_id], {}
    ),
    "expired messages": lambda tx, _: dead_letters.lock_expired_receipts(tx, 100),
    "messages to announce": lambda tx, s: mailbox.messages_to_announce(tx, s.i, "me", 5),
    "dead letters of all": lambda tx, s: dead_letters.page(tx, s.i, "~", 5),
    "messages for the next holder": lambda tx, s: messages.for_next_holder(
        tx, s.i, s.tenant.task_id, 5
    ),
    "earlier messages to a group": lambda tx, s: late_readers.earlier_messages(
        tx, s.i, "ada", ["everybody", "role:tester"], s.at - HOUR, 5
    ),
    "messages on a card": lambda tx, s: messages.on_card(tx, s.i, s.tenant.task_id),
    "unseen notices": lambda tx, s: stored_notices.unseen(tx, s.i, "me", s.at - HOUR),
    "newest notices": lambda tx, s: stored_notices.newest(tx, s.i, "me", 5),
    "mark notices": lambda tx, s: stored_notices.mark_seen(tx, s.i, "me", ("hold",), TASK, s.seq),
    "old notices": lambda tx, s: stored_notices.drop_old(tx, s.i, "me"),
    "a token": lambda tx, _: credentials.find_live(tx, "key-3", "api_key"),
    "an agent's owners": lambda tx, s: credentials.lock_owners(tx, s.i, "agent-3"),
    "sessions of a client": lambda tx, s: credentials.sessions_of_client(tx, s.i, "agent-3", "c"),
    "names of repositories": lambda tx, s: stored_repositories.names(tx, s.i, [101, 102], 5),
    "agents below": lambda tx, s: agents.page(tx, s.i, Sought(5, 3, parent="me"), "", 5),
    "levels below": lambda tx, s: agents.levels_below(tx, s.i, "me", 5),
    "blockers": lambda tx, s: relations.targets(tx, s.i, "blocked_by", ISSUE),
    "sub-issues": lambda tx, s: relations.sources(tx, s.i, "parent", ISSUE),
    "no blockers": lambda tx, s: relations.replace(tx, s.i, "blocked_by", ISSUE + 1, []),
    "other sub-issues": lambda tx, s: relations.replace(
        tx, s.i, "parent", ISSUE, [part_of(ISSUE + 40, ISSUE)]
    ),
    "a sub-issue": lambda tx, s: relations.put(tx, s.i, part_of(ISSUE + 40, ISSUE)),
    "no blocker": lambda tx, s: relations.remove(tx, s.i, "blocked_by", ISSUE + 1, ISSUE + 2),
    "no relations": lambda tx, s: relations.drop(tx, s.i, ISSUE),
    "tasks that an issue blocked": lambda tx, s: ready.unblocked_by(tx, s.i, ISSUE),
    "a task that is free": lambda tx, s: ready.unblocked_task(tx, s.i, ISSUE),
    "pull requests of a task": lambda tx, s: related.pulls_naming(tx, a_task(s), 20),
    "the pull request that a holder opened": lambda tx, s: related.pull_opened(tx, a_task(s)),
    "checks of a commit": lambda tx, s: pulls.check_runs(tx, s.i, s.r, "sha-7"),
    "threads of a review": lambda tx, s: pulls.unresolved_threads(tx, s.i, s.r, s.pull.number),
    "whose a branch is": lambda tx, s: task_branches.open_tasks(tx, s.i, s.r, "mend"),
    "when a review began": lambda tx, s: events.newest(tx, s.i, s.tenant.task_id, "task.in_review"),
}


def asking(query: Query) -> Does:
    async def work(scene: Scene) -> None:
        async def ask(tx: Tx) -> None:
            await query(tx, scene)

        await scene.store.write(ask)

    return work


async def send_next(s: Scene) -> None:
    await s.store.write(lambda tx: s.workspace.sender._turn(tx, s.i))


async def drop_old(s: Scene) -> None:
    await retention.step(
        s.store,
        s.workspace.dispatcher.shared.keys,
        RetentionTimes(30 * DAY, 30 * DAY, 30 * DAY),
        {},
    )


# A step of each loop.
LOOPS: dict[str, Does] = {
    "worker": lambda s: worker.step(s.store, s.workspace.dispatcher.shared),
    "reaper": lambda s: expiry.step(s.store),
    "backfill": lambda s: backfill.begin_missing(s.store),
    "retention": drop_old,
    "sealer": lambda s: sealing.step(s.store, s.workspace.dispatcher.shared.keys, 0),
    "sender": send_next,
    "metrics": lambda s: metrics._gauges(s.store),
}

EVERYTHING: dict[str, Does] = {
    **CALLS,
    **LOOPS,
    **{name: asking(query) for name, query in QUERIES.items()},
}

AGENTS = 4_000
# What is bounded by more rows than the smaller installation has: how many, and why.
BOUNDED: dict[str, tuple[int, str]] = {
    "list_agents": (AGENTS, "a page looks at 1,000 agents"),
    "list_agents, idle": (AGENTS, "a page looks at 1,000 agents"),
    "list_agents, testers": (AGENTS, "a page looks at 1,000 agents"),
    "list_contexts": (20_000, "a page looks at 1,000 contexts, each with its task and its grants"),
    "get_messages, dead": (4_000, "a page looks at 1,000 messages of the sender"),
    "send_message": (1_000, "the messages of an hour are limited"),
    "github_search": (1_500, "how common a word is, 500 texts say"),
    "github_search, common word": (1_500, "how common a word is, 500 texts say"),
    "github_search of a repository": (1_500, "how common a word is, 500 texts say"),
    "list_writes, sent": (5_000, "SQLite sorts what the agent sent while history is kept"),
    "get_task": (400, "with statistics, SQLite sorts the comments of an issue"),
    "github_comment_issue": (600, "with statistics, SQLite sorts the comments of an issue"),
    "who may decide": (800, "at most 500 people are looked up"),
}
# What grows, and why that is right.
GROWS: dict[str, str] = {
    "get_agent": "sums the hours in which the agent wrote, as long as history is kept",
    "claim_task": "compares its paths with those of all live claims",
    "claim_task, nothing fits": "looks at all that is ready",
    "list_tasks of an assignee": "looks for an assignee of few tasks in all open tasks",
    "send_message to a role": "asks of each agent whether it has the role",
    "retention": "sums the sizes of the code that is kept, every ten minutes",
    "metrics": "counts rows by their states",
    "rename a person": "happens once in a person's life",
}


@dataclass(frozen=True)
class Compared:
    small: Visits
    large: Visits

    @property
    def has_grown(self) -> bool:
        few, many = self.small.statements, self.large.statements
        if len(few) != len(many):
            return self.large.rows > FACTOR * self.small.rows + SLACK
        # Each for itself: what one grows by may be little beside what the others visit.
        return any(
            more > FACTOR * less + SLACK for (_, less), (_, more) in zip(few, many, strict=True)
        )

    def __str__(self) -> str:
        few, many = self.small.statements, self.large.statements
        if len(few) != len(many):
            rows, worst = max((rows, sql) for sql, rows in many)
            return f"{self.small.rows} and {self.large.rows} rows, of these {rows} by {worst}"
        pairs = zip(few, many, strict=True)
        _, less, more, worst = max((b[1] - a[1], a[1], b[1], b[0]) for a, b in pairs)
        return f"{less} and {more} rows by {worst}"


async def measure(url: str, size: int) -> dict[str, Visits]:
    """What everything visits, first without statistics about the rows, then with them."""
    clock = Clock()
    store = CountingStore(await open_store(url, clock))
    found = {}
    async with open_workspace(store, clock, None) as workspace:
        scene = await live_in(workspace, store)
        other = replace(scene.tenant, installation_id=scene.i + 1)
        for tenant in (scene.tenant, other):
            await store.write(partial(fill, tenant=tenant, size=size))
        scene.at = clock()
        for statistics in ("without statistics", "with statistics"):
            if statistics == "with statistics":
                await analyse(store)
            for name, does in EVERYTHING.items():
                store.visits = found[f"{name}, {statistics}"] = Visits()
                await does(scene)
            store.visits = None
    await store.close()
    return found


async def analyse(store: CountingStore) -> None:
    if store.dialect == "sqlite":
        await store.write(lambda tx: tx.run("ANALYZE"))
        return
    await store.read(lambda tx: tx.all(f"ANALYZE TABLE {', '.join(TABLES)}"))


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def visited(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Compared]:
    found = []
    for size in (SMALL, LARGE):
        if request.param == "sqlite":
            path = tmp_path_factory.mktemp("rows") / "hubbub.db"
            url = sqlite_copy(request.getfixturevalue("migrated_sqlite_file"), path)
        else:
            mariadb = request.getfixturevalue("mariadb")
            url = mariadb.copy(request.getfixturevalue("migrated_mysql"))
        found.append(asyncio.run(measure(url, size)))
    small, large = found
    return {name: Compared(small[name], large[name]) for name in small}


def test_no_work_grows_with_the_installation(visited: dict[str, Compared]) -> None:
    """Nor with its history or other installations, with or without statistics about the rows."""
    grown = [
        f"{name}: {compared}"
        for name, compared in visited.items()
        if compared.has_grown
        and what(name) not in GROWS
        and compared.large.rows > BOUNDED.get(what(name), (0, ""))[0]
    ]
    assert not grown, "\n".join(grown)


def what(name: str) -> str:
    return name.rpartition(", ")[0]


def test_what_may_grow_does(visited: dict[str, Compared]) -> None:
    assert BOUNDED.keys() <= EVERYTHING.keys()
    grown = {what(name) for name, compared in visited.items() if compared.has_grown}
    assert GROWS.keys() - grown == set()


# Words that MySQL 8 and 9 reserve and MariaDB does not.
RESERVED = frozenset(
    [
        "CUBE",
        "CUME_DIST",
        "DENSE_RANK",
        "EMPTY",
        "EXCEPT",
        "FIRST_VALUE",
        "FUNCTION",
        "GENERATED",
        "GET",
        "GROUPING",
        "GROUPS",
        "INTERSECT",
        "JSON_TABLE",
        "LAG",
        "LAST_VALUE",
        "LATERAL",
        "LEAD",
        "LIBRARY",
        "MANUAL",
        "NTH_VALUE",
        "NTILE",
        "OF",
        "OVER",
        "PARALLEL",
        "PERCENT_RANK",
        "QUALIFY",
        "RANK",
        "RECURSIVE",
        "ROW",
        "ROWS",
        "ROW_NUMBER",
        "STORED",
        "SYSTEM",
        "TABLESAMPLE",
        "VIRTUAL",
        "WINDOW",
    ]
)


def test_no_query_names_a_column_by_a_reserved_word(visited: dict[str, Compared]) -> None:
    """The tests run on MariaDB, which accepts these."""
    said = {sql for compared in visited.values() for sql, _ in compared.large.statements}
    named = {word.upper() for sql in said for word in re.findall(r"\bAS (\w+)", sql)}
    assert named & RESERVED == set()
    columns = {name.upper() for table in TABLES.values() for name in table.names}
    assert columns & RESERVED == set()


# What agents call most, and how much of what these calls select they read at least.
OFTEN = (
    "get_task",
    "list_tasks",
    "claim_task, the best",
    "update_task_status",
    "get_messages",
    "wait_for_events",
    "github_comment_issue",
    "github_get_thread",
)
LEAST_READ = 0.44


def test_frequent_calls_read_most_of_the_columns_that_they_select(
    visited: dict[str, Compared],
) -> None:
    read = {name: visited[f"{name}, without statistics"].large.share_read for name in OFTEN}
    assert {name: share for name, share in read.items() if share < LEAST_READ} == {}


# What these need is not at hand, and what they ask, others ask too.
NOT_MEASURED = {"github_move_card", "github_cancel_workflow"}


def test_every_operation_is_measured() -> None:
    assert OPERATIONS.keys() - CALLS.keys() == NOT_MEASURED
