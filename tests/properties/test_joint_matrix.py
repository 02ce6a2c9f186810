"""Writes of the bot that share a request, with GitHub's faults and the sender's death.

Each effect is there once, and each write is sent, whatever became of the others. SQLite only: the
same rows are tried on both engines one by one, in `test_matrix`.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from bot.background.request_scheduler import Sender
from bot.github.channel import Timing
from bot.identity.actors import BOT
from bot.outbox.joint_requests import JOINABLE
from bot.times import SECOND
from fixtures.github import Issue, Project, Request
from store.engine.database import open_store
from store.engine.transaction import Tx
from store.outbox import sender_leases, writes
from tests.support.crash_points import Crash, CrashPlan, crashing_sender
from tests.support.story import Clock, Workspace, open_workspace
from tests.support.write_scenarios import add_sent_reaction

# More than a request takes, and fewer than would hide a sender that never comes to its end.
MOST_STEPS = 200
# Steps until the outcome of the shared request is stored, and a few more.
DEATHS = range(1, 8)
# What GitHub does with the shared request; then how often.
FAULTS: dict[str, tuple[str, int]] = {
    "none": ("502", 0),
    "no answer": ("502", 1),
    "no answer after the effects": ("502_after", 1),
    "closed after the effects": ("close_after", 1),
    "an error beside the effects": ("beside", 1),
    "told to wait": ("secondary", 1),
    "the points are spent": ("graphql_spent", 1),
    "the token is refused": ("401", 1),
    "no mutation is allowed": ("403", 1),
    "no GraphQL at all": ("404", 1),
}


@dataclass(frozen=True)
class Joint:
    """A workspace in which writes of all joinable kinds wait."""

    workspace: Workspace
    board: Project

    async def queue(self) -> dict[str, Callable[[], int]]:
        """Queue one write of each kind. Return how often each took effect."""
        workspace, person = self.workspace, self.workspace.person
        new, old = await workspace.task("New"), await workspace.task("Old")
        item = person.add_to_project(self.board, old)
        said, hidden = person.comment(old, "Said"), person.comment(old, "Hidden")
        await workspace.settle()
        workspace.github.hold_deliveries()
        done = {
            "project": self.board.number,
            "field_id": self.board.status_field.id,
            "option_id": self.board.option("Done").id,
        }
        reaction = {"source": "comment", "comment_id": said.id, "number": old.number}
        waits = {"source": "comment", "comment_id": hidden.id, "content": "eyes"}
        first = await add_sent_reaction(workspace, waits, hidden.reactions)
        answer = {"number": old.number, "body": "Free", "answers": "comment 1", "verb": None}
        minimized = {"number": old.number, "comment_id": hidden.id, "classifier": "OUTDATED"}
        await self._add(
            ("card", new, {"number": new.number}),
            ("board_item", new, {"project": self.board.number, "type": "Issue", "id": new.id}),
            ("board_status", old, done | {"item_id": item.id}),
            ("comment", old, {"number": old.number, "body": "Once"}),
            ("reaction", old, reaction | {"content": "eyes"}),
            ("comment_minimize", old, minimized),
            ("reply", old, answer),
            ("reaction_removal", old, waits | {"after": first}),
        )
        return {
            "card": lambda: sum("**Hubbub** ·" in each.body for each in new.comments),
            "board_item": lambda: sum(each.content is new for each in self.board.items.values()),
            "board_status": lambda: int(item.status == "Done"),
            "comment": lambda: sum("Once" in each.body for each in old.comments),
            "reaction": lambda: len(said.reactions),
            "comment_minimize": lambda: int(hidden.minimized == "outdated"),
            "reply": lambda: sum("Free" in each.body for each in old.comments),
            "reaction_removal": lambda: 1 - len(hidden.reactions),
        }

    async def _add(self, *wanted: tuple[str, Issue, dict[str, Any]]) -> None:
        here = self.workspace.installation.id
        tasks = await self.workspace.rows("SELECT id, number FROM tasks WHERE installation_id = :i")
        task_ids = {row["number"]: row["id"] for row in tasks}

        async def work(tx: Tx) -> None:
            for kind, issue, arguments in wanted:
                await writes.queue(
                    tx,
                    here,
                    kind=kind,
                    repository_id=self.workspace.repository.id,
                    target=f"{kind} {issue.id}",
                    arguments=arguments,
                    author=BOT,
                    task_id=task_ids[issue.number],
                )

        await self.workspace.store.write(work)

    async def live(self, sender: Sender) -> None:
        """Step by step, until no write is left."""
        here = self.workspace.installation.id
        for _ in range(MOST_STEPS):
            wait = await sender.step(here)
            due = await self.workspace.rows(
                "SELECT MIN(not_before) AS at FROM writes WHERE installation_id = :i "
                "AND state IN ('queued', 'sending', 'unknown')"
            )
            if due[0]["at"] is None:
                return
            if wait is None:
                wait = max(0, due[0]["at"] - self.workspace.clock()) / SECOND
            self.workspace.clock.forward(wait)
        raise AssertionError("the writes do not come to their end")

    async def states(self) -> set[tuple[str, str]]:
        """The kinds of all writes since the fault was asked for, and how they ended."""
        rows = await self.workspace.rows(
            "SELECT kind, state FROM writes WHERE installation_id = :i"
        )
        return {(row["kind"], row["state"]) for row in rows}


@pytest.fixture
async def joint(sqlite_url: str, clock: Clock) -> AsyncIterator[Joint]:
    store = await open_store(sqlite_url, clock)
    async with open_workspace(store, clock, None) as workspace:
        agent, issue = await workspace.agent("scout"), await workspace.task()
        # The bot's first text shows the id of its user. Before that no text shares a request.
        await agent.call("github_comment_issue", issue=workspace.name(issue), body="Hello")
        board = workspace.person.create_project("acme", "Work", ["Todo", "Done"])
        await workspace.settle()
        await workspace.sender.release()
        yield Joint(workspace, board)
        assert workspace.github.limits.exceeded == []
        assert workspace.github.limits.too_fast == []
    await store.close()


def shared(requests: list[Request]) -> int:
    return sum(each.path == "/graphql" and "Together" in each.body["query"] for each in requests)


async def play(joint: Joint, fault: str, after: int | None = None) -> bool:
    """Play it with this fault, and hold it to what it must come to. Return whether it died."""
    workspace, (kind, times) = joint.workspace, FAULTS[fault]
    effects = await joint.queue()
    assert set(effects) == set(JOINABLE)
    before = len(workspace.github.requests)
    workspace.github.fault("POST", "/graphql$", kind, times, seconds=40)
    github, keys = workspace.sender.github, workspace.dispatcher.shared.keys
    sender = crashing_sender(workspace.dispatcher, github, CrashPlan(after))
    died = False
    try:
        await joint.live(sender)
    except Crash:
        died, timing = True, Timing()
        sender = Sender(workspace.store, github, keys=keys)
        workspace.clock.forward((timing.lease + timing.grace) / SECOND)
        await joint.live(sender)
    assert {name: each() for name, each in effects.items()} == dict.fromkeys(effects, 1)
    assert {state for _, state in await joint.states()} == {"sent"}
    if fault == "none" and not died:
        # Of the two comments that notify people, the second one goes out three seconds later.
        sent = [each for each in workspace.github.requests[before:] if each.method != "GET"]
        assert len(sent) == 2
    # Once more with a new token, if GitHub refused the token. Nothing was done then.
    assert shared(workspace.github.requests[before:]) in ((1, 2) if times else (1,)) or died
    await workspace.store.write(lambda tx: sender_leases.release(tx, sender.me))
    workspace.github.release_deliveries()
    await workspace.settle()
    await workspace.sender.release()
    return died


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_of_the_writes_that_share_a_request_takes_effect_once(
    joint: Joint, fault: str
) -> None:
    await play(joint, fault)


@pytest.mark.parametrize("fault", ["none", "no answer after the effects"])
async def test_a_sender_that_dies_with_a_shared_request_leaves_each_effect_once(
    joint: Joint, fault: str
) -> None:
    deaths = [await play(joint, fault, after) for after in DEATHS]
    assert all(deaths)
