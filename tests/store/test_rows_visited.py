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
from bot.inbox import worker
from bot.operations import OPERATIONS
from bot.outbox.joint_requests import JOINABLE
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
    consultations,
    dead_letters,
    due_notices,
    late_readers,
    mailbox,
    messages,
    stored_notices,
    wait_circles,
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
from store.outbox import (
    due_work,
    pull_writes,
    write_cancellation,
    write_history,
    write_order,
    writes,
)
from store.outbox.budgets import HOUR
from store.plugins import plugins
from store.runs import runs
from store.tables import TABLES
from store.tasks import (
    digests,
    holders,
    leases,
    planned_relations,
    ready,
    related,
    task_branches,
    tasks,
)
from tests.conftest import sqlite_copy, with_scheme
from tests.support import rare_statements, sql_texts
from tests.support.rows_visited import CountingStore, Visits
from tests.support.scattered import ALLOWED, SCATTERED
from tests.support.story import Clock, open_workspace
from tests.support.tenant import fill
from tests.support.usual_calls import CALLS, NOT_MEASURED, Does, Scene, live_in
from tests.support.vitess import findings
from webhooks import stored_metrics

# Beside other programs, what all of it visits takes more than the usual three minutes.
pytestmark = pytest.mark.timeout(600)

FASTER = "mysql+asyncmy"
SMALL, LARGE = 300, 2000
# How much more may be visited at the larger size.
FACTOR, SLACK = 1.3, 20
# The number of an issue and of its task that others relate to, in `tests.support.tenant`.
ISSUE = 4_000_000_000_003
TASK = "t_00000000001000000002"


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
    "reservations with an end": lambda tx, _: tasks.reserved_until(tx, 5, 100),
    "claims of an hour": lambda tx, s: leases.granted_since(tx, s.i, "me", s.at - HOUR),
    "releases of an hour": lambda tx, s: leases.released_since(tx, s.i, "me", s.at - HOUR),
    "stuck tasks": lambda tx, s: due_notices.stuck_tasks(tx, s.i, s.at - HOUR, 5),
    "what a call of a lead must know": lambda tx, s: call_state.of(
        tx, s.i, "me", s.at - HOUR, leads=True
    ),
    "leases that may be unknown": lambda tx, s: due_notices.unconfirmed_leases(tx, s.i, "me", 5),
    "leases that end": lambda tx, s: due_notices.ending_leases(tx, s.i, "me", s.at, 5),
    "what is due": lambda tx, s: due_work.of(tx, s.i),
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
    "the last answers on a card": lambda tx, s: commands.newest_of(tx, s.i, "card", 7),
    "the revision of a card": lambda tx, s: write_history.newest_attempt(
        tx, s.i, f"card {TASK}", "card"
    ),
    "the history of a task": lambda tx, s: events.of_subject(tx, s.i, s.tenant.task_id, 60),
    "digests due": lambda tx, _: digests.due(tx, 100),
    "tasks that ended lately": lambda tx, s: digests.ended_tasks(tx, s.i, s.r, s.at - HOUR, 21),
    "the run of a task": lambda tx, s: runs.of_task(tx, s.i, s.tenant.task_id),
    "the run of a workflow run": lambda tx, s: runs.of_workflow_run(tx, s.i, ISSUE),
    "the run of a write": lambda tx, s: runs.of_write(tx, s.i, "w_3"),
    "the run of a time": lambda tx, s: runs.of_slot(tx, s.i, s.r, "fixer", 3),
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
    "overdue consultations": lambda tx, _: consultations.overdue(tx, 50),
    "consultations without agents": lambda tx, _: consultations.without_agent(tx, 50),
    "circles that broke": lambda tx, _: wait_circles.with_broken(tx, 50),
    "broken circles": lambda tx, s: wait_circles.ids_of_broken(tx, s.i, 50),
    "circles of agents": lambda tx, s: wait_circles.living(tx, s.i, 50),
    "what an agent waits for": lambda tx, s: wait_circles.of_agents(tx, s.i, ["me"]),
    "waits because of an issue": lambda tx, s: wait_circles.between_issues(tx, s.i, [ISSUE]),
    "drop a circle": lambda tx, s: wait_circles.drop(tx, s.i, "d_3"),
    "who is in a circle": lambda tx, s: wait_circles.is_in_circle(tx, s.i, "me"),
    "who may see a repository": lambda tx, s: credentials.that_reach(tx, s.i, ["me"], s.r),
    "end a consultation": lambda tx, s: consultations.end(tx, s.i, "m_3", "answered", "me"),
    "withdraw a question": lambda tx, s: consultations.withdraw_unread(tx, s.i, "m_3"),
    "unseen answers": lambda tx, s: consultations.has_unseen(tx, s.i, "m_3"),
    "mark answers as seen": lambda tx, s: consultations.mark_seen(tx, s.i, "m_3"),
    "who got a question": lambda tx, s: consultations.busy_with(tx, s.i, "m_3"),
    "who has expired messages": lambda tx, _: dead_letters.with_expired_receipts(tx, 100),
    "expired messages": lambda tx, s: dead_letters.lock_expired_receipts(tx, s.i, 100),
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
    "metrics": lambda s: stored_metrics.render(s.store, s.workspace.dispatcher.shared),
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
    "get_fleet": (AGENTS, "a page looks at 1,000 agents"),
    "get_outbox": (2000, "it counts at most 200 writes of each state"),
    "get_outbox, sent": (2000, "it counts at most 200 writes of each state"),
    "count_tasks": (100_000, "it counts at most 10,000 tasks of each state"),
    "count_tasks of a repository": (100_000, "it counts at most 10,000 tasks of each state"),
    "list_attention": (12_000, "each of its queries looks at 500 rows, with what belongs to them"),
    "list_contexts": (20_000, "a page looks at 1,000 contexts, each with its task and its grants"),
    "get_messages, dead": (4_000, "a page looks at 1,000 messages of the sender"),
    "send_message": (1_000, "the messages of an hour are limited"),
    "consult_agents": (1_000, "the messages of an hour are limited"),
    "github_search": (1_500, "how common a word is, 500 texts say"),
    "github_search, common word": (1_500, "how common a word is, 500 texts say"),
    "github_search of a repository": (1_500, "how common a word is, 500 texts say"),
    "list_writes, sent": (5_000, "SQLite sorts what the agent sent while history is kept"),
    "get_task": (400, "with statistics, SQLite sorts the comments of an issue"),
    "github_comment_issue": (600, "with statistics, SQLite sorts the comments of an issue"),
    "the history of a task": (400, "with statistics, SQLite sorts the events of the task"),
    "who may decide": (800, "at most 500 people are looked up"),
    # By its plan, which varies: it stops at the first that it finds.
    "explain_task": (AGENTS, "with statistics, looks for tech-leads among all agents"),
}
# What grows, and why that is right.
GROWS: dict[str, str] = {
    "get_agent": "sums the hours in which the agent wrote, as long as history is kept",
    "claim_task": "compares its paths with those of all live claims",
    "release_task": "compares the pull requests that it blocked with the paths of all live claims",
    "manage_agent": "compares the pull requests that it blocked with the paths of all live claims",
    "update_task_status, completed": "compares pull requests with the paths of all live claims",
    "claim_task, nothing fits": "looks at all that is ready",
    "list_tasks of an assignee": "looks for an assignee of few tasks in all open tasks",
    "send_message to a role": "asks of each agent whether it has the role",
    "consult_agents, a vote": "asks of each agent whether it has the role",
    "retention": "sums the sizes of the code that is kept, every ten minutes",
    "metrics": "counts rows by their states",
    "get_usage": "counts the agents and open tasks, at most 10,000 of each",
    "get_insights": "reads what the last days recorded, at most 2,000 rows of each kind",
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
            # The driver plays no part, and this one takes a third of the time.
            url = with_scheme(mariadb.copy(request.getfixturevalue("migrated_mysql")), FASTER)
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


def test_every_operation_is_measured() -> None:
    assert OPERATIONS.keys() - CALLS.keys() == NOT_MEASURED


# --- Vitess ---------------------------------------------------------------------------------------

# What requests do beside operations: the webhook's intake, and authentication.
IN_REQUESTS = {*CALLS, "receive a delivery", "a token"}
# People see which plug-ins the server has. Their rows belong to no installation.
WITH_ROWS_OF_SERVER = {"list_plugins", "search_plugins"}


ON_MYSQL = pytest.mark.parametrize("visited", ["mysql"], indirect=True)


@pytest.fixture
def on_mysql(visited: dict[str, Compared]) -> dict[str, Visits]:
    """What was measured at the smaller size without statistics, in the SQL of MySQL."""
    return {what(name): each.small for name, each in visited.items() if "without" in name}


@ON_MYSQL
def test_a_request_runs_on_one_shard_of_vitess(on_mysql: dict[str, Visits]) -> None:
    for name in IN_REQUESTS:
        for sql, _ in on_mysql[name].statements:
            assert not findings(sql).scattered, (name, sql)
        of_server = {plugins.SERVER} if name in WITH_ROWS_OF_SERVER else set()
        for installations in on_mysql[name].installations:
            assert len(installations - of_server) <= 1, name


@ON_MYSQL
def test_vitess_refuses_no_statement_that_runs(on_mysql: dict[str, Visits]) -> None:
    refused = {
        sql: findings(sql).refused for each in on_mysql.values() for sql, _ in each.statements
    }
    assert {sql: why for sql, why in refused.items() if why} == {}


@ON_MYSQL
async def test_each_statement_of_the_store_was_compared_with_the_rules_of_vitess(
    on_mysql: dict[str, Visits],
) -> None:
    """As a text of the source, as what a call runs, or as an example."""
    ran = {place for each in on_mysql.values() for place in each.places}
    ran |= await rare_statements.places()
    unseen = [
        f"{place}, line {place.first}"
        for place, known in sql_texts.texts().items()
        if not known and str(place) not in ALLOWED and not any(place.has(*each) for each in ran)
    ]
    assert not unseen, "\n".join(unseen)


@ON_MYSQL
def test_each_scatter_query_is_named_and_is_one(on_mysql: dict[str, Visits]) -> None:
    places = sql_texts.texts()
    scattered = {str(p) for p, known in places.items() if any(findings(s).scattered for s in known)}
    for each in on_mysql.values():
        for (sql, _), ran_at in zip(each.statements, each.places, strict=True):
            if findings(sql).scattered:
                scattered |= {str(place) for place in places if place.has(*ran_at)}
    assert scattered - SCATTERED.keys() - ALLOWED.keys() == set()
    assert SCATTERED.keys() - scattered - rare_statements.SCATTERED == set()
