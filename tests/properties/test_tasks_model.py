"""Whatever agents and a lead do with tasks, they stand as a few lines of Python say.

Hypothesis tells the story: claims, reports, questions, releases, holds, reservations, ends, while
time passes and the reaper comes when it likes. HUBBUB_EXAMPLES sets how many stories there are.
"""

import secrets
from collections.abc import Awaitable, Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
from cachetools import TTLCache
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.background import expiry
from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.kernel.operation import Shared
from bot.mirror.rows import installation_rows
from bot.repository.repository_settings import DEFAULTS
from bot.tasks.lifecycle import RESERVED_FOR
from store.engine.transaction import Store, Tx
from store.mirror import mirror_rows
from store.tables.agents import Role
from store.tasks import tasks
from tests.support.engines import ON_MYSQL, ON_SQLITE
from tests.support.sampling import examples
from tests.support.story import Agent, Clock

EXAMPLES = examples(20)
AGENTS = ("ada", "bob", "cyd")
LEAD = "lead"
LENGTHS = (60, 600)
OPEN = ("pending", "assigned", "in_progress", "in_review")
# Of no sum that comes near a lease's length.
PAUSES_S = (17.013, 29.029, 61.011, 607.107, 86_413.709)
TASKS = 4


# --- What ought to be: seconds, and plain values --------------------------------------------------


@dataclass
class Task:
    """`ends_at`: when its lease runs out; None while it is parked, or there is none."""

    id: str
    priority: int
    state: str = "pending"
    holder: str | None = None
    fence: int = 0
    length: int = 0
    ends_at: float | None = None
    held: bool = False
    question: bool = False
    assigned: str | None = None
    assigned_at: float = 0
    failures: int = 0
    given_back_by: str | None = None

    def free(self, to: str) -> None:
        self.state, self.holder, self.ends_at, self.question = to, None, None, False

    def park_or_not(self, now: float) -> None:
        """As things stand after a hold, a question or a review has begun or ended."""
        parked = self.held or self.question or self.state == "in_review"
        self.ends_at = None if parked or self.holder is None else now + self.length


@dataclass
class Model:
    now: float = 0
    tasks: list[Task] = field(default_factory=list)

    def overdue(self, task: Task) -> bool:
        return task.ends_at is not None and task.ends_at <= self.now

    def renew(self, who: str) -> None:
        for task in self.tasks:
            if task.holder == who and task.ends_at is not None and not self.overdue(task):
                task.ends_at = self.now + task.length

    def expire(self) -> None:
        for task in self.tasks:
            if self.overdue(task):
                task.free("pending")
                task.failures += 1
                task.held = task.held or task.failures % DEFAULTS.max_failures == 0

    def lapse(self) -> None:
        for task in self.tasks:
            if task.state == "assigned" and task.assigned_at < self.now - RESERVED_FOR / 1e6:
                task.state, task.assigned = "pending", None

    def why_not(self, task: Task, who: str) -> str | None:
        """Why it cannot be claimed: the code of the refusal."""
        if task.holder not in (None, who):
            return "already_claimed"
        if task.state not in OPEN:
            return "not_claimable"
        if task.held:
            return "on_hold"
        return "reserved" if task.assigned not in (None, who) else None

    def has_room(self, who: str) -> bool:
        """Whether it may claim one more: what waits for people does not count."""
        running = [each for each in self.tasks if each.holder == who and each.ends_at is not None]
        return len(running) < DEFAULTS.max_claims

    def best(self, who: str) -> Task | None:
        ready = [
            task
            for task in self.tasks
            if task.holder is None and self.why_not(task, who) is None and task.state in OPEN[:2]
        ]
        return min(
            ready,
            key=lambda task: (task.given_back_by == who, -task.priority, task.failures),
            default=None,
        )

    def claim(self, task: Task, who: str, length: int) -> None:
        if task.holder == who:
            return
        task.state, task.holder, task.assigned = "in_progress", who, None
        task.given_back_by = None
        task.fence += 1
        task.length, task.ends_at = length, self.now + length

    def not_mine(self, task: Task, who: str, fence: int) -> str | None:
        holder = None if self.overdue(task) else task.holder
        if holder != who:
            return "stale_fence" if fence <= task.fence else "not_holder"
        return None if fence == task.fence else "stale_fence"


# --- What is --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """`which` and `other` choose among what there is."""

    deed: str
    who: str
    which: int = 0
    other: int = 0


@dataclass
class Story:
    dispatcher: Dispatcher
    clock: Clock
    agents: dict[str, Agent]
    model: Model

    def task(self, step: Step) -> Task:
        return self.model.tasks[step.which % len(self.model.tasks)]

    async def ask(self, who: str, operation: str, **given: Any) -> tuple[str, dict[str, Any]]:
        """The code of the refusal, or `ok`, and the answer. Any call renews what its agent has."""
        self.model.renew(who)
        try:
            return "ok", await self.agents[who].call(operation, **given)
        except Refused as exc:
            return exc.code, {}


Deed: TypeAlias = Callable[[Story, Step], Awaitable[None]]


async def claim(s: Story, step: Step) -> None:
    task, length = s.task(step), LENGTHS[step.other % 2]
    code, _ = await s.ask(step.who, "claim_task", task=task.id, lease_s=length)
    before = deepcopy(s.model.tasks)
    s.model.expire()
    expected = None if task.holder == step.who else s.model.why_not(task, step.who)
    if expected is None and task.holder is None and not s.model.has_room(step.who):
        expected = "too_many"
    assert code == (expected or "ok")
    if expected is None:
        s.model.claim(task, step.who, length)
    else:  # what is refused changes nothing, also not what others' time has brought
        s.model.tasks = before


async def claim_best(s: Story, step: Step) -> None:
    length = LENGTHS[step.other % 2]
    code, answer = await s.ask(step.who, "claim_task", lease_s=length)
    before = deepcopy(s.model.tasks)
    s.model.expire()
    best = s.model.best(step.who)
    full = not s.model.has_room(step.who)
    assert code == ("nothing_ready" if best is None else "too_many" if full else "ok")
    if best is None or full:
        s.model.tasks = before
    else:
        assert answer["task"]["id"] == best.id
        s.model.claim(best, step.who, length)
        assert answer["fence"] == best.fence


async def report(s: Story, step: Step) -> None:
    task = s.task(step)
    status = ("in_progress", "in_review", "completed", "failed", "in_progress")[step.other % 5]
    question = step.other == 4
    fence = max(0, task.fence - (step.other == 5))
    given = {"question": "Why?"} if question else {"note": "It has no pull request"}
    code, _ = await s.ask(
        step.who, "update_task_status", task=task.id, fence=fence, status=status, **given
    )
    expected = s.model.not_mine(task, step.who, fence)
    if expected is None and task.held and status != task.state:
        expected = "on_hold"
    assert code == (expected or "ok")
    if expected is not None:
        return
    if status in ("completed", "failed"):
        task.free(status)
        task.failures += status == "failed"
        return
    before = (task.state, task.question)
    task.question = question or (task.question and status != "in_progress")
    task.state = status
    if (task.state, task.question) != before:
        task.park_or_not(s.model.now)


async def release(s: Story, step: Step) -> None:
    task = s.task(step)
    fence = max(0, task.fence - (step.other == 5))
    code, _ = await s.ask(step.who, "release_task", task=task.id, fence=fence)
    if task.holder is None:
        expected: str | None = "not_holder"
    elif step.who == LEAD != task.holder:
        expected = None if fence == task.fence else "stale_fence"
    else:
        expected = s.model.not_mine(task, step.who, fence)
    assert code == (expected or "ok")
    if expected is None:
        task.given_back_by = step.who if step.who == task.holder else None
        task.free("pending")


async def assign(s: Story, step: Step) -> None:
    task, to = s.task(step), (*AGENTS, None)[step.other % 4]
    code, _ = await s.ask(LEAD, "assign_task", task=task.id, agent_id=to)
    if task.holder is not None:
        assert code == "already_claimed"
    elif to is not None and task.state not in OPEN[:2]:
        assert code == "illegal_transition"
    else:
        assert code == "ok"
        if to is not None:
            task.state, task.assigned, task.assigned_at = "assigned", to, s.model.now
        elif task.state == "assigned":
            task.state, task.assigned = "pending", None


async def hold(s: Story, step: Step) -> None:
    task, on = s.task(step), step.other % 2 == 0
    code, _ = await s.ask(LEAD, "change_task", task=task.id, hold=on)
    if on and not task.held and task.state not in OPEN:
        assert code == "illegal_transition"
        return
    assert code == "ok"
    if on != task.held and not s.model.overdue(task):
        task.held = on
        task.park_or_not(s.model.now)
    task.held = on


async def end(s: Story, step: Step) -> None:
    task, to = s.task(step), ("pending", "completed", "cancelled")[step.other % 3]
    code, _ = await s.ask(LEAD, "change_task", task=task.id, state=to)
    legal = (to == "pending") == (task.state not in OPEN)
    # What it is already it stays.
    assert code == ("ok" if legal or to == task.state != "pending" else "illegal_transition")
    if legal:
        task.free(to)
        task.assigned = None
        task.held = False


async def prioritise(s: Story, step: Step) -> None:
    task = s.task(step)
    task.priority = step.other % 3
    priority = ("low", "medium", "high")[task.priority]
    code, _ = await s.ask(LEAD, "change_task", task=task.id, priority=priority)
    assert code == "ok"


async def look(s: Story, step: Step) -> None:
    """A call about nothing renews as well."""
    code, _ = await s.ask(step.who, "list_tasks")
    assert code == "ok"


async def reap(s: Story, _: Step) -> None:
    await expiry.step(s.dispatcher.store)
    s.model.expire()
    s.model.lapse()


async def pass_time(s: Story, step: Step) -> None:
    seconds = PAUSES_S[step.other % len(PAUSES_S)]
    s.clock.forward(seconds)
    s.model.now += seconds


DEEDS: dict[str, Deed] = {
    each.__name__: each
    for each in (
        claim,
        claim_best,
        report,
        release,
        assign,
        hold,
        end,
        prioritise,
        look,
        reap,
        pass_time,
    )
}
# What makes a story is told more often.
TOLD = ("claim", "claim_best", "report", "report", "report", "pass_time", "pass_time", *DEEDS)
STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(TOLD),
        st.sampled_from((*AGENTS, LEAD)),
        st.integers(0, TASKS - 1),
        st.integers(0, 5),
    ),
    max_size=50,
)


async def begin(store: Store, clock: Clock) -> Story:
    # Every call is written down, because the story's time is not that of a cache.
    dispatcher = Dispatcher(store, Shared(Keys(secrets.token_hex(32))), touched=TTLCache(1, 0))
    here = secrets.randbelow(2**52)
    found = await store.write(lambda tx: seed(tx, here))
    story = Story(dispatcher, clock, {}, Model(tasks=found))
    for name in (*AGENTS, LEAD):
        role: Role = "tech-lead" if name == LEAD else "developer"
        story.agents[name] = Agent(dispatcher, Actor(here, name, role))
        await story.agents[name].call("register_agent", agent_id=name, name=name)
    return story


async def seed(tx: Tx, here: int) -> list[Task]:
    """A repository with numbered tasks, the oldest first, whose issues the mirror does not hold."""
    repository = {"id": here, "name": "rocket", "full_name": "acme/rocket", "private": True}
    row = installation_rows.repository(here, repository | {"owner": {"login": "acme", "id": 1}})
    await mirror_rows.put(tx, row.table, row.row)
    found = []
    for n in range(TASKS):
        made = await tasks.create(
            tx,
            here,
            repository_id=here,
            issue_id=here + n,
            number=n + 1,
            title=f"Task {n}",
            created_at=await tx.now() + n,
        )
        found.append(Task(made, 1))
    return found


async def check_model(s: Story) -> None:
    """Each task stands as the model says, and no two leases on one are alive."""
    here = s.agents[LEAD].actor.installation_id
    q = (
        "SELECT t.*, l.state AS lease, l.expires_at FROM tasks t LEFT JOIN leases l "
        "ON l.installation_id = t.installation_id AND l.id = t.lease_id "
        "WHERE t.installation_id = :i ORDER BY t.created_at"
    )
    for row, task in zip(
        await s.dispatcher.store.read(lambda tx: tx.all(q, i=here)), s.model.tasks, strict=True
    ):
        stands = (row["state"], row["holder"], row["fence"], row["failures"], row["assigned_to"])
        assert stands == (task.state, task.holder, task.fence, task.failures, task.assigned)
        assert (bool(row["held"]), bool(row["question"])) == (task.held, task.question)
        assert (row["expires_at"] is None) == (task.ends_at is None)
        assert row["lease"] in ((None,) if task.holder is None else ("held", "parked"))
    q = (
        "SELECT task_id FROM leases WHERE installation_id = :i AND state IN ('held', 'parked') "
        "GROUP BY task_id HAVING COUNT(*) > 1"
    )
    assert await s.dispatcher.store.read(lambda tx: tx.all(q, i=here)) == []


STORIES = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


@pytest.mark.timeout(max(180, 10 * EXAMPLES))
@ON_SQLITE
@STORIES
@given(steps=STEPS)
async def test_tasks_stand_as_the_model_says_whatever_agents_do(
    store: Store, clock: Clock, steps: list[Step]
) -> None:
    await play(store, clock, steps)


@pytest.mark.timeout(max(180, 10 * EXAMPLES))
@ON_MYSQL
@settings(STORIES, max_examples=examples(5))
@given(steps=STEPS)
async def test_tasks_stand_as_the_model_says_whatever_agents_do_on_mysql(
    store: Store, clock: Clock, steps: list[Step]
) -> None:
    await play(store, clock, steps)


async def play(store: Store, clock: Clock, steps: list[Step]) -> None:
    s = await begin(store, clock)
    for step in steps:
        await DEEDS[step.deed](s, step)
        await check_model(s)
