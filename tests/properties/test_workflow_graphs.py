"""The graph on GitHub and the one of a workflow agree, however people edit it and events come.

Hypothesis tells a history: people draw and remove relations, agents work, and the network delivers
late, twice, in another order or only after a repair. Moves to another repository have tests of
their own. At rest the steps of the workflow are the
sub-issues of its parent, and their needs are the relations. Then the workflow comes to its end.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import Refused
from bot.inbox import worker
from fixtures.github import Delivery, Issue, Repository
from fixtures.github.errors import GitHubError
from store.engine.transaction import Store
from tests.support.engines import ON_MYSQL, ON_SQLITE
from tests.support.sampling import examples
from tests.support.story import Agent, Clock, Workspace, open_workspace
from tests.support.workflows import Played, start

T = TypeVar("T")
ENDED = ("completed", "failed", "skipped", "cancelled")
# More claims than any workflow of these takes.
ROUNDS = 60


@dataclass(frozen=True)
class Step:
    """`which` and `other` choose among what is there."""

    deed: str
    which: int = 0
    other: int = 0


class NothingThere(Exception):
    """There is nothing to do it to."""


def pick(found: Iterable[T], which: int) -> T:
    there = list(found)
    if not there:
        raise NothingThere
    return there[which % len(there)]


@dataclass
class Story:
    workspace: Workspace
    flow: Played
    agent: Agent
    parent: Issue
    there: Repository
    late: list[Delivery] = field(default_factory=list)

    def issues(self) -> list[Issue]:
        """All but the parent."""
        both = [*self.workspace.repository.issues.values(), *self.there.issues.values()]
        return [each for each in both if each is not self.parent]

    def on_the_way(self) -> list[Delivery]:
        held = self.workspace.github.held_deliveries
        return [each for each in held if each.status_code is None and each not in self.late]


def block(s: Story, step: Step) -> None:
    with suppress(GitHubError):
        s.workspace.person.block(pick(s.issues(), step.which), pick(s.issues(), step.other))


def unblock(s: Story, step: Step) -> None:
    blocked = pick((each for each in s.issues() if each.blocked_by), step.which)
    s.workspace.person.unblock(blocked, pick(blocked.blocked_by, step.other))


def open_sub_issue(s: Story, step: Step) -> None:
    labels = ["agent-task"] if step.other % 2 else []
    issue = s.workspace.person.open_issue(s.workspace.repository, f"More {step}", labels=labels)
    s.workspace.person.add_sub_issue(s.parent, issue)


def put_under(s: Story, step: Step) -> None:
    with suppress(GitHubError):
        issue = pick((each for each in s.issues() if each.parent is None), step.which)
        s.workspace.person.add_sub_issue(s.parent, issue)


def take_out(s: Story, step: Step) -> None:
    s.workspace.person.remove_sub_issue(pick(s.parent.sub_issues, step.which))


def close(s: Story, step: Step) -> None:
    issue = pick((each for each in s.issues() if each.state == "open"), step.which)
    s.workspace.person.close(issue, pick(("completed", "not_planned"), step.other))


def delete(s: Story, step: Step) -> None:
    s.workspace.person.delete_issue(pick(s.issues(), step.which))


PEOPLE: dict[str, Callable[[Story, Step], None]] = {
    "block": block,
    "unblock": unblock,
    "open_sub_issue": open_sub_issue,
    "put_under": put_under,
    "take_out": take_out,
    "close": close,
    "delete": delete,
}


async def work_on_task(s: Story, status: str) -> bool:
    """Claim the best task and end it so. Return whether there was one."""
    try:
        claimed = await s.agent.call("claim_task")
    except Refused as exc:
        if exc.code != "nothing_ready":
            raise
        return False
    given = {"task": claimed["task"]["task"], "fence": claimed["fence"]}
    await s.agent.call("update_task_status", **given, status=status, note="x")
    await s.workspace.settle()
    return True


async def do(s: Story, step: Step) -> None:
    s.workspace.clock.forward(1)
    with suppress(NothingThere):
        match step.deed:
            case "complete":
                await work_on_task(s, "completed")
            case "fail":
                await work_on_task(s, "failed")
            case "settle":
                await s.workspace.settle()
            case "arrive":
                await s.workspace.github.post(pick(s.on_the_way(), step.which))
                await worker.step(s.workspace.store, s.workspace.dispatcher.shared)
            case "arrive_again":
                held = s.workspace.github.held_deliveries
                again = pick((each for each in held if each.status_code), step.which)
                await s.workspace.github.post(again)
            case "come_late":
                s.late.append(pick(s.on_the_way(), step.which))
            case _:
                PEOPLE[step.deed](s, step)


async def all_arrives(s: Story, order: int) -> None:
    """In an order of its own, some of it twice; then what was lost and is sent again."""
    fate = random.Random(order)  # noqa: S311 - a test's dice
    rest = s.on_the_way()
    if order:
        rest = fate.sample(rest, len(rest)) + fate.sample(rest, len(rest) // 2)
    for each in (*rest, *reversed(s.late)):
        await s.workspace.github.post(each)
        if order and fate.random() < 0.3:
            await s.workspace.settle()
    s.workspace.github.release_deliveries()
    await s.workspace.settle()


async def check_agreement(s: Story) -> None:
    """The steps are the open sub-issues, and what they need are the issues that block them."""
    q = (
        "SELECT s.step, s.state, t.issue_id FROM workflow_steps s JOIN tasks t "
        "ON t.installation_id = s.installation_id AND t.id = s.task_id "
        "WHERE s.installation_id = :i AND s.workflow_id = :w"
    )
    rows = await s.workspace.rows(q, w=s.flow.id)
    present = {each["step"]: each["issue_id"] for each in rows if each["state"] != "removed"}
    going = {each["step"] for each in rows if each["state"] in ("waiting", "open")}
    under = {each.id for each in s.parent.sub_issues if each.state == "open"}
    ended = {each["issue_id"] for each in rows if each["state"] in ENDED}
    assert {present[each] for each in going} == under - ended
    q = "SELECT * FROM workflow_needs WHERE installation_id = :i AND workflow_id = :w"
    needs = await s.workspace.rows(q, w=s.flow.id)
    issues = {each.id: each for each in s.issues()}
    drawn = {
        (one, other)
        for one in going
        for other, issue_id in present.items()
        if issue_id in {each.id for each in issues[present[one]].blocked_by}
    }
    released = {(each["step"], each["needs"]) for each in needs if each["state"] == "released"}
    stored = {(each["step"], each["needs"]) for each in needs if each["step"] in going}
    assert stored - released == drawn - released
    assert not drawn & released


@st.composite
def graphs(draw: st.DrawFn) -> str:
    """A file of two to five steps, each of which needs some of those before it."""
    count = draw(st.integers(2, 5))
    lines = ["parallel: 3", "steps:"]
    for n in range(count):
        needs = draw(st.sets(st.sampled_from([f"s{m}" for m in range(n)]))) if n else set[str]()
        lines.append(
            f"  - {{id: s{n}, title: Do {n}, body: Work., on_failure: continue, "
            f"needs: [{', '.join(sorted(needs))}]}}"
        )
    return "\n".join(lines)


NETWORK = ("settle", "settle", "arrive", "arrive", "arrive_again", "come_late")
STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from([*PEOPLE, *NETWORK, "complete", "fail"]),
        st.integers(0, 7),
        st.integers(0, 7),
    ),
    max_size=12,
)


async def begin(workspace: Workspace, text: str) -> Story:
    there = workspace.github.repository("acme/pad", private=True)
    workspace.github.set_permission("acme/pad", "octocat", "admin")
    workspace.github.add_repositories(workspace.installation, ["acme/pad"])
    await workspace.settle()
    flow, agent = await start(workspace, text), await workspace.agent("ada")
    parent = await flow.issue("parent")
    workspace.github.hold_deliveries()
    return Story(workspace, flow, agent, parent, there)


async def end(s: Story) -> Sequence[str]:
    """Do all that is ready. Return the states of the workflow and of its parent issue."""
    for _ in range(ROUNDS):
        if not await work_on_task(s, "completed"):
            break
    return [(await s.flow.workflow())["state"], s.parent.state]


STORIES = settings(
    max_examples=examples(4),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
)


@ON_SQLITE
@STORIES
@given(text=graphs(), steps=STEPS, order=st.integers(0, 99))
async def test_the_graphs_agree_at_rest_and_the_workflow_ends(
    store: Store, clock: Clock, text: str, steps: list[Step], order: int
) -> None:
    await play(store, clock, text, steps, order)


@ON_MYSQL
@settings(STORIES, max_examples=examples(2))
@given(text=graphs(), steps=STEPS, order=st.integers(0, 99))
async def test_the_graphs_agree_at_rest_and_the_workflow_ends_on_mysql(
    store: Store, clock: Clock, text: str, steps: list[Step], order: int
) -> None:
    await play(store, clock, text, steps, order)


async def play(store: Store, clock: Clock, text: str, steps: list[Step], order: int) -> None:
    async with open_workspace(store, clock, None) as workspace:
        s = await begin(workspace, text)
        for step in steps:
            await do(s, step)
        await all_arrives(s, order)
        if (await s.flow.workflow())["state"] == "running":
            await check_agreement(s)
        assert await end(s) == ["completed", "closed"]
