"""Moves on a board, and Hubbub's own changes of it, in any order and any number of copies.

Hubbub's own change comes back as an event, maybe late and maybe often, and must cause nothing. And
whatever the order of the events, each task ends where a person dragged its item last.
"""

import json
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from bot.github import webhook_payloads
from bot.inbox import worker
from fixtures.github import Delivery, Issue, Person
from store.inbox import deliveries
from tests.support.boards import BoardStory, open_board
from tests.support.engines import ON_SQLITE
from tests.support.sampling import examples
from tests.support.story import Workspace

# --- The echo of our own changes -----------------------------------------------------------------

EVENTS = examples(1000)
IN_ONE_TRANSACTION = 250


async def replay(workspace: Workspace, sent: Sequence[Delivery]) -> None:
    """Let all of them arrive again under new ids, in this order."""
    for n in range(0, len(sent), IN_ONE_TRANSACTION):
        some = [stored(each) for each in sent[n : n + IN_ONE_TRANSACTION]]
        await workspace.store.write(lambda tx, some=some: deliveries.receive(tx, some))  # type: ignore[misc]
        while await worker.step(workspace.store, workspace.dispatcher.shared):
            pass


def stored(each: Delivery) -> deliveries.Delivery:
    body = json.dumps(each.payload).encode()
    return webhook_payloads.delivery(secrets.token_hex(8), each.event, body, each.payload)


async def lived_board(workspace: Workspace) -> tuple[BoardStory, list[Issue], list[Delivery]]:
    """Tasks that agents, people and GitHub's workflows moved about, and all events about it."""
    story = await open_board(workspace)
    story.project.workflows.item_closed = "Done"
    issues = [await story.on_board(f"Task {n}") for n in range(4)]
    await story.agent.call("claim_task", task=workspace.name(issues[0]))
    await story.report(issues[0], "in_review")
    await story.drag(issues[1], "In Progress")
    await story.drag(issues[1], "Todo")
    await story.drag(issues[2], "Done")
    await story.drag(issues[2], "In Review")
    workspace.person.close(issues[3])
    await story.rest()
    sent = [each for each in workspace.github.deliveries if each.event.startswith("projects_v2")]
    return story, issues, sent


async def outcome(story: BoardStory, issues: Sequence[Issue]) -> list[tuple[str, str | None]]:
    return [(await story.state(each), story.status(each)) for each in issues]


@ON_SQLITE
async def test_no_write_is_caused_by_an_echo_of_our_own_change(workspace: Workspace) -> None:
    """HUBBUB_TEST_LONG=1 plays 10,000 events."""
    story, issues, sent = await lived_board(workspace)
    assert any(each.payload["sender"]["login"] == "hubbub[bot]" for each in sent)
    before = await outcome(story, issues)
    assert before == [
        ("in_review", "In Review"),
        ("pending", "Todo"),
        ("completed", "Done"),
        ("completed", "Done"),
    ]
    counted = "SELECT COUNT(*) AS n FROM writes WHERE installation_id = :i"
    (writes,) = await workspace.rows(counted)
    dice = random.Random(8)  # noqa: S311 - a choice that can be repeated
    await replay(workspace, [dice.choice(sent) for _ in range(EVENTS)])
    assert await workspace.rows(counted) == [writes]
    await story.rest(600)
    assert await workspace.rows(counted) == [writes]
    assert await outcome(story, issues) == before


# --- Any order of people's moves -----------------------------------------------------------------

# By the column in which an item ends, the task's state.
ENDS = {"Todo": "pending", "In Progress": "in_progress", "Done": "completed"}


@dataclass
class Tangle:
    """Events that arrive in any order, some of them several times."""

    story: BoardStory
    dice: random.Random

    async def arrive(self) -> None:
        """Let all held events arrive, and then those that they cause."""
        github = self.story.workspace.github
        while github.held_deliveries:
            some = list(github.held_deliveries)
            github.held_deliveries.clear()
            again = self.dice.choices(some, k=len(some) // 2)
            for each in self.dice.sample([*some, *again], len(some) + len(again)):
                await github.post(each)
                if self.dice.random() < 0.3:
                    await self.story.workspace.process_delivery()
            await self.story.rest(5)
        github.release_deliveries()
        await self.story.rest(120)

    def drag(self, issue: Issue, to: str, by: Person) -> None:
        self.story.workspace.clock.forward(self.dice.choice([3, 5, 20]))
        bare = self.dice.random() < 0.2
        by.set_status(self.story.item(issue), to, bare=bare)


@pytest.mark.parametrize("seed", range(examples(2)))
async def test_each_task_ends_where_a_person_dragged_its_item_last(
    workspace: Workspace, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311 - a choice that can be repeated
    story = await open_board(workspace)
    story.project.workflows.item_closed = dice.choice(["Done", None])
    issues = [await story.on_board(f"Task {n}") for n in range(3)]
    reader = workspace.github.person("mona", permissions={"acme/rocket": "read"})
    tangle = Tangle(story, dice)
    workspace.github.hold_deliveries()
    last = {}
    for _ in range(12):
        issue, to = dice.choice(issues), dice.choice([*ENDS])
        allowed = dice.random() < 0.7
        if story.status(issue) == to:
            continue
        tangle.drag(issue, to, workspace.person if allowed else reader)
        if allowed:
            last[issue.number] = to
    await tangle.arrive()
    ends = [last.get(each.number, "Todo") for each in issues]
    assert await outcome(story, issues) == [(ENDS[each], each) for each in ends]
