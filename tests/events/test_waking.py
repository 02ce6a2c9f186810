"""Those who wait hear what happens: soon, all of it, once, in order, and only what is theirs."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.background import expiry
from bot.dispatch.activity import Touched, touched_agents
from bot.dispatch.dispatcher import Dispatcher
from bot.events import event_log
from bot.events.waiters import Follower, Waiter, Waiters
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.kernel.event_stream import News, Topics
from bot.kernel.operation import Shared
from bot.times import SECOND, stamp
from store import events, retention
from store.engine.database import open_store
from store.engine.transaction import Row, Store, Tx
from store.mirror import stored_repositories
from store.tables.agents import Role
from tests.support.engines import ON_SQLITE
from tests.support.patience import LONG_S, SOON_S
from tests.support.server_process import Serving, serving
from tests.support.story import Agent, Clock, Workspace

INSTALLATION = 42
SAID = ("task.commented", "task.reviewed", "task.checked")
COMMIT = {"branch": "mend", "message": "Mend it", "files": [{"path": "a.py", "content": "1\n"}]}
BRANCH = {"head": "mend", "body": ""}


@pytest.fixture
async def dispatcher(store: Store) -> Dispatcher:
    return Dispatcher(store, Shared(Keys(secrets.token_hex(32))))


@pytest.fixture
async def elsewhere(
    store_url: str, clock: Clock, dispatcher: Dispatcher
) -> AsyncIterator[Dispatcher]:
    """Another process on the same database: its bell is its own."""
    opened = await open_store(store_url, clock)
    yield Dispatcher(opened, dispatcher.shared)
    await opened.close()


def agent(
    dispatcher: Dispatcher, installation_id: int, name: str = "scout", role: Role = "developer"
) -> Agent:
    return Agent(dispatcher, Actor(installation_id, name, role))


async def happens(
    dispatcher: Dispatcher, installation_id: int, kind: str = "agent.registered", **given: Any
) -> None:
    """An event in a transaction of its own."""
    await dispatcher.store.write(lambda tx: append(tx, installation_id, kind, **given))


async def append(
    tx: Tx,
    installation_id: int,
    kind: str,
    *,
    subject: str = "x",
    actor: str = "x",
    note: str | None = None,
    **given: Any,
) -> None:
    data = {"note": note} if note else {}
    await events.append(tx, installation_id, kind, subject, actor, data, **given)


async def listening(dispatcher: Dispatcher, n: int = 1) -> None:
    """Until as many wait as should."""
    async with asyncio.timeout(SOON_S):
        while dispatcher.waiters.waiting < n:  # noqa: ASYNC110 - what they wait for is a step of theirs
            await asyncio.sleep(0.001)


async def wake(
    dispatcher: Dispatcher, waiting: Awaitable[Row], by: Callable[[], Awaitable[None]]
) -> Row:
    """What one who waits is answered when something happens."""
    task = asyncio.ensure_future(waiting)
    await listening(dispatcher)
    await by()
    async with asyncio.timeout(SOON_S):
        return await task


def kinds(answer: Row) -> list[str]:
    return [each["kind"] for each in answer["events"]]


async def test_without_a_cursor_one_learns_where_it_begins(
    dispatcher: Dispatcher, installation_id: int
) -> None:
    scout = agent(dispatcher, installation_id)
    await happens(dispatcher, installation_id)
    start = await scout.call("wait_for_events", topics=["agents"])
    assert (start["events"], start["more"], start["missed"]) == ([], False, False)
    paused = {"subject": "busy", "actor": "@octocat", "note": "Rest"}
    await happens(dispatcher, installation_id, "agent.paused", **paused)
    (event,) = (await scout.call("wait_for_events", topics=["agents"], cursor=start["cursor"]))[
        "events"
    ]
    assert event.pop("at").startswith("2027-01-15T08:00:00")
    assert event == {
        "kind": "agent.paused",
        "subject": "busy",
        "task": None,
        "actor": "@octocat",
        "data": {"note": "Rest"},
    }


async def test_one_who_waits_is_woken_by_what_happens_in_its_process(
    dispatcher: Dispatcher, installation_id: int
) -> None:
    waiting = agent(dispatcher, installation_id).call(
        "wait_for_events", topics=["agents"], wait_s=LONG_S
    )
    answer = await wake(dispatcher, waiting, lambda: happens(dispatcher, installation_id))
    assert kinds(answer) == ["agent.registered"]
    assert answer["as_of"]


async def test_one_who_waits_is_woken_by_what_happens_in_another_process(
    dispatcher: Dispatcher, elsewhere: Dispatcher, installation_id: int
) -> None:
    waiting = agent(dispatcher, installation_id).call(
        "wait_for_events", topics=["agents"], wait_s=LONG_S
    )
    answer = await wake(dispatcher, waiting, lambda: happens(elsewhere, installation_id))
    assert kinds(answer) == ["agent.registered"]


async def test_a_message_of_another_process_wakes_its_reader(
    dispatcher: Dispatcher, elsewhere: Dispatcher, installation_id: int
) -> None:
    reader, writer = agent(dispatcher, installation_id), agent(elsewhere, installation_id, "writer")
    for each in (reader, writer):
        await each.call("register_agent", agent_id=each.actor.name, name="x")

    async def write() -> None:
        await writer.call("send_message", to="scout", body="Come here")

    answer = await wake(dispatcher, reader.call("get_messages", wait_s=LONG_S), write)
    assert [each["body"] for each in answer["messages"]] == ["Come here"]


async def test_a_bell_without_an_event_is_heard_in_another_process(
    dispatcher: Dispatcher, elsewhere: Dispatcher, installation_id: int
) -> None:
    async def ring(tx: Tx) -> None:
        tx.rings.add(f"installation {installation_id}")

    async with dispatcher.waiters.add(installation_id) as waiter:
        assert await waiter.wait(None, SOON_S) is None  # the first look of all who wait
        await elsewhere.store.write(ring)
        found = await waiter.wait(None, SOON_S)
    assert found is not None
    assert found.events == ()


async def test_what_does_not_concern_one_wakes_nobody(
    dispatcher: Dispatcher, installation_id: int
) -> None:
    scout = agent(dispatcher, installation_id)

    async def much() -> None:
        await happens(dispatcher, installation_id, "agent.paused")
        await happens(dispatcher, installation_id, "message.sent", audience="other")
        await happens(dispatcher, installation_id, "message.sent", audience="scout", subject="mine")

    waiting = scout.call("wait_for_events", topics=["messages"], wait_s=LONG_S)
    answer = await wake(dispatcher, waiting, much)
    assert [each["subject"] for each in answer["events"]] == ["mine"]


async def test_pages_follow_each_other_without_loss_or_repeat(
    dispatcher: Dispatcher, installation_id: int
) -> None:
    scout = agent(dispatcher, installation_id)
    page = await scout.call("wait_for_events", topics=["agents"])
    for n in range(7):
        await happens(dispatcher, installation_id, subject=f"agent-{n}")
        await happens(dispatcher, installation_id, "message.sent", audience="other")
    seen, more = [], []
    for _ in range(3):
        page = await scout.call(
            "wait_for_events", topics=["agents"], cursor=page["cursor"], limit=3
        )
        seen += [each["subject"] for each in page["events"]]
        more.append(page["more"])
    assert seen == [f"agent-{n}" for n in range(7)]
    assert more == [True, True, False]


async def test_a_cursor_never_skips_a_late_commit(
    dispatcher: Dispatcher, elsewhere: Dispatcher, installation_id: int
) -> None:
    """The first to append is the last to commit: on SQLite they take turns anyhow."""
    scout = agent(dispatcher, installation_id)
    start = await scout.call("wait_for_events", topics=["agents"])
    appended, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(tx: Tx) -> None:
        await append(tx, installation_id, "agent.registered", subject="late")
        appended.set()
        await go_on.wait()

    late = asyncio.create_task(dispatcher.store.write(slowly))
    await appended.wait()
    early = asyncio.create_task(happens(elsewhere, installation_id, subject="early"))
    if dispatcher.store.dialect != "sqlite":
        await early
    first = await scout.call("wait_for_events", topics=["agents"], cursor=start["cursor"])
    go_on.set()
    await asyncio.gather(late, early)
    then = await scout.call("wait_for_events", topics=["agents"], cursor=first["cursor"])
    seen = [each["subject"] for each in first["events"] + then["events"]]
    assert sorted(seen) == ["early", "late"]


async def test_a_cursor_from_before_what_is_kept_says_that_some_were_missed(
    dispatcher: Dispatcher, clock: Clock, installation_id: int
) -> None:
    scout = agent(dispatcher, installation_id)
    start = await scout.call("wait_for_events", topics=["agents"])
    await happens(dispatcher, installation_id, subject="old")
    middle = await scout.call("wait_for_events", topics=["agents"])
    clock.forward(3600)
    await happens(dispatcher, installation_id, subject="new")
    before = clock() - 60 * 1_000_000
    assert await dispatcher.store.write(
        lambda tx: retention.drop_oldest(tx, "events", installation_id, before, 100)
    )
    old = await scout.call("wait_for_events", topics=["agents"], cursor=start["cursor"])
    assert old["missed"]
    assert [each["subject"] for each in old["events"]] == ["new"]
    fresh = await scout.call("wait_for_events", topics=["agents"], cursor=middle["cursor"])
    assert not fresh["missed"]
    assert [each["subject"] for each in fresh["events"]] == ["new"]


# --- What people and CI say of a task -------------------------------------------------------------


@ON_SQLITE
async def test_people_agents_and_ci_are_heard_on_a_task(workspace: Workspace) -> None:
    issue, scout = await workspace.task(), await workspace.agent("scout")
    where = workspace.name(issue)
    lease = await scout.call("claim_task", task=where)
    await scout.write("github_commit_files", task=where, fence=lease["fence"], **COMMIT)
    await scout.write("github_create_pr", task=where, fence=lease["fence"], title="x", **BRANCH)
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    start = await scout.call("wait_for_events", topics=[f"task:{where}"])
    reviewer = workspace.github.person("hubot", permissions={"acme/rocket": "write"})
    workspace.person.comment(issue, "How far is it?")
    await scout.write("github_comment_issue", issue=where, body="Half way")
    # Deliveries of one burst are processed side by side, in any order.
    await workspace.settle()
    reviewer.review(pull, "changes_requested", "No")
    await workspace.settle()
    check = workspace.github.ci.start_check(workspace.repository, pull.head_sha, "lint")
    workspace.github.ci.finish_check(check, "failure")
    await workspace.settle()
    found = await scout.call("wait_for_events", topics=[f"task:{where}"], cursor=start["cursor"])
    said = [each for each in found["events"] if each["kind"] in SAID]
    assert [(each["kind"], each["actor"], each["task"]) for each in said] == [
        ("task.commented", "@octocat", where),
        ("task.commented", "scout", where),
        ("task.reviewed", "@hubot", where),
        ("task.checked", said[3]["actor"], where),
    ]
    assert said[2]["data"]["state"] == "changes_requested"
    assert (said[3]["data"]["check"], said[3]["data"]["conclusion"]) == ("lint", "failure")


@ON_SQLITE
async def test_who_is_woken_by_a_hold_is_told_of_it_by_the_same_answer(
    workspace: Workspace,
) -> None:
    issue, scout = await workspace.task(), await workspace.agent("scout")
    await scout.call("claim_task", task=workspace.name(issue))
    person = Agent(workspace.dispatcher, Actor(workspace.installation.id, "@octocat", "tech-lead"))

    async def hold() -> None:
        await person.call("change_task", task=workspace.name(issue), hold=True, note="Wait")

    waiting = scout.call("wait_for_events", topics=["tasks"], wait_s=LONG_S)
    answer = await wake(workspace.dispatcher, waiting, hold)
    assert kinds(answer) == ["task.held"]
    assert [(each["kind"], each["subject"]) for each in answer["notices"]] == [
        ("hold", workspace.name(issue))
    ]


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("get_messages", {"wait_s": LONG_S}),
        # Long enough for what happens meanwhile; the time is over, and nothing wakes it.
        ("wait_for_events", {"topics": ["agents"], "wait_s": 4}),
    ],
)
async def test_who_waited_in_vain_is_told_how_things_are_at_the_end(
    workspace: Workspace, operation: str, given: dict[str, Any]
) -> None:
    issue, scout = await workspace.task(), await workspace.agent("scout")
    await scout.call("claim_task", task=workspace.name(issue))
    person = Agent(workspace.dispatcher, Actor(workspace.installation.id, "@octocat", "tech-lead"))

    async def meanwhile() -> None:
        workspace.clock.forward(40)
        await person.call("change_task", task=workspace.name(issue), hold=True, note="Wait")
        if given["wait_s"] == LONG_S:
            workspace.dispatcher.waiters.stop()

    before = workspace.clock()
    answer = await wake(workspace.dispatcher, scout.call(operation, **given), meanwhile)
    assert [each["kind"] for each in answer["notices"]] == ["hold"]
    assert answer["as_of"] >= stamp(before + 40 * SECOND)


# --- What is not for everybody's eyes -------------------------------------------------------------


@ON_SQLITE
async def test_events_of_a_repository_out_of_reach_are_not_shown(workspace: Workspace) -> None:
    reader = await workspace.agent("reader", "observer")
    start = await reader.call("wait_for_events", topics=["tasks"])
    issue = await workspace.task()
    await (await workspace.agent("scout")).call("claim_task", task=workspace.name(issue))
    both = {"topics": ["tasks"], "cursor": start["cursor"]}
    seen = await reader.call("wait_for_events", **both)
    assert "task.claimed" in kinds(seen)
    near = replace(reader.actor, repositories=frozenset({workspace.repository.id}))
    assert kinds(await Agent(workspace.dispatcher, near).call("wait_for_events", **both)) == kinds(
        seen
    )
    far = replace(reader.actor, repositories=frozenset({1}))
    assert kinds(await Agent(workspace.dispatcher, far).call("wait_for_events", **both)) == []
    refused = await Agent(workspace.dispatcher, far).refusal(
        "wait_for_events", topics=[f"task:{workspace.name(issue)}"]
    )
    assert refused.code == "unknown_task"
    await workspace.store.write(
        lambda tx: stored_repositories.select_repository(
            tx, workspace.installation.id, workspace.repository.id, 0
        )
    )
    assert kinds(await reader.call("wait_for_events", **both)) == []


@ON_SQLITE
async def test_what_there_is_not_is_no_topic_and_what_one_may_not_see_is_as_if_not_there(
    workspace: Workspace,
) -> None:
    scout, other = await workspace.agent("scout"), await workspace.agent("other")
    where = workspace.name(await workspace.task())
    context = (await other.call("create_context", name="Plan", content="x"))["context"]["id"]
    far = Agent(workspace.dispatcher, replace(scout.actor, repositories=frozenset({1})))

    async def said(who: Agent, topic: str) -> tuple[str, str]:
        """With the thing's name cut out, for comparison."""
        refused = await who.refusal("wait_for_events", topics=["tasks", topic], wait_s=LONG_S)
        name = topic.partition(":")[2]
        assert name in refused.message
        return refused.code, refused.message.replace(name, "x")

    unseen = [await said(far, f"task:{where}"), await said(scout, f"context:{context}")]
    nowhere = [
        [await said(far, f"task:{each}") for each in ("acme/rocket#99", "acme/no#1", "t_nope")],
        [await said(scout, "context:c_nope")],
        [await said(scout, "agent:nobody")],
    ]
    assert [[code for code, _ in each] for each in nowhere] == [
        ["unknown_task"] * 3,
        ["unknown_context"],
        ["unknown_agent"],
    ]
    assert [set(each) for each in nowhere[:2]] == [{each} for each in unseen]
    mine = ["agent:other", f"task:{where}"]
    assert (await scout.call("wait_for_events", topics=mine))["events"] == []


async def test_one_who_waits_is_not_shown_what_is_out_of_reach(workspace: Workspace) -> None:
    reader = await workspace.agent("reader", "observer")
    far = Agent(workspace.dispatcher, replace(reader.actor, repositories=frozenset({1})))
    i = workspace.installation.id

    async def much() -> None:
        await happens(
            workspace.dispatcher, i, "task.claimed", repository_id=workspace.repository.id
        )
        await happens(workspace.dispatcher, i, "task.claimed", repository_id=1)
        await happens(workspace.dispatcher, i, "agent.paused", subject="mine")

    waiting = far.call("wait_for_events", topics=["tasks", "agents"], wait_s=LONG_S)
    answer = await wake(workspace.dispatcher, waiting, much)
    assert [each["subject"] for each in answer["events"]] == ["mine"]


async def test_events_of_a_context_reach_those_who_may_read_it(
    dispatcher: Dispatcher, installation_id: int
) -> None:
    owner, reader, other = (
        agent(dispatcher, installation_id, n) for n in ("owner", "reader", "other")
    )
    for each in (owner, reader, other):
        await each.call("register_agent", agent_id=each.actor.name, name="x")
    start = await owner.call("wait_for_events", topics=["contexts"])
    made = await owner.call("create_context", name="Plan", content="One")
    context_id = made["context"]["id"] if "context" in made else made["context_id"]
    await owner.call("share_context", context_id=context_id, to="reader", access="read")
    waiting = asyncio.ensure_future(
        reader.call("wait_for_events", topics=[f"context:{context_id}"], wait_s=LONG_S)
    )
    await listening(dispatcher)
    await owner.call("update_context", context_id=context_id, content="Two", expected_version=1)
    async with asyncio.timeout(SOON_S):
        assert kinds(await waiting) == ["context.updated"]
    since = {"topics": ["contexts"], "cursor": start["cursor"]}
    assert "context.updated" in kinds(await reader.call("wait_for_events", **since))
    assert kinds(await other.call("wait_for_events", **since)) == []


# --- Many -----------------------------------------------------------------------------------------


async def test_what_comes_as_the_time_ends_is_not_lost() -> None:
    """The timer is due in the turn in which the news come, and it wins."""
    waiter = Waiter()
    waiting = asyncio.create_task(waiter.wait(None, 0))
    await asyncio.sleep(0)
    waiter.notify(News((), 7))
    with pytest.raises(TimeoutError):
        await waiting
    async with asyncio.timeout(SOON_S):
        assert await waiter.wait(None, SOON_S) is None


@ON_SQLITE
async def test_one_who_follows_hears_what_came_as_its_time_ended(
    dispatcher: Dispatcher, installation_id: int
) -> None:
    scout, waiter = agent(dispatcher, installation_id).actor, Waiter()
    follower = Follower(dispatcher.store, scout, Topics(frozenset({"agent"})), None, waiter)
    start = (await follower.next_page(10, 0)).cursor
    await happens(dispatcher, installation_id, subject="late")
    found = await dispatcher.store.read(lambda tx: event_log.read_news(tx, installation_id, start))
    late = asyncio.create_task(follower.next_page(10, 0))
    await asyncio.sleep(0)
    waiter.notify(found)
    pages = [await late, await follower.next_page(10, SOON_S)]
    assert [each["subject"] for page in pages for each in page.events] == ["late"]


@dataclass
class Listed:
    """A transaction that keeps what is asked in it."""

    tx: Tx
    queries: list[str]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tx, name)

    async def all(self, sql: str, **params: Any) -> list[Row]:
        self.queries.append(sql)
        return await self.tx.all(sql, **params)

    async def one(self, sql: str, **params: Any) -> Row | None:
        self.queries.append(sql)
        return await self.tx.one(sql, **params)


async def test_hundreds_are_woken_by_one_look(dispatcher: Dispatcher, installation_id: int) -> None:
    """Those who wait share what is read of events; what each is told beside is one query."""
    queries: list[str] = []

    async def listed(work: Any) -> Any:
        return await read(lambda tx: work(Listed(tx, queries)))

    read = dispatcher.store.read
    waiting = [
        asyncio.ensure_future(
            agent(dispatcher, installation_id, f"agent-{n}").call(
                "wait_for_events", topics=["agents"], wait_s=LONG_S
            )
        )
        for n in range(300)
    ]
    await listening(dispatcher, 300)
    object.__setattr__(dispatcher.store, "read", listed)
    await happens(dispatcher, installation_id, subject="one")
    async with asyncio.timeout(SOON_S):
        answers = await asyncio.gather(*waiting)
    assert all([e["subject"] for e in each["events"]] == ["one"] for each in answers)
    assert len({each["cursor"] for each in answers}) == 1
    assert len([each for each in queries if "events" in each]) <= 10
    assert len(queries) <= 300 + 30
    assert dispatcher.waiters.waiting == 0


async def test_while_nobody_waits_nothing_runs(
    dispatcher: Dispatcher, installation_id: int
) -> None:
    before = asyncio.all_tasks()
    scout = agent(dispatcher, installation_id)
    await scout.call("wait_for_events", topics=["agents"], wait_s=0.01)
    assert asyncio.all_tasks() <= before


async def test_those_who_wait_are_answered_when_the_process_stops(
    dispatcher: Dispatcher, installation_id: int
) -> None:
    async def stop() -> None:
        dispatcher.waiters.stop()

    waiting = agent(dispatcher, installation_id).call(
        "wait_for_events", topics=["agents"], wait_s=LONG_S
    )
    assert (await wake(dispatcher, waiting, stop))["events"] == []


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("wait_for_events", {"topics": ["messages"]}),
        ("get_messages", {}),
        ("get_write", {"write_id": "of scout"}),
    ],
)
async def test_one_who_waits_keeps_its_leases(
    workspace: Workspace, operation: str, given: dict[str, Any]
) -> None:
    quick = Dispatcher(
        workspace.store,
        workspace.dispatcher.shared,
        look_every_s=0.01,
        touched=stepped_cache(workspace),
    )
    issue, scout = await workspace.task(), Agent(quick, (await workspace.agent("scout")).actor)
    where = workspace.name(issue)
    await scout.call("claim_task", task=where, lease_s=60)
    if operation == "get_write":
        said = await scout.write("github_comment_issue", issue=where, body="Half way")
        given = {"write_id": said["write_id"]}
    waiting = asyncio.ensure_future(scout.call(operation, **given, wait_s=LONG_S))
    await listening(quick)
    for _ in range(3):
        await wait_for_touch(quick)
        workspace.clock.forward(40)
        await wait_for_renewal(workspace)
        await expiry.step(quick.store)
    quick.waiters.stop()
    await waiting
    assert (await scout.call("get_task", task=where))["task"]["holder"] == "scout"


async def test_one_who_is_woken_for_nothing_keeps_its_leases_too(workspace: Workspace) -> None:
    """So often, that it never looks by itself."""
    dispatcher = Dispatcher(
        workspace.store,
        workspace.dispatcher.shared,
        look_every_s=LONG_S,
        touched=stepped_cache(workspace),
    )
    issue, scout = await workspace.task(), Agent(dispatcher, (await workspace.agent("scout")).actor)
    await scout.call("claim_task", task=workspace.name(issue), lease_s=60)
    waiting = asyncio.ensure_future(scout.call("get_messages", wait_s=LONG_S))
    await listening(dispatcher)
    await wait_for_touch(dispatcher)
    workspace.clock.forward(40)
    await happens(dispatcher, workspace.installation.id, "message.sent")
    await wait_for_renewal(workspace)
    dispatcher.waiters.stop()
    assert (await waiting)["messages"] == []


def stepped_cache(workspace: Workspace) -> Touched:
    """A cache such as every process has of whose call was written down, in the workspace's time."""
    return touched_agents(workspace.clock.now)


async def wait_for_touch(dispatcher: Dispatcher) -> None:
    """Until the activity was written: a clock that goes on meanwhile would count from later."""
    async with asyncio.timeout(SOON_S):
        while not list(dispatcher.executor.activity.touched):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)


async def wait_for_renewal(workspace: Workspace) -> None:
    """Until the lease was, at this time."""
    now = workspace.clock()
    q = "SELECT renewed_at FROM leases WHERE installation_id = :i"
    async with asyncio.timeout(SOON_S):
        while (await workspace.rows(q))[0]["renewed_at"] < now:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)


async def test_one_who_calls_now_and_then_keeps_a_short_lease(workspace: Workspace) -> None:
    """Though not each call is written down."""
    calm = Dispatcher(
        workspace.store, workspace.dispatcher.shared, touched=stepped_cache(workspace)
    )
    issue, scout = await workspace.task(), Agent(calm, (await workspace.agent("scout")).actor)
    await scout.call("claim_task", task=workspace.name(issue), lease_s=120)
    written = []
    for _ in range(12):
        workspace.clock.forward(25)
        await expiry.step(calm.store)
        await scout.call("list_tasks")
        written += await workspace.rows("SELECT renewed_at FROM leases WHERE installation_id = :i")
    assert (await scout.call("get_task", task=workspace.name(issue)))["task"]["holder"] == "scout"
    assert len({row["renewed_at"] for row in written}) == 6


async def test_a_lease_of_a_minute_lasts_three_quarters_of_it_after_any_call(
    workspace: Workspace,
) -> None:
    calm = Dispatcher(
        workspace.store, workspace.dispatcher.shared, touched=stepped_cache(workspace)
    )
    issue, scout = await workspace.task(), Agent(calm, (await workspace.agent("scout")).actor)
    await scout.call("list_tasks")  # before the claim, its next call was due in half a minute
    await scout.call("claim_task", task=workspace.name(issue), lease_s=60)
    for pause in (29, 44, 14, 45):
        await scout.call("list_tasks")
        workspace.clock.forward(pause)
        await expiry.step(calm.store)
    assert (await scout.call("get_task", task=workspace.name(issue)))["task"]["holder"] == "scout"


@pytest.mark.parametrize(
    "given",
    [
        {"topics": []},
        {"topics": ["weather"]},
        {"topics": ["task:"]},
        {"topics": ["message:m_1"]},
        {"topics": ["tasks"], "cursor": "nonsense"},
        {"topics": ["tasks"], "limit": 0},
    ],
)
@ON_SQLITE
async def test_what_makes_no_sense_is_refused(
    dispatcher: Dispatcher, installation_id: int, given: dict[str, Any]
) -> None:
    refused = await agent(dispatcher, installation_id).refusal("wait_for_events", **given)
    assert refused.code == "invalid_arguments"


async def test_a_cursor_of_another_installation_begins_now(
    dispatcher: Dispatcher, installation_id: int
) -> None:
    other = await agent(dispatcher, installation_id + 1).call("wait_for_events", topics=["agents"])
    await happens(dispatcher, installation_id)
    found = await agent(dispatcher, installation_id).call(
        "wait_for_events", topics=["agents"], cursor=other["cursor"]
    )
    assert (found["missed"], found["events"]) == (True, [])


# --- Two servers ----------------------------------------------------------------------------------


async def test_a_waiter_at_one_server_is_woken_by_a_call_at_another(
    own_url: str, tmp_path: Path
) -> None:
    async with serving(tmp_path, own_url) as here, serving(tmp_path, own_url) as there:
        reader, writer = await here.tokens(INSTALLATION, ["reader", "writer"])

        async def post(server: Serving, token: str, operation: str, **given: Any) -> Row:
            headers = {"Authorization": f"Bearer {token}"}
            url = f"{server.url}/api/v1/{operation}"
            async with client.post(url, json=given, headers=headers) as response:
                found: Row = await response.json()
                assert response.status == 200, found
                return found

        async with aiohttp.ClientSession() as client:
            for name, token in (("reader", reader), ("writer", writer)):
                await post(there, token, "register_agent", agent_id=name, name=name)
            start = await post(here, reader, "wait_for_events", topics=["messages"])
            waiting = [
                asyncio.create_task(post(here, reader, "get_messages", wait_s=LONG_S)),
                asyncio.create_task(
                    post(
                        here,
                        reader,
                        "wait_for_events",
                        topics=["messages"],
                        cursor=start["cursor"],
                        wait_s=LONG_S,
                    )
                ),
            ]
            await post(there, writer, "send_message", to="reader", body="Come here")
            async with asyncio.timeout(SOON_S):
                inbox, heard = await asyncio.gather(*waiting)
    assert [each["body"] for each in inbox["messages"]] == ["Come here"]
    assert kinds(heard) == ["message.sent"]


def readers() -> set[asyncio.Task[Any]]:
    """The tasks that read events for those who wait."""
    return {
        task
        for task in asyncio.all_tasks()
        if getattr(task.get_coro(), "__qualname__", "").startswith(
            ("InstallationReader", "Waiters")
        )
    }


async def test_a_reader_of_events_that_ended_is_started_again_by_the_next_who_waits(
    store: Store, installation_id: int
) -> None:
    waiters = Waiters(store)
    async with waiters.add(installation_id):
        ended = readers()
        assert len(ended) == 2
        for each in ended:
            each.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
        async with waiters.add(installation_id):
            assert len(readers()) == 2
    assert not readers()
