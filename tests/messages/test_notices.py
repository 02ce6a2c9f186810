"""What reaches an agent unasked, in the middle of its run."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import Actor
from bot.kernel import event_kinds, notice_rules, sentences
from bot.messages import notice_parts, notice_sources, notices
from bot.mirror import board_checks, board_effects
from bot.times import SECOND
from store.agents import call_state
from store.engine import sql
from store.engine.transaction import Numbered, Row, Store, TaskKey, Tx
from store.messages import due_notices
from tests.support.engines import ON_SQLITE
from tests.support.rows_visited import CountingStore, Visits
from tests.support.story import Agent, Clock, Workspace


async def notice_subjects(agent: Agent, *kinds: str) -> list[tuple[str, str]]:
    """Kind and subject, by a call that is like no other; with `kinds` only those."""
    found = (await agent.call("get_agent", agent_id=agent.actor.name))["notices"]
    return [(each["kind"], each["subject"]) for each in found if not kinds or each["kind"] in kinds]


async def words(agent: Agent, kind: str) -> str:
    found = (await agent.call("list_tasks"))["notices"]
    (one,) = [each for each in found if each["kind"] == kind]
    return str(one["message"])


async def holding(workspace: Workspace, **given: Any) -> tuple[str, Agent, Row]:
    """A task, who holds it, and its lease."""
    issue, agent = await workspace.task(), await workspace.agent("scout")
    where = workspace.name(issue)
    return where, agent, await agent.call("claim_task", task=where, **given)


async def test_who_lost_a_lease_by_time_is_told_who_has_the_task_now(workspace: Workspace) -> None:
    where, scout, _ = await holding(workspace, lease_s=60)
    other = await workspace.agent("other")
    await workspace.time_passes(61)
    await other.call("claim_task", task=where)
    said = await words(scout, "lease_lost")
    assert said == (
        f"Your lease on {where} (fence 1) expired. Stop working on it. Writes that were still "
        "queued are dropped. other holds the task now (fence 2)."
    )
    assert await notice_subjects(scout) == []
    assert await notice_subjects(other) == []


async def test_who_lost_a_lease_to_a_person_is_told_why(workspace: Workspace) -> None:
    where, scout, _ = await holding(workspace)
    issue = workspace.repository.issues[int(where.partition("#")[2])]
    workspace.person.comment(issue, "/cancel it is done elsewhere")
    await workspace.settle()
    assert await words(scout, "lease_lost") == (
        f"Your lease on {where} (fence 1) ended: cancelled by @octocat: it is done elsewhere. "
        "Stop working on it. Writes that were still queued are dropped. Nobody holds the "
        "task now."
    )


async def test_a_reason_that_ends_with_a_full_stop_gets_no_second_one(workspace: Workspace) -> None:
    where, scout, _ = await holding(workspace)
    lead, other = await workspace.agent("lead", "tech-lead"), await workspace.agent("other")
    await lead.call("change_task", task=where, hold=True, note="I think.")
    await workspace.settle()
    (card, *_) = workspace.repository.issues[1].comments
    texts = [
        await words(scout, "hold"),
        (await other.refusal("claim_task", task=where)).message,
        (await other.call("explain_task", task=where))["text"],
        card.body,
    ]
    await lead.call("change_task", task=where, hold=False)
    await lead.call("change_task", task=where, state="cancelled", note="Wait 60 seconds.")
    texts += [await words(scout, "lease_lost")]
    assert [each for each in texts if ".." in each or ".`." in each] == []
    assert "Wait 60 seconds. Stop" in texts[-1]


@ON_SQLITE
async def test_a_lease_that_was_given_back_is_no_loss(workspace: Workspace) -> None:
    where, scout, lease = await holding(workspace)
    await scout.call("release_task", task=where, fence=lease["fence"])
    assert await notice_subjects(scout) == []


async def test_a_hold_is_told_once_when_it_begins_and_once_when_it_ends(
    workspace: Workspace,
) -> None:
    where, scout, _ = await holding(workspace)
    issue = workspace.repository.issues[int(where.partition("#")[2])]
    workspace.person.comment(issue, "/hold until Monday")
    await workspace.settle()
    assert await words(scout, "hold") == (
        f"@octocat put {where} on hold: until Monday. You keep your lease. Until the hold ends you "
        "may answer, comment and ask, but not commit, merge or report progress."
    )
    assert await notice_subjects(scout) == []
    workspace.person.comment(issue, "/resume")
    await workspace.settle()
    assert await words(scout, "hold_ended") == f"@octocat ended the hold of {where}. Continue."
    assert await notice_subjects(scout) == []


@ON_SQLITE
async def test_a_hold_that_ended_before_the_next_call_is_only_told_as_ended(
    workspace: Workspace,
) -> None:
    where, scout, _ = await holding(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    await lead.call("change_task", task=where, hold=True)
    await lead.call("change_task", task=where, hold=False)
    assert await notice_subjects(scout) == [("hold_ended", where)]


async def test_an_answer_to_a_question_is_told_once(workspace: Workspace) -> None:
    where, scout, lease = await holding(workspace)
    issue = workspace.repository.issues[int(where.partition("#")[2])]
    ask = {"task": where, "fence": lease["fence"], "status": "in_progress"}
    await scout.call("update_task_status", **ask, question="Tabs or spaces?")
    await workspace.settle()
    assert await notice_subjects(scout) == []
    workspace.clock.forward(5)
    workspace.person.comment(issue, "Spaces")
    await workspace.settle()
    assert await words(scout, "answered") == (
        f'@octocat answered your question on {where}: "Spaces". Read the answer with '
        "github_get_thread, then continue."
    )
    assert await notice_subjects(scout) == []


async def test_who_goes_on_without_an_answer_is_told_of_none(workspace: Workspace) -> None:
    where, scout, lease = await holding(workspace)
    ask = {"task": where, "fence": lease["fence"], "status": "in_progress"}
    await scout.call("update_task_status", **ask, question="Tabs or spaces?")
    await scout.call("update_task_status", **ask, note="Spaces, then")
    assert await notice_subjects(scout) == []


async def test_messages_are_told_once_in_one_notice_and_those_of_low_priority_never(
    workspace: Workspace,
) -> None:
    scout, other = await workspace.agent("scout"), await workspace.agent("other")
    await other.call("send_message", to="scout", body="By the way", priority="low")
    assert await notice_subjects(scout) == []
    sent = await other.call("send_message", to="scout", body="Stop!", priority="high")
    (notice,) = (await scout.call("list_tasks"))["notices"]
    assert (notice["kind"], notice["subject"]) == ("message", sent["message_id"])
    assert notice["message"] == (
        "other sent you a message of high priority. Read it with get_messages."
    )
    assert await notice_subjects(scout) == []
    await other.call("send_message", to="scout", body="Go on", priority="high")
    await other.call("send_message", to="scout", body="Please")
    assert await words(scout, "message") == (
        "2 unread messages, 1 of high priority, the newest by other. Read them with get_messages."
    )
    assert await notice_subjects(scout) == []


async def test_a_pause_is_told_once_with_its_reason_and_so_is_its_end(workspace: Workspace) -> None:
    scout, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    await lead.call("manage_agent", agent_id="scout", action="pause", note="Too many commits")
    assert await words(scout, "paused") == (
        "lead paused you: Too many commits. You may read, send messages and report, but not claim "
        "tasks, decide about them or write on GitHub. Wait until the pause ends."
    )
    assert await notice_subjects(scout) == []
    await lead.call("manage_agent", agent_id="scout", action="resume", note="Small ones")
    assert await words(scout, "resumed") == (
        "lead ended your pause: Small ones. You may work again."
    )
    assert await notice_subjects(scout) == []


@ON_SQLITE
async def test_who_pauses_itself_gets_no_notice_of_it(workspace: Workspace) -> None:
    scout = await workspace.agent("scout")
    await scout.call("manage_agent", agent_id="scout", action="pause")
    assert await notice_subjects(scout) == []


async def test_a_lease_about_to_end_is_told(workspace: Workspace, clock: Clock) -> None:
    """Calls renew a lease, but not each: here its time runs while none is written down."""
    where, scout, _ = await holding(workspace, lease_s=300)
    calm = Agent(Dispatcher(workspace.store, workspace.dispatcher.shared), scout.actor)
    await calm.call("list_tasks")  # written down: from here on it is not for a while
    clock.forward(300 - 40)
    (notice,) = (await calm.call("list_tasks"))["notices"]
    assert (notice["kind"], notice["subject"]) == ("lease_ending", where)
    assert notice["message"] == (
        f"Your lease on {where} ends in 40 s. Any valid call renews it. Make a call before then."
    )
    assert await notice_subjects(calm) == []
    assert await notice_subjects(scout) == []


async def test_the_same_call_again_may_be_a_retry_and_is_told_the_same(
    workspace: Workspace,
) -> None:
    scout, other = await workspace.agent("scout"), await workspace.agent("other")
    await other.call("send_message", to="scout", body="Stop!", priority="high")
    heard = [len((await scout.call("list_tasks"))["notices"]) for _ in range(5)]
    assert heard == [1] * notices.MOST_TIMES + [0] * (5 - notices.MOST_TIMES)


async def test_of_an_answer_that_a_dead_process_gave_nothing_is_lost(workspace: Workspace) -> None:
    scout, other = await workspace.agent("scout"), await workspace.agent("other")
    await other.call("send_message", to="scout", body="Stop!", priority="high")
    elsewhere = Agent(Dispatcher(workspace.store, workspace.dispatcher.shared), scout.actor)
    assert [kind for kind, _ in await notice_subjects(elsewhere)] == ["message"]
    assert [kind for kind, _ in await notice_subjects(scout)] == ["message"]
    assert (await scout.call("list_tasks"))["notices"] == []
    assert (await elsewhere.call("list_tasks"))["notices"] == []


async def test_there_are_five_at_most_and_the_most_urgent_come_first(workspace: Workspace) -> None:
    scout, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    names = [workspace.name(await workspace.task(f"{n}")) for n in range(6)]
    for name in names[:3]:
        await scout.call("claim_task", task=name)
    for name in names[3:]:
        await lead.call("assign_task", task=name, agent_id="scout")
    await lead.call("change_task", task=names[0], hold=True)
    await lead.call("change_task", task=names[1], state="cancelled")
    await lead.call("send_message", to="scout", body="Stop!", priority="high")
    first = [kind for kind, _ in await notice_subjects(scout)]
    assert first == ["lease_lost", "hold", "message", "assigned", "assigned"]
    rest = [each["kind"] for each in (await scout.call("list_tasks"))["notices"]]
    assert rest == ["assigned"]


async def test_the_last_fifty_notices_can_be_read_again_and_older_ones_go(
    workspace: Workspace,
) -> None:
    where, scout, _ = await holding(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    await lead.call("send_message", to="scout", body="Hello", priority="high")
    await scout.call("list_tasks")
    for n in range(30):
        await lead.call("change_task", task=where, hold=True, note=f"{n}")
        await lead.call("change_task", task=where, hold=False)
        await scout.call("list_agents")
        await scout.call("list_tasks")
    past = (await scout.call("get_messages", state="notices", limit=50))["past_notices"]
    assert (len(past), past[0]["kind"], past[0]["subject"]) == (50, "hold_ended", where)
    assert "on hold: 29" in past[1]["message"]
    assert all(each["seen"] for each in past)
    rows = await workspace.rows("SELECT * FROM notices WHERE installation_id = :i")
    assert len(rows) == 50
    few = (await scout.call("get_messages", state="notices", limit=2))["past_notices"]
    assert few == past[:2]
    assert (await lead.call("get_messages", state="notices"))["past_notices"] == []


async def test_a_message_is_among_the_notices_that_can_be_read_again(workspace: Workspace) -> None:
    scout, other = await workspace.agent("scout"), await workspace.agent("other")
    await other.call("send_message", to="scout", body="Stop!", priority="high")
    for _ in range(2):
        await scout.call("list_agents", limit=9)
    await scout.call("list_tasks")
    (past,) = (await scout.call("get_messages", state="notices"))["past_notices"]
    assert (past["kind"], past["seen"]) == ("message", True)


@ON_SQLITE
async def test_what_is_a_day_old_is_told_no_more(workspace: Workspace) -> None:
    _, scout, _ = await holding(workspace, lease_s=60)
    await workspace.time_passes(61)
    workspace.clock.forward(25 * 3600)
    assert await notice_subjects(scout, "lease_lost") == []


async def test_leases_that_ended_long_ago_are_not_read_at_each_call(
    store: Store, installation_id: int
) -> None:
    async def fill(tx: Tx) -> None:
        rows = [ended_lease(installation_id, n, await tx.now()) for n in range(2000)]
        await tx.many(sql.insert("leases", tuple(rows[0])), rows)

    async def due_kinds(tx: Tx) -> list[str]:
        since = await tx.now() - notice_parts.LATELY
        return (await call_state.of(tx, installation_id, "scout", since))["due"]

    await store.write(fill)
    counting = CountingStore(store)
    counting.visits = Visits()
    assert await counting.read(due_kinds) == []
    assert counting.visits.rows < 100


def ended_lease(installation_id: int, n: int, now: int) -> Row:
    long_ago = now - 30 * 24 * 3600 * SECOND
    return {
        "installation_id": installation_id,
        "id": f"l_{n}",
        "task_id": f"t_{n}",
        "holder": "scout",
        "fence": 1,
        "state": ("expired", "revoked")[n % 2],
        "lease_s": 900,
        "expires_at": long_ago + n,
        "granted_at": long_ago,
        "renewed_at": long_ago,
        "ended_at": long_ago + n,
    }


@ON_SQLITE
async def test_what_there_is_to_tell_is_looked_for_in_one_query_and_people_get_none(
    workspace: Workspace,
) -> None:
    where, scout, _ = await holding(workspace)
    person = Actor(workspace.installation.id, "@octocat", "tech-lead")
    answer = await workspace.dispatcher.call(person, "get_task", {"task": where})
    assert answer["notices"] == []
    assert tuple(due_notices.DUE_IF_EXISTS) == tuple(notice_sources.SOURCES)
    assert await notice_subjects(scout) == []

    other = await workspace.agent("other")

    async def cost(tx: Tx) -> int:
        asked = Asked(tx)
        assert await notices.current(asked, other.actor, await tx.now()) == []
        return asked.times

    assert await workspace.store.read(cost) == 1


class Asked:
    """A transaction in which only `one` is called; it counts how often."""

    def __init__(self, tx: Tx) -> None:
        self.tx, self.dialect, self.origin = tx, tx.dialect, tx.origin
        self.numbered: list[Numbered] = []
        self.rings: set[str] = set()
        self.trace: str | None = None
        self.changed_tasks: set[TaskKey] = set()
        self.before_commit = tx.before_commit
        self.times = 0

    async def one(self, sql: str, **params: Any) -> Any:
        self.times += 1
        return await self.tx.one(sql, **params)

    async def now(self) -> int:
        return await self.tx.now()

    async def all(self, sql: str, **_: Any) -> list[Any]:
        raise AssertionError(sql)

    async def run(self, sql: str, **_: Any) -> int:
        raise AssertionError(sql)

    async def many(self, sql: str, rows: Sequence[Row]) -> None:
        raise AssertionError(sql, rows)


async def test_calls_are_counted(workspace: Workspace) -> None:
    calm = Dispatcher(workspace.store, workspace.dispatcher.shared)
    scout = Agent(calm, (await workspace.agent("scout")).actor)
    before = await calls(workspace)
    for _ in range(3):
        await scout.call("list_tasks")
    calm.activity.touched.clear()
    await scout.call("list_tasks")
    assert await calls(workspace) == before + 4


async def calls(workspace: Workspace) -> int:
    (row,) = await workspace.rows(
        "SELECT calls FROM agents WHERE installation_id = :i AND id = 'scout'"
    )
    return int(row["calls"])


def test_each_kind_of_notice_has_its_place_among_the_others_and_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/events.md").read_text()
    table = page.partition("## Notices")[2]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == notice_parts.URGENCY
    made = {rule.notice for rules in notice_rules.RULES.values() for rule in rules}
    made |= notice_sources.SOURCES.keys() - {"recorded"}
    assert made | {board_checks.NOTICE, board_effects.NOTICE} == set(notice_parts.URGENCY)
    assert notice_rules.RULES.keys() <= event_kinds.KINDS.keys()


@ON_SQLITE
async def test_the_notice_of_a_failed_write_ends_with_a_sentence(workspace: Workspace) -> None:
    scout = await workspace.agent("scout")
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    await workspace.settle()
    given = {"repository": "acme/rocket", "message": "m", "branch": "fix"}
    old = workspace.repository.branches["main"]
    file = {"path": "a", "content": "x"}
    await scout.call("github_commit_files", **given, head=old, files=[file])
    await workspace.settle()
    said = await words(scout, "write_failed")
    assert len(said) <= notice_rules.LONGEST
    assert said.endswith("the branch. get_write has the rest.")


def test_a_long_text_is_cut_at_the_end_of_a_sentence() -> None:
    assert sentences.whole_sentences("One. Two. Three.", 10) == "One. Two."
    assert sentences.whole_sentences("One. Two. Three.", 14, "More.") == "One. More."
    assert sentences.whole_sentences("One. Two.", 9, "More.") == "One. Two."
    assert sentences.whole_sentences("a.b is wrong", 8) == "a.b is …"


def test_a_long_reason_leaves_room_for_what_to_do() -> None:
    data = {"why": "revoked by lead", "note": "y" * 500}
    for kind in ("task.revoked", "task.cancelled", "task.held"):
        event = notice_rules.Happening(kind, "t_0", "acme/rocket#1", "lead", data, holder="scout")
        (draft,) = notice_rules.drafts(event)
        assert not draft.message.endswith("…"), kind
