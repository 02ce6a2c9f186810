"""The last decision about an issue's state wins on GitHub and in Hubbub, in whatever order it
goes out and comes back."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from bot.errors import Refused
from bot.tasks.states import OPEN
from fixtures.github import Issue
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace

# What somebody decides, and whether the issue is open afterwards.
DECISIONS = {
    "/retry": True,
    "/done": False,
    "/cancel": False,
    "change_task pending": True,
    "change_task completed": False,
    "github_update_issue open": True,
    "github_update_issue completed": False,
    "by hand open": True,
    "by hand closed": False,
}


def sequences(seed: int, n: int) -> list[tuple[str, ...]]:
    """So many sequences of two and three decisions, each one after its contrary."""
    every = [
        each
        for length in (2, 3)
        for each in itertools.product(DECISIONS, repeat=length)
        if all(DECISIONS[a] != DECISIONS[b] for a, b in itertools.pairwise(each))
    ]
    return random.Random(seed).sample(every, n)  # noqa: S311 - a choice that can be repeated


async def decide(workspace: Workspace, lead: Agent, issue: Issue, decision: str) -> bool:
    """Return False if nothing was decided, because it was refused or is so already."""
    name, (how, _, state) = workspace.name(issue), decision.partition(" ")
    if decision.startswith("/"):
        workspace.person.comment(issue, decision)
    elif how == "by":
        wanted = decision.rpartition(" ")[2]
        if issue.state == wanted:
            return False
        (workspace.person.reopen if wanted == "open" else workspace.person.close)(issue)
    elif how == "change_task":
        try:
            await lead.call(how, task=name, state=state)
        except Refused:
            return False
    else:
        await lead.call(how, issue=name, state=state)
    return True


@dataclass
class Decided:
    """An issue, what is decided about it, and what was decided last."""

    issue: Issue
    sequence: tuple[str, ...]
    last: str = ""


async def tasks_of(workspace: Workspace, seed: int, n: int) -> list[Decided]:
    """Tasks with what will be decided about them. Those that begin with a reopening have ended."""
    found: list[Decided] = []
    for nth, sequence in enumerate(sequences(seed, n)):
        issue = await workspace.task(f"{nth}: {', '.join(sequence)}")
        if DECISIONS[sequence[0]]:
            workspace.person.comment(issue, "/done")
        found.append(Decided(issue, sequence))
    await workspace.settle()
    workspace.clock.forward(60)
    return found


async def decide_all(
    workspace: Workspace, lead: Agent, nth: int, decided: Sequence[Decided]
) -> None:
    for each in decided:
        if nth < len(each.sequence) and await decide(
            workspace, lead, each.issue, each.sequence[nth]
        ):
            each.last = each.sequence[nth]
    workspace.clock.forward(8)


async def check_last_decisions(workspace: Workspace, decided: Sequence[Decided]) -> None:
    """GitHub and Hubbub have the last decision about each, and nothing more comes of it."""
    await workspace.settle()
    rows = await workspace.rows("SELECT number, state FROM tasks WHERE installation_id = :i")
    states = {row["number"]: row["state"] for row in rows}
    wrong = [
        f"{each.sequence} ended {each.issue.state} on GitHub, {states[each.issue.number]} here"
        for each in decided
        if {each.issue.state == "open", states[each.issue.number] in OPEN} != {DECISIONS[each.last]}
    ]
    assert wrong == []


async def test_of_decisions_that_arrive_together_the_last_one_wins(workspace: Workspace) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    decided = await tasks_of(workspace, 1, 12)
    for nth in range(3):
        await decide_all(workspace, lead, nth, decided)
    await check_last_decisions(workspace, decided)


@ON_SQLITE
@pytest.mark.parametrize("order", ["in order", "backwards"])
async def test_the_webhook_of_a_superseded_change_moves_nothing_however_late_it_comes(
    workspace: Workspace, order: str
) -> None:
    """Each decision is sent to GitHub before the next one, and its webhooks come after all."""
    lead = await workspace.agent("lead", "tech-lead")
    decided = await tasks_of(workspace, 2, 12)
    workspace.github.hold_deliveries()
    for nth in range(3):
        await decide_all(workspace, lead, nth, decided)
        await post_comments(workspace)
        await workspace.settle()
    late = list(workspace.github.held_deliveries)
    for each in reversed(late) if order == "backwards" else late:
        await workspace.github.post(each)
        await workspace.process_delivery()
    workspace.github.release_deliveries()
    await check_last_decisions(workspace, decided)


async def post_comments(workspace: Workspace) -> None:
    """Post the held deliveries of people's comments."""
    for each in list(workspace.github.held_deliveries):
        if each.event == "issue_comment" and each.payload["sender"]["type"] == "User":
            await workspace.github.post(each)


@ON_SQLITE
async def test_retry_and_done_in_one_comment_end_the_task(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.person.comment(issue, "/done")
    await workspace.settle()
    sent = len(state_changes(workspace))
    workspace.person.comment(issue, "/retry\n/done")
    await workspace.settle()
    assert (issue.state, await state_of(workspace, issue)) == ("closed", "completed")
    # The reopening was queued, and the decision after it made it needless.
    assert len(state_changes(workspace)) == sent


@ON_SQLITE
@pytest.mark.parametrize("how", ["all", "by its author's end"])
async def test_a_decision_stands_on_github_too_when_its_write_is_cancelled(
    workspace: Workspace, how: str
) -> None:
    issue = await workspace.task()
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    fence = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    await agent.call(
        "update_task_status", task=workspace.name(issue), fence=fence, status="completed"
    )
    if how == "all":
        await lead.call("cancel_write", all=True)
    else:
        await lead.call("manage_agent", agent_id="scout", action="unregister")
    await workspace.settle()
    assert (issue.state, await state_of(workspace, issue)) == ("closed", "completed")


async def test_of_two_priorities_the_later_one_stands_in_the_labels_and_in_the_task(
    workspace: Workspace,
) -> None:
    """For one task they come together. For the other the first is on GitHub, and its echo late."""
    for name in ("priority:high", "priority:medium", "priority:low"):
        workspace.person.create_label(workspace.repository, name)
    lead = await workspace.agent("lead", "tech-lead")
    back, on = await labelled_task(workspace), await labelled_task(workspace)
    for priority in ("high", "medium"):
        await lead.call("change_task", task=workspace.name(back), priority=priority)
    workspace.github.hold_deliveries()
    await lead.call("change_task", task=workspace.name(on), priority="high")
    await workspace.settle()
    await lead.call("change_task", task=workspace.name(on), priority="low")
    workspace.github.release_deliveries()
    while await workspace.process_delivery():
        pass
    assert await priorities(workspace) == {back.number: 1, on.number: 0}
    await workspace.settle()
    assert (names(back), names(on)) == (["priority:medium"], ["priority:low"])
    assert await priorities(workspace) == {back.number: 1, on.number: 0}


async def labelled_task(workspace: Workspace) -> Issue:
    labels = ["agent-task", "priority:medium"]
    issue = workspace.person.open_issue(workspace.repository, "Labelled", labels=labels)
    await workspace.settle()
    return issue


async def priorities(workspace: Workspace) -> dict[int, int]:
    rows = await workspace.rows("SELECT number, priority FROM tasks WHERE installation_id = :i")
    return {row["number"]: row["priority"] for row in rows}


def names(issue: Issue) -> list[str]:
    return [each.name for each in issue.labels if each.name.startswith("priority")]


def state_changes(workspace: Workspace) -> list[Any]:
    """The requests that closed or reopened an issue."""
    sent = [each for each in workspace.github.requests if each.method == "PATCH"]
    return [each for each in sent if "state" in (each.body or {})]


async def state_of(workspace: Workspace, issue: Issue) -> str:
    (row,) = await workspace.rows(
        "SELECT state FROM tasks WHERE installation_id = :i AND number = :n", n=issue.number
    )
    return str(row["state"])


@ON_SQLITE
async def test_a_tasks_place_on_the_board_is_written_again_when_its_write_is_cancelled(
    workspace: Workspace,
) -> None:
    project = workspace.person.create_project("acme", "Work", ["Todo", "In Progress", "Done"])
    settings = {".github/hubbub.yml": f"board:\n  project: {project.number}\n"}
    workspace.person.push(workspace.repository, "main", settings)
    issue = await workspace.task()
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    await agent.call("claim_task", task=workspace.name(issue))
    await lead.call("cancel_write", all=True)
    await workspace.settle()
    (item,) = [each for each in project.items.values() if each.content is issue]
    assert item.status == "In Progress"
