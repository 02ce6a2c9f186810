"""A write takes effect on GitHub once, in its turn, or its author is told: whatever goes wrong."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, cast

import pytest

from bot.background.request_scheduler import Sender
from bot.github.client import REQUEST_TIMEOUT, GitHub
from bot.github.requests import Answer
from fixtures.github import Issue, Request
from store.engine.transaction import PoolUse, Store, Tx, Work
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace

COMMENTS = r"/issues/\d+/comments$"


class Away(Exception):
    """What a database says that is away for a moment."""


async def at_once() -> None:
    pass


def well() -> None:
    pass


@dataclass
class Troubled:
    """A store whose reads begin with `before`, and whose transactions end with `after`."""

    store: Store
    before: Callable[[], Awaitable[None]] = at_once
    after: Callable[[], None] = well

    def __post_init__(self) -> None:
        self.bell, self.dialect = self.store.bell, self.store.dialect

    async def read(self, work: Work[Any]) -> Any:
        await self.before()
        return await self.store.read(work)

    async def write(self, work: Work[Any]) -> Any:
        async def whole(tx: Tx) -> Any:
            result = await work(tx)
            self.after()  # before the COMMIT: what it raises undoes all of it
            return result

        return await self.store.write(whole)

    def pool(self) -> PoolUse:
        return self.store.pool()

    async def close(self) -> None:
        await self.store.close()


@dataclass
class Late:
    """GitHub, with time that passes before a request goes out: once."""

    workspace: Workspace
    github: GitHub
    seconds: float
    time_out: float = REQUEST_TIMEOUT

    async def request(self, *given: Any) -> Answer:
        self.workspace.clock.forward(self.seconds)
        self.seconds = 0
        return await self.github.request(*given)


async def holder(workspace: Workspace, lease_s: int = 900) -> tuple[Agent, Issue, int]:
    """An agent that holds a task; the outbox is empty."""
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    claimed = await agent.call("claim_task", task=workspace.name(issue), lease_s=lease_s)
    await workspace.settle()
    return agent, issue, claimed["fence"]


async def comment(workspace: Workspace, agent: Agent, issue: Issue, body: str, **more: Any) -> str:
    """Queued: the write's id."""
    queued = await agent.write(
        "github_comment_issue", issue=workspace.name(issue), body=body, **more
    )
    return str(queued["write_id"])


def count_comments(issue: Issue, words: str) -> int:
    return sum(words in each.body for each in issue.comments)


def posts(workspace: Workspace, pattern: str) -> list[Request]:
    return [
        r for r in workspace.github.requests if r.method == "POST" and re.search(pattern, r.path)
    ]


async def state_of(workspace: Workspace, write_id: str) -> str:
    q = "SELECT state FROM writes WHERE installation_id = :i AND id = :w"
    (row,) = await workspace.rows(q, w=write_id)
    return str(row["state"])


async def try_for(workspace: Workspace, rounds: int) -> None:
    """One step of the sender every five minutes."""
    for _ in range(rounds):
        await workspace.sender.step(workspace.installation.id)
        workspace.clock.forward(301)


# --- Once ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [1, 2], ids=["the budget", "the outcome"])
async def test_an_answer_that_could_not_be_recorded_is_looked_for_and_not_sent_again(
    workspace: Workspace, which: int
) -> None:
    agent, issue, _ = await holder(workspace)
    write_id = await comment(workspace, agent, issue, "once only")
    ended: list[int] = []

    def away() -> None:
        if count_comments(issue, "once only"):
            ended.append(1)
            if len(ended) == which:
                raise Away

    troubled = Troubled(workspace.store, after=away)
    workspace.sender = replace(workspace.sender, store=troubled)
    with pytest.raises(Away):
        await workspace.settle()
    await workspace.settle()
    assert count_comments(issue, "once only") == 1
    assert await state_of(workspace, write_id) == "sent"


async def test_a_sender_that_lost_its_lease_while_it_was_held_up_sends_nothing(
    workspace: Workspace,
) -> None:
    agent, issue, _ = await holder(workspace)
    write_id = await comment(workspace, agent, issue, "once only")
    held_up, go_on = asyncio.Event(), asyncio.Event()

    async def stall() -> None:
        held_up.set()
        await go_on.wait()

    troubled = Troubled(workspace.store, before=stall)
    slow = replace(workspace.sender, store=troubled)
    workspace.clock.forward(2)
    sending = asyncio.create_task(slow.step(workspace.installation.id))
    await held_up.wait()
    assert await state_of(workspace, write_id) == "sending"
    workspace.clock.forward(120)
    workspace.sender = Sender(
        workspace.store, workspace.sender.github, keys=workspace.dispatcher.shared.keys
    )
    await workspace.settle()
    assert count_comments(issue, "once only") == 1
    go_on.set()
    await sending
    await workspace.settle()
    assert count_comments(issue, "once only") == 1


async def test_a_successor_whose_first_turn_is_rolled_back_still_looks_first(
    workspace: Workspace,
) -> None:
    agent, issue, _ = await holder(workspace)
    write_id = await comment(workspace, agent, issue, "once only")
    workspace.clock.forward(2)
    await workspace.die_while_sending()
    workspace.clock.forward(120)
    ended: list[int] = []

    def away() -> None:
        ended.append(1)
        if len(ended) == 1:
            raise Away

    troubled = Troubled(workspace.store, after=away)
    workspace.sender = replace(workspace.sender, store=troubled)
    with pytest.raises(Away):
        await workspace.settle()
    await workspace.settle()
    assert count_comments(issue, "once only") == 1
    assert await state_of(workspace, write_id) == "sent"


@pytest.mark.parametrize("fault", ["500", "close"])
async def test_absence_is_believed_after_two_looks_five_seconds_apart(
    workspace: Workspace, fault: str
) -> None:
    agent, issue, _ = await holder(workspace)
    workspace.github.fault("POST", COMMENTS, fault, times=3)
    began = len(workspace.github.requests)
    await comment(workspace, agent, issue, "once only")
    await workspace.settle()
    asked = [r for r in workspace.github.requests[began:] if re.search(r"/issues/\d+/comm", r.path)]
    assert [r.method for r in asked] == [*["POST", "GET", "GET"] * 3, "POST"]
    looks = [r.at for r in asked if r.method == "GET"]
    assert all(second - first >= 5 for first, second in pairwise(looks))
    assert count_comments(issue, "once only") == 1


@ON_SQLITE
async def test_a_write_of_unknown_outcome_is_not_called_unsent(workspace: Workspace) -> None:
    agent, issue, fence = await holder(workspace)
    workspace.github.fault("POST", COMMENTS, "502_after")
    write_id = await comment(workspace, agent, issue, "went out", fence=fence)
    workspace.clock.forward(2)
    await workspace.sender.step(workspace.installation.id)
    assert count_comments(issue, "went out") == 1
    workspace.clock.forward(901)  # the lease ran out
    await workspace.settle()
    assert await state_of(workspace, write_id) == "sent"


async def test_a_pull_request_of_unknown_outcome_is_found_after_the_lease_ended(
    workspace: Workspace,
) -> None:
    agent, issue, fence = await holder(workspace)
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    await workspace.settle()
    workspace.github.fault("POST", r"/pulls$", "close_after")
    await agent.write(
        "github_create_pr", task=workspace.name(issue), fence=fence, head="fix", title="Mend it"
    )
    workspace.clock.forward(2)
    await workspace.sender.step(workspace.installation.id)
    lead = await workspace.agent("lead", "tech-lead")
    await lead.call("release_task", task=workspace.name(issue))
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    task = (await lead.call("get_task", task=workspace.name(issue)))["task"]
    assert task["pull_request"] == pull.number


async def test_there_is_one_card_though_the_app_could_not_see_it_for_a_while(
    workspace: Workspace,
) -> None:
    agent, issue, fence = await holder(workspace, 86_400)
    workspace.github.fault("PATCH", r"/issues/comments/\d+$", "404")
    for progress in (10, 20):
        await agent.call(
            "update_task_status",
            task=workspace.name(issue),
            status="in_progress",
            progress=progress,
            fence=fence,
        )
        await workspace.settle()
    (card,) = issue.comments
    assert "Progress: 20%." in card.body


# --- In its turn ---------------------------------------------------------------------------------


async def test_writes_of_different_targets_go_out_in_the_order_they_were_queued(
    workspace: Workspace,
) -> None:
    first, second = await workspace.task("First"), await workspace.task("Second")
    agent = await workspace.agent("scout")
    for n, issue in enumerate((second, first, second)):
        await comment(workspace, agent, issue, f"comment {n}")
        await agent.write("github_create_issue", repository="acme/rocket", title=f"issue {n}")
    await workspace.settle()
    sent = [
        r.body.get("title") or r.body["body"] for r in posts(workspace, r"/issues(/\d+/comments)?$")
    ]
    assert [words.rpartition("\n")[2] for words in sent] == [
        *("comment 0", "issue 0"),
        *("comment 1", "issue 1"),
        *("comment 2", "issue 2"),
    ]


@ON_SQLITE
async def test_mutations_are_a_second_apart_as_github_sees_them(workspace: Workspace) -> None:
    agent, issue, _ = await holder(workspace)
    workspace.sender.github = cast("GitHub", Late(workspace, workspace.sender.github, 0.9))
    for n in range(2):
        await comment(workspace, agent, issue, f"number {n}")
    await workspace.settle()
    first, second = posts(workspace, COMMENTS)[-2:]
    assert second.at - first.at >= 1


async def test_the_next_holders_writes_queue_behind_those_of_the_last(workspace: Workspace) -> None:
    first, issue, fence = await holder(workspace)
    second = await workspace.agent("second")
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    workspace.github.fault("POST", COMMENTS, "500")
    await comment(workspace, first, issue, "farewell", fence=fence)
    await first.call("release_task", task=workspace.name(issue), fence=fence)
    new = (await second.call("claim_task", task=workspace.name(issue)))["fence"]
    await second.write(
        "github_create_pr", task=workspace.name(issue), fence=new, head="fix", title="Mend it"
    )
    await workspace.settle()
    made = [r for r in posts(workspace, r"/(comments|pulls)$") if r.status == 201]
    assert [r.path.rpartition("/")[2] for r in made][-2:] == ["comments", "pulls"]


# --- Or its author is told -----------------------------------------------------------------------


async def test_a_write_of_an_app_that_was_uninstalled_is_dead_in_the_end(
    workspace: Workspace,
) -> None:
    agent, issue, _ = await holder(workspace)
    write_id = await comment(workspace, agent, issue, "x")
    workspace.github.hold_deliveries()  # the webhook that would tell is lost
    workspace.github.uninstall(workspace.installation)
    workspace.clock.forward(3600)  # past the end of the last token
    await try_for(workspace, 40)
    assert await state_of(workspace, write_id) == "dead"


async def test_a_text_that_github_always_fails_on_is_dead_in_the_end(workspace: Workspace) -> None:
    agent, issue, _ = await holder(workspace)
    workspace.github.fault("POST", COMMENTS, "500", times=1000)
    write_id = await comment(workspace, agent, issue, "poison")
    await try_for(workspace, 150)
    assert await state_of(workspace, write_id) == "dead"


@ON_SQLITE
async def test_a_look_into_a_repository_that_is_gone_ends(workspace: Workspace) -> None:
    agent, issue, _ = await holder(workspace)
    workspace.github.fault("POST", COMMENTS, "close")
    write_id = await comment(workspace, agent, issue, "x")
    workspace.clock.forward(2)
    await workspace.sender.step(workspace.installation.id)
    workspace.github.remove_repositories(workspace.installation, ["acme/rocket"])
    await try_for(workspace, 60)
    assert await state_of(workspace, write_id) == "dead"


async def test_a_task_whose_issue_github_refuses_has_failed(workspace: Workspace) -> None:
    agent = await workspace.agent("planner")
    workspace.github.fault("POST", r"/issues$", "422")
    made = await agent.call("create_task", repository="acme/rocket", title="x")
    await workspace.settle()
    assert await state_of(workspace, made["writes"][0]["write_id"]) == "refused"
    task = (await agent.call("get_task", task=made["task"]["id"]))["task"]
    assert task["state"] == "failed"
