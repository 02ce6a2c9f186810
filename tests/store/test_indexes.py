"""Every query of the hot paths walks an index, on both engines: none looks at a whole table."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from store import events
from store.agents import agent_keys, agents
from store.agents.agents import Sought
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.engine.transaction import Row, Store, Tx
from store.fetch import backfills, pending_reads
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
    search_index,
    stored_issues,
    stored_repositories,
    thread_people,
)
from store.outbox import pull_writes, write_cancellation, write_history, write_order, writes
from store.tables.schema import metadata
from store.tasks import holders, leases, open_claims, planned_relations, ready, task_branches, tasks
from store.tasks.ready import Wanted
from tests.support.plans import plan
from tests.support.story import Clock

HERE, R = 7, 70
# So many that the optimiser has a choice.
ROWS = 3000
# These stay few, which tempts an optimiser to begin with them.
FEW = {"repositories": 30}
# Most lost deliveries. Where all are due, MySQL sometimes walks the whole index in order.
NOT_DUE = {"not_before": 2**62}
FILLED = (
    "repositories",
    "deliveries",
    "commands",
    "issues",
    "pull_requests",
    "comments",
    "reviews",
    "tasks",
    "leases",
    "writes",
    "pending_reads",
    "messages",
    "receipts",
    "notices",
    "relations",
    "planned_relations",
    "pull_links",
    "check_runs",
    "review_threads",
    "permissions",
    "agent_keys",
    "agents",
    "spending",
    "lost_deliveries",
    "backfills",
    # MySQL's plan for an empty table says nothing about a full one.
    "search_texts",
    "pull_files",
)
STATES = {
    "deliveries": ("processed",) * 40 + ("received", "failed", "dead"),
    "commands": ("done",) * 40 + ("waiting",),
    "tasks": ("completed",) * 20 + ("pending", "in_progress", "in_review"),
    "leases": ("released",) * 20 + ("held",),
    "writes": ("sent",) * 40 + ("queued", "sending", "unknown"),
    "pending_reads": ("answered",) * 40 + ("queued",),
    "receipts": ("read",) * 20 + ("pending", "dead"),
    "backfills": ("done",) * 40 + ("queued",),
}


# What many rows have in common, as they have in life.
MANY_OF_ONE = {"messages": ("sender", "task_id", "thread_id")}


def row_of(table: sa.Table, n: int) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for c in table.columns:
        if c.name == "installation_id":
            row[c.name] = HERE + n % 3
        elif c.name == "repository_id" or (table.name, c.name) == ("repositories", "id"):
            row[c.name] = R + n % 10
        elif c.name == "selected":
            row[c.name] = 1
        elif c.name == "version":
            row[c.name] = f"{n:053d}"
        elif c.name == "state":
            states = STATES.get(table.name, ("open", "closed"))
            row[c.name] = states[n % len(states)]
        elif c.name in MANY_OF_ONE.get(table.name, ()):
            row[c.name] = f"{n % 10}"
        elif isinstance(c.type, sa.LargeBinary):
            row[c.name] = b"{}"
        elif isinstance(c.type, sa.Integer):
            row[c.name] = n if c.primary_key or c.name not in ("deleted", "held") else 0
        else:
            row[c.name] = f"{n}" if c.name not in ("labels", "assignees", "arguments") else "[]"
    return row | (NOT_DUE if table.name == "lost_deliveries" and n % 40 else {})


class Recording:
    """Notes each statement on its way to the engine."""

    def __init__(self, tx: Tx) -> None:
        self.tx = tx
        self.said: list[tuple[str, Row]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tx, name)

    async def all(self, sql: str, **params: Any) -> list[Row]:
        self.said.append((sql, params))
        return await self.tx.all(sql, **params)

    async def one(self, sql: str, **params: Any) -> Row | None:
        self.said.append((sql, params))
        return await self.tx.one(sql, **params)

    async def run(self, sql: str, **params: Any) -> int:
        self.said.append((sql, params))
        return await self.tx.run(sql, **params)


def listing(**given: Any) -> Callable[[Tx], Awaitable[Any]]:
    asked: dict[str, Any] = {
        "states": ("pending", "in_progress"),
        "repository_id": None,
        "holder": None,
        "after": None,
        "limit": 20,
        **given,
    }
    return lambda tx: tasks.page(tx, HERE, **asked)


A_DELIVERY = Delivery(HERE, "new", "issues", "opened", R, b"{}")
A_COMMAND: Any = row_of(metadata.tables["commands"], 123)
WORDS = search_index.Query(["w_engine", "w_smoke"])
PART: Row = {"kind": "parent"} | {
    f"{end}_{column}": value
    for end, id_ in (("source", 3), ("target", 4))
    for column, value in (("id", id_), ("name", ""), ("state", "open"))
}
HOT: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "receive": lambda tx: deliveries.receive(tx, [A_DELIVERY]),
    "due": lambda tx: deliveries.due(tx, 100),
    "get": lambda tx: deliveries.get(tx, HERE, "3"),
    "take": lambda tx: deliveries.lock(tx, HERE, ["3", "4"]),
    "unprocessed": lambda tx: deliveries.unprocessed(tx, HERE, ["3", "4"]),
    "processed": lambda tx: deliveries.mark_processed(
        tx, HERE, "mirrored", {"3": b"{}", "4": b"{}"}
    ),
    "with task": lambda tx: tasks.threads_with_task(tx, HERE, R, [3, 4]),
    "commands due": lambda tx: commands.due(tx, 100),
    "a command": lambda tx: commands.lock(tx, A_COMMAND),
    "later commands": lambda tx: commands.later_commands(tx, A_COMMAND),
    "commands awake": lambda tx: commands.wake(tx, HERE, R),
    "fresh": lambda tx: freshness.of(tx, HERE),
    "put": lambda tx: mirror_rows.put(tx, "issues", row_of(metadata.tables["issues"], 3)),
    "lock": lambda tx: stored_repositories.lock_repository(tx, HERE, R),
    "issue": lambda tx: stored_issues.issue(tx, HERE, R, 3),
    "comments": lambda tx: stored_issues.newest_comments(tx, HERE, R, 3, 10),
    "changed": lambda tx: mirror_rows.changed_between(tx, "issues", HERE, R, 5, 50),
    "list open": listing(),
    "list page": listing(after=(100, "t")),
    "list of a repository": listing(repository_id=R),
    "list of a holder": listing(holder="3"),
    "list of an ended task's last holder": listing(holder="3", states=("completed", "failed")),
    "list of blocked ones": listing(states=("pending", "assigned"), blocked=True),
    "what a page waits for": lambda tx: relations.awaited_by(tx, HERE, {3, 4}),
    "whose relations are planned": lambda tx: planned_relations.waiting_among(tx, HERE, ["3"]),
    "planned relations of a task": lambda tx: planned_relations.writes_of(tx, HERE, "3"),
    "tasks that wait for a write": lambda tx: planned_relations.waiting_for(tx, HERE, "3"),
    "list of a state": listing(states=("completed",)),
    "list, far down": listing(states=tuple(STATES["tasks"][19:]), after=(30, "t")),
    "list of a label": listing(label="bug"),
    "list of an assignee": listing(assignee="octocat"),
    "ready": lambda tx: ready.page(tx, HERE, "a", Wanted(), None, 20),
    "ready for anybody": lambda tx: ready.page(tx, HERE, "a", Wanted(anybody=True), None, 20),
    "ready here": lambda tx: ready.page(tx, HERE, "a", Wanted(R), None, 20),
    "by number": lambda tx: tasks.by_number(tx, HERE, R, 3),
    "of issue": lambda tx: tasks.of_issue(tx, HERE, 3),
    "of pull": lambda tx: tasks.of_pull(tx, HERE, R, 3),
    "overdue": lambda tx: leases.overdue(tx, 100),
    "renew": lambda tx: leases.renew(tx, HERE, "3", 10),
    "what to tell": lambda tx: due_notices.due_kinds(tx, HERE, "3", 10, 5),
    "next write": lambda tx: write_order.next_of_each(tx, HERE),
    "next read": lambda tx: pending_reads.due(tx, HERE, 0),
    "next page": lambda tx: backfills.due(tx, HERE),
    "refused parts": lambda tx: backfills.long_refused(tx, 1),
    "parked reads": lambda tx: pending_reads.wake_parked(tx, HERE, R),
    "a person's new login": lambda tx: holders.rename(tx, HERE, "@octocat", "@hubot"),
    "waiting": write_order.waiting_installations,
    "what may go out": lambda tx: write_order.lines(tx, HERE),
    "writes before": lambda tx: write_order.kinds_before(tx, HERE, 9, lane=1, author="3"),
    "the last write before": lambda tx: write_order.last_before(tx, HERE, "3", "4", 9),
    "an agent's writes": lambda tx: write_history.page(
        tx, HERE, write_history.Wanted(writes.LIVE, ["3"]), 9, 50
    ),
    "how many writes of one": lambda tx: writes.count_of(tx, HERE, "3"),
    "a write lately": lambda tx: write_history.has_sent(tx, HERE, "3", ["comment"], 5),
    "failed writes": lambda tx: write_history.refusals(tx, HERE, "3", 5, 5),
    "writes of a lost lease": lambda tx: write_cancellation.cancel_of_lease(tx, HERE, "3", "3", {}),
    "writes held back": lambda tx: write_cancellation.cancel_held_back(tx, HERE, "3", {}),
    "writes that others do": lambda tx: write_cancellation.cancel_succeeded(tx, HERE, ["3"], {}),
    "a person of a login": lambda tx: people.with_login(tx, HERE, "octocat"),
    "claims of an hour": lambda tx: leases.granted_since(tx, HERE, "3", 5),
    "releases of an hour": lambda tx: leases.released_since(tx, HERE, "3", 5),
    "leases that may be unknown": lambda tx: due_notices.unconfirmed_leases(tx, HERE, "3", 5),
    "stuck tasks": lambda tx: due_notices.stuck_tasks(tx, HERE, 5, 5),
    "a command that holds up": lambda tx: commands.holds_up_others(tx, A_COMMAND),
    "commands that move": lambda tx: commands.move(tx, HERE, (R, 3), (R, 4)),
    "lost": missed_deliveries.due,
    "permission": lambda tx: permissions.get(tx, HERE, R, "octocat", 7),
    "inbox": lambda tx: mailbox.lock_due(tx, HERE, "3", 10),
    "unread": lambda tx: mailbox.unread(tx, HERE, "3"),
    "messages over": lambda tx: dead_letters.lock_expired_receipts(tx, 100),
    "messages to announce": lambda tx: mailbox.messages_to_announce(tx, HERE, "3", 5),
    "unseen notices": lambda tx: stored_notices.unseen(tx, HERE, "3", 5),
    "newest notices": lambda tx: stored_notices.newest(tx, HERE, "3", 50),
    "notices to mark": lambda tx: stored_notices.mark_seen(tx, HERE, "3", ("hold",), "3", 9),
    "old notices": lambda tx: stored_notices.drop_old(tx, HERE, "3"),
    "mark read": lambda tx: mailbox.mark_read(tx, HERE, "3", ["3", "6"]),
    "how much one sent": lambda tx: messages.sent_nth(tx, HERE, "3", 60),
    "sent": lambda tx: messages.sent_by(tx, HERE, "3", "9", 20),
    "sent in vain": lambda tx: dead_letters.sent_by(tx, HERE, "3", "9", 20),
    "dead letters": lambda tx: dead_letters.addressed_to(tx, HERE, "3", "9", 20),
    "all dead letters": lambda tx: dead_letters.page(tx, HERE, "9", 20),
    "thread": lambda tx: messages.thread(tx, HERE, "3", "9", 20),
    "in a thread": lambda tx: messages.is_participant(tx, HERE, "3", "3"),
    "messages of a task": lambda tx: messages.for_next_holder(tx, HERE, "3", 10),
    "messages before one came": lambda tx: late_readers.earlier_messages(
        tx, HERE, "3", ["3", "4"], 1, 20
    ),
    "messages on a card": lambda tx: messages.on_card(tx, HERE, "3"),
    "key": lambda tx: agent_keys.find_live(tx, "3"),
    "agents": lambda tx: agents.page(tx, HERE, Sought(5, 3, role="1"), "3", 20),
    "agents below": lambda tx: agents.page(tx, HERE, Sought(5, 3, parent="3"), "", 20),
    "agents by id": lambda tx: agents.lock(tx, HERE, ["3", "4"]),
    "below": lambda tx: agents.children(tx, HERE, ["3", "4"], 20),
    "levels below": lambda tx: agents.levels_below(tx, HERE, "3", 20),
    "held by": lambda tx: agents.held_tasks(tx, HERE, ["3", "4"], 20),
    "holdings": lambda tx: agents.holdings(tx, HERE, ["3", "4"], 10),
    "spent by": lambda tx: agents.requests_for(tx, HERE, "3"),
    "blockers": lambda tx: relations.targets(tx, HERE, "blocked_by", 3),
    "children": lambda tx: relations.sources(tx, HERE, "parent", 3),
    "blockers settled": lambda tx: relations.replace(tx, HERE, "blocked_by", 3, []),
    "sub-issues settled": lambda tx: relations.replace(tx, HERE, "parent", 4, [PART]),
    "a sub-issue": lambda tx: relations.put(tx, HERE, PART),
    "a blocker off": lambda tx: relations.remove(tx, HERE, "blocked_by", 3, 3),
    "relations dropped": lambda tx: relations.drop(tx, HERE, 3),
    "released by": lambda tx: ready.unblocked_by(tx, HERE, 3),
    "freed": lambda tx: ready.unblocked_task(tx, HERE, 3),
    "files of open pulls": lambda tx: pulls.open_files(tx, HERE, R),
    "files of a pull": lambda tx: pulls.files_if_open(tx, HERE, R, 3),
    "the step to review": lambda tx: events.newest(tx, HERE, "3", "task.in_review"),
    "pulls of an issue": lambda tx: pulls.naming(tx, HERE, R, "acme/rocket", 3),
    "checks": lambda tx: pulls.check_runs(tx, HERE, R, "3"),
    "threads": lambda tx: pulls.unresolved_threads(tx, HERE, R, 3),
    "search": lambda tx: search_index.find(tx, HERE, WORDS, 20),
    "whose a branch is": lambda tx: task_branches.open_tasks(tx, HERE, R, "3"),
    "what one works on": lambda tx: open_claims.of_holder(tx, HERE, "3", 3),
    "the pull request of a task": lambda tx: pull_writes.newest_of_task(tx, HERE, "3"),
    "who takes part": lambda tx: thread_people.participants(tx, HERE, R, [3, 4]),
    "who may decide": lambda tx: thread_people.deciders(tx, HERE, R),
    "who was asked": lambda tx: write_history.asked_reviewers(tx, HERE, "3"),
}


async def fill(store: Store) -> None:
    for name in FILLED:
        table = metadata.tables[name]
        columns = [c.name for c in table.columns]
        marks = ", ".join(f":{c}" for c in columns)
        statement = f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})"
        rows = [row_of(table, n) for n in range(1, FEW.get(name, ROWS) + 1)]

        async def work(
            tx: Tx, statement: str = statement, rows: list[dict[str, Any]] = rows
        ) -> None:
            await tx.many(statement, rows)
            await tx.run("ANALYZE" if tx.dialect == "sqlite" else f"ANALYZE TABLE {name}")  # noqa: B023

        await store.write(work)


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def filled_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('filled') / 'hubbub.db'}"
    else:
        url = request.getfixturevalue("mariadb").create()
    upgrade(url)

    async def filling() -> None:
        store = await open_store(url)
        await fill(store)
        await store.close()

    asyncio.run(filling())
    return url


@pytest.fixture
async def filled(filled_url: str) -> AsyncIterator[Store]:
    store = await open_store(filled_url, Clock())
    yield store
    await store.close()


class Planned(Exception):
    """Ends the transaction, so that nothing changes."""


async def plans(store: Store, hot: Callable[[Any], Awaitable[Any]]) -> list[tuple[str, Row]]:
    """Each statement with each step of its plan."""
    found: list[tuple[str, Row]] = []

    async def work(tx: Tx) -> None:
        noting = Recording(tx)
        await hot(noting)
        for sql, params in noting.said:
            if not sql.lstrip().startswith("INSERT"):
                steps = await plan(tx, sql, **params)
                found.extend((sql, {**row, "of_parts": of_parts(row, steps)}) for row in steps)
        raise Planned

    with pytest.raises(Planned):
        await store.write(work)
    return found


def of_parts(step: Row, steps: list[Row]) -> bool:
    """Whether SQLite reads, at this place of the plan, one page that another place made."""
    around = [each["detail"] for each in steps if each.get("parent", -1) == step.get("parent")]
    return any(each.startswith("SCAN part_") for each in around)


def whole_table(step: Row) -> bool:
    """Whether this step of a plan looks at every row of a table, or of an index."""
    if "detail" in step:
        words = step["detail"].split()
        return words[0] == "SCAN" and words[1] in SHORT
    return step["type"] in ("ALL", "index") and step["table"] in SHORT


# What the queries call the tables that grow.
SHORT = {*FILLED, "t", "i", "d", "w", "e", "l", "b", "p", "k", "s", "f", "c", "o"}


# What MySQL calls the pages of the parts, and all of them together.
PAGES = ("<derived", "<union")


def sorting(step: Row) -> bool:
    """Whether this step sorts what a table gives; to merge sorted parts of a page is no harm."""
    if "detail" in step:
        return step["detail"].startswith("USE TEMP B-TREE") and not step["of_parts"]
    return "filesort" in (step["Extra"] or "") and not step["table"].startswith(PAGES)


@pytest.mark.parametrize("name", HOT)
async def test_a_hot_query_walks_an_index(filled: Store, name: str) -> None:
    steps = await plans(filled, HOT[name])
    assert [(sql, step) for sql, step in steps if whole_table(step)] == []


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


async def test_no_hot_query_names_a_column_by_a_reserved_word(filled: Store) -> None:
    """The tests run on MariaDB, which accepts these."""
    said = {sql for hot in HOT.values() for sql, _ in await plans(filled, hot)}
    named = {word.upper() for sql in said for word in re.findall(r"\bAS (\w+)", sql)}
    assert named & RESERVED == set()
    columns = {each.name.upper() for table in metadata.tables.values() for each in table.columns}
    assert columns & RESERVED == set()


async def test_dead_letters_are_found_by_receipts_that_are_dead(filled: Store) -> None:
    steps = [step for _, step in await plans(filled, HOT["all dead letters"])]
    by = [step.get("detail") or f"{step['table']} {step['key']}" for step in steps]
    assert "ix_receipts_state" in by[0], by
    assert [step for step in steps if "temporary" in (step.get("Extra") or "")] == []


# What these sort is little: a thread, a head, an issue, whom one issue kept, what one installation
# or agent has waiting, what a few agents hold, who is below them, a part of the search index.
SORTED = {
    "comments",
    "checks",
    # What waits.
    "commands due",
    "what may go out",
    "writes before",
    "the last write before",
    "an agent's writes",
    "failed writes",
    "leases that may be unknown",
    "agents below",
    "below",
    "held by",
    "holdings",
    "pulls of an issue",
    "released by",
    "next write",
    "next page",
    "inbox",
    "messages to announce",
    "unseen notices",
    "dead letters",
    # Those that are reserved for one agent.
    "ready",
    "ready here",
    # Once for each agent.
    "messages before one came",
    # SQLite: those of one microsecond.
    "sent",
    "sent in vain",
    "thread",
    "search",
}


@pytest.mark.parametrize("name", sorted(HOT.keys() - SORTED))
async def test_a_hot_query_sorts_nothing(filled: Store, name: str) -> None:
    steps = await plans(filled, HOT[name])
    assert [(sql, step) for sql, step in steps if sorting(step)] == []
