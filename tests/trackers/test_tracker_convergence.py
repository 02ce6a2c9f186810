"""However edits on both sides, polls, faults and deaths interleave: one task for each issue.

It has the content and the state that the rules give it, and the other side has each report once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.repository.mirror_settings import Mirror
from bot.trackers.foreign import Content
from bot.trackers.rules import wanted_state
from fixtures.github import Issue
from store.engine.transaction import Store
from tests.support.agent_endpoints import lead
from tests.support.gitlab import Fault, GitLabIssue
from tests.support.sampling import examples
from tests.support.story import Clock, open_workspace
from tests.support.trackers import Tracked, tracked

FAULTS: tuple[Fault, ...] = (
    *("429", "500", "lost", "502 after", "lost after", "used up", "shuffled"),
)


@dataclass(frozen=True)
class Step:
    """`which` chooses among what is there; `wait`: seconds that pass before."""

    deed: str
    which: int
    wait: int


@dataclass
class Story:
    both: Tracked
    made: int = 0
    # What people wrote here last, and the issues there whose tasks somebody here began or ended.
    titles: dict[int, str] = field(default_factory=dict)
    bodies: dict[int, str] = field(default_factory=dict)
    decided: set[int] = field(default_factory=set)
    deaths: int = 0

    def there(self, which: int) -> GitLabIssue | None:
        found = [each for each in self.both.gitlab.issues if not each.is_deleted]
        return found[which % len(found)] if found else None

    async def pair(self, which: int) -> tuple[GitLabIssue, Issue] | None:
        """An issue there with its issue here."""
        linked = await self.both.linked()
        found = [
            each
            for each in self.both.gitlab.issues
            if "#" in ((linked.get(each.iid) or {}).get("task") or "")
        ]
        if not found:
            return None
        there = found[which % len(found)]
        return there, await self.both.issue_of(there)

    async def play(self, step: Step) -> None:
        self.made += 1
        self.both.workspace.clock.forward(step.wait)
        await DEEDS[step.deed](self, step.which)


async def open_there(story: Story, which: int) -> None:
    labels = ("agent-task",) if which % 4 else ("bug",)
    story.both.gitlab.open(f"Title {story.made}", f"/cancel\n@octocat {story.made}", labels)


async def retitle_there(story: Story, which: int) -> None:
    if issue := story.there(which):
        story.both.gitlab.edit(issue, title=f"Title {story.made}")


async def rewrite_there(story: Story, which: int) -> None:
    if issue := story.there(which):
        story.both.gitlab.edit(issue, description=f"Text {story.made}")


async def relabel_there(story: Story, which: int) -> None:
    if issue := story.there(which):
        label = ("agent-task", "urgent", "wontfix")[which % 3]
        labels = {*issue.labels} ^ {label}
        story.both.gitlab.edit(issue, labels=sorted(labels))


async def close_there(story: Story, which: int) -> None:
    if issue := story.there(which):
        story.both.gitlab.edit(issue, state="closed")


async def reopen_there(story: Story, which: int) -> None:
    if issue := story.there(which):
        story.both.gitlab.edit(issue, state="opened")


async def delete_there(story: Story, which: int) -> None:
    if which % 3 == 0 and (issue := story.there(which)):
        issue.is_deleted = True


async def retitle_here(story: Story, which: int) -> None:
    if pair := await story.pair(which):
        story.titles[pair[0].id] = f"Ours {story.made}"
        story.both.workspace.person.edit_issue(pair[1], title=f"Ours {story.made}")


async def rewrite_here(story: Story, which: int) -> None:
    if pair := await story.pair(which):
        story.bodies[pair[0].id] = f"Ours {story.made}"
        story.both.workspace.person.edit_issue(pair[1], body=f"Ours {story.made}")


async def close_here(story: Story, which: int) -> None:
    if (pair := await story.pair(which)) and pair[1].state == "open":
        story.decided.add(pair[0].id)
        story.both.workspace.person.close(pair[1])


async def work_here(story: Story, which: int) -> None:
    """An agent claims the task, and completes it the next time."""
    if not (pair := await story.pair(which)):
        return
    await story.both.workspace.settle()
    agent = await story.both.workspace.agent("ada")
    name = story.both.workspace.name(pair[1])
    task = (await agent.call("get_task", task=name))["task"]
    if task["state"] == "pending":
        story.decided.add(pair[0].id)
        await agent.call("claim_task", task=name)
    elif task["state"] == "in_progress":
        story.decided.add(pair[0].id)
        given = {"status": "completed", "fence": task["fence"]}
        await agent.call("update_task_status", task=name, **given)


async def fail(story: Story, which: int) -> None:
    story.both.gitlab.faults += [FAULTS[which % len(FAULTS)]]


async def poll(story: Story, _which: int) -> None:
    await story.both.turn()


async def settle(story: Story, _which: int) -> None:
    await story.both.workspace.settle()


async def die(story: Story, which: int) -> None:
    """A process dies at some point of a turn. Another one goes on later."""
    turn = asyncio.create_task(story.both.turn())
    for _ in range(which * 7):
        await asyncio.sleep(0)
    turn.cancel()
    await asyncio.wait([turn])
    story.deaths += 1
    story.both.workspace.clock.forward(301)


DEEDS: dict[str, Callable[[Story, int], Awaitable[None]]] = {
    each.__name__: each
    for each in (
        *(open_there, retitle_there, rewrite_there, relabel_there, close_there, reopen_there),
        *(delete_there, retitle_here, rewrite_here, close_here, work_here),
        *(fail, poll, settle, die),
    )
}
# Often those on which the others depend.
OFTEN = ("open_there", "poll", "settle", "fail", "work_here")
STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from([*DEEDS, *OFTEN]),
        st.integers(0, 40),
        st.sampled_from([0, 1, 10, 40, 100]),
    ),
    min_size=10,
    max_size=40,
)


@pytest.mark.timeout(600)
@settings(
    max_examples=examples(2),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS, skew_s=st.sampled_from([-7200.0, -3.0, 0.0, 5.0, 86_400.0]))
async def test_each_matching_issue_has_one_task_as_the_rules_say_and_each_report_is_there_once(
    store: Store, clock: Clock, steps: list[Step], skew_s: float
) -> None:
    async with open_workspace(store, clock, None) as workspace, tracked(workspace, skew_s) as both:
        rules = {".github/hubbub.yml": "mirror:\n  priorities: {urgent: high}\n"}
        workspace.person.push(workspace.repository, "main", rules)
        await workspace.settle()
        await both.add()
        story = Story(both)
        for step in steps:
            await story.play(step)
        both.gitlab.faults.clear()
        await both.rest(1500, 60)
        await lead(workspace).call("manage_tracker", tracker="acme", action="poll")
        await both.rest(300, 40)
        await check_tasks(story)
        await check_reports(story)
        await check_rest(story)


async def check_tasks(story: Story) -> None:
    both, linked = story.both, await story.both.linked()
    sources = [each for each in both.issues() if "via Hubbub</sub>" in (each.body or "")]
    assert len(both.issues()) == len([each for each in linked.values() if each["task"]])
    assert len(sources) >= len(both.issues()) - len(story.bodies)
    for there in both.gitlab.issues:
        seen = linked.get(there.iid)
        state = wanted(there)
        if seen is None:
            assert state != "open"
            continue
        assert seen["task"], seen
        here = await both.issue_of(there)
        if there.id not in story.decided:
            now = await both.state(there)
            assert {"pending": "open"}.get(now, now) == state, (there, now)
        if is_shown(there) and not there.is_deleted:
            assert here.title == story.titles.get(there.id, there.title)
            text = story.bodies.get(there.id, (there.description or "").replace("/c", "&#47;c"))
            assert (here.body or "").replace("\u2060", "").endswith(text)
            names = {each.name for each in here.labels}
            assert ("priority:high" in names) == ("urgent" in there.labels)


def is_shown(there: GitLabIssue) -> bool:
    return "agent-task" in there.labels


def wanted(there: GitLabIssue) -> str:
    state = "open" if there.state == "opened" else "closed"
    content = Content("", "", "", tuple(there.labels), state)  # type: ignore[arg-type]
    return "cancelled" if there.is_deleted else wanted_state(content, Mirror())


async def check_reports(story: Story) -> None:
    rows = await story.both.workspace.rows(
        "SELECT * FROM tracker_reports WHERE installation_id = :i"
    )
    by_id = {str(each.id): each for each in story.both.gitlab.issues}
    assert {row["state"] for row in rows} <= {"sent", "dropped"}
    for row in rows:
        notes = [each["body"] for each in by_id[row["foreign_id"]].notes]
        assert sum(row["id"] in each for each in notes) == (row["state"] == "sent"), row
    assert sum(len(each.notes) for each in by_id.values()) == sum(
        row["state"] == "sent" for row in rows
    )


async def check_rest(story: Story) -> None:
    """Nothing goes round in a circle, and nobody is mentioned."""
    both = story.both
    writes = "SELECT COUNT(*) AS n FROM writes WHERE installation_id = :i"
    before, asked = await both.workspace.rows(writes), len(both.gitlab.requests)
    await both.rest(120, 40)
    assert await both.workspace.rows(writes) == before
    assert {method for method, _ in both.gitlab.requests[asked:]} == {"GET"}
    assert story.deaths or not both.gitlab.while_limited
    commands = "SELECT COUNT(*) AS n FROM commands WHERE installation_id = :i"
    assert await both.workspace.rows(commands) == [{"n": 0}]
