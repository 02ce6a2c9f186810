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
from store.engine.transaction import Store, Tx, Work
from tests.support.story import Agent, Town

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

    async def close(self) -> None:
        await self.store.close()


@dataclass
class Late:
    """GitHub, with time that passes before a request goes out: once."""

    town: Town
    github: GitHub
    seconds: float
    time_out: float = REQUEST_TIMEOUT

    async def request(self, *given: Any) -> Answer:
        self.town.clock.forward(self.seconds)
        self.seconds = 0
        return await self.github.request(*given)


async def holder(town: Town, lease_s: int = 900) -> tuple[Agent, Issue, int]:
    """An agent that holds a task; the outbox is empty."""
    issue = await town.task()
    agent = await town.agent("scout")
    claimed = await agent.call("claim_task", task=town.name(issue), lease_s=lease_s)
    await town.settle()
    return agent, issue, claimed["fence"]


async def comment(town: Town, agent: Agent, issue: Issue, body: str, **more: Any) -> str:
    """Queued: the write's id."""
    queued = await agent.call("github_comment_issue", issue=town.name(issue), body=body, **more)
    return str(queued["write_id"])


def said(issue: Issue, words: str) -> int:
    return sum(words in each.body for each in issue.comments)


def posts(town: Town, pattern: str) -> list[Request]:
    return [r for r in town.github.requests if r.method == "POST" and re.search(pattern, r.path)]


async def state_of(town: Town, write_id: str) -> str:
    q = "SELECT state FROM writes WHERE installation_id = :i AND id = :w"
    (row,) = await town.rows(q, w=write_id)
    return str(row["state"])


async def try_for(town: Town, rounds: int) -> None:
    """One step of the sender every five minutes."""
    for _ in range(rounds):
        await town.sender.step(town.installation.id)
        town.clock.forward(301)


# --- Once ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [1, 2], ids=["the budget", "the outcome"])
async def test_an_answer_that_could_not_be_recorded_is_looked_for_and_not_sent_again(
    town: Town, which: int
) -> None:
    agent, issue, _ = await holder(town)
    write_id = await comment(town, agent, issue, "once only")
    ended: list[int] = []

    def away() -> None:
        if said(issue, "once only"):
            ended.append(1)
            if len(ended) == which:
                raise Away

    troubled = Troubled(town.store, after=away)
    town.sender = replace(town.sender, store=troubled)
    with pytest.raises(Away):
        await town.settle()
    await town.settle()
    assert said(issue, "once only") == 1
    assert await state_of(town, write_id) == "sent"


async def test_a_sender_that_lost_its_lease_while_it_was_held_up_sends_nothing(town: Town) -> None:
    agent, issue, _ = await holder(town)
    write_id = await comment(town, agent, issue, "once only")
    held_up, go_on = asyncio.Event(), asyncio.Event()

    async def stall() -> None:
        held_up.set()
        await go_on.wait()

    troubled = Troubled(town.store, before=stall)
    slow = replace(town.sender, store=troubled)
    town.clock.forward(2)
    sending = asyncio.create_task(slow.step(town.installation.id))
    await held_up.wait()
    assert await state_of(town, write_id) == "sending"
    town.clock.forward(120)
    town.sender = Sender(town.store, town.sender.github, keys=town.dispatcher.shared.keys)
    await town.settle()
    assert said(issue, "once only") == 1
    go_on.set()
    await sending
    await town.settle()
    assert said(issue, "once only") == 1


async def test_a_successor_whose_first_turn_is_rolled_back_still_looks_first(town: Town) -> None:
    agent, issue, _ = await holder(town)
    write_id = await comment(town, agent, issue, "once only")
    town.clock.forward(2)
    await town.die_while_sending()
    town.clock.forward(120)
    ended: list[int] = []

    def away() -> None:
        ended.append(1)
        if len(ended) == 1:
            raise Away

    troubled = Troubled(town.store, after=away)
    town.sender = replace(town.sender, store=troubled)
    with pytest.raises(Away):
        await town.settle()
    await town.settle()
    assert said(issue, "once only") == 1
    assert await state_of(town, write_id) == "sent"


@pytest.mark.parametrize("fault", ["500", "close"])
async def test_absence_is_believed_after_two_looks_five_seconds_apart(
    town: Town, fault: str
) -> None:
    agent, issue, _ = await holder(town)
    town.github.fault("POST", COMMENTS, fault, times=3)
    began = len(town.github.requests)
    await comment(town, agent, issue, "once only")
    await town.settle()
    asked = [r for r in town.github.requests[began:] if re.search(r"/issues/\d+/comm", r.path)]
    assert [r.method for r in asked] == [*["POST", "GET", "GET"] * 3, "POST"]
    looks = [r.at for r in asked if r.method == "GET"]
    assert all(second - first >= 5 for first, second in pairwise(looks))
    assert said(issue, "once only") == 1


async def test_a_write_of_unknown_outcome_is_not_called_unsent(town: Town) -> None:
    agent, issue, fence = await holder(town)
    town.github.fault("POST", COMMENTS, "502_after")
    write_id = await comment(town, agent, issue, "went out", fence=fence)
    town.clock.forward(2)
    await town.sender.step(town.installation.id)
    assert said(issue, "went out") == 1
    town.clock.forward(901)  # the lease ran out
    await town.settle()
    assert await state_of(town, write_id) == "sent"


async def test_a_pull_request_of_unknown_outcome_is_found_after_the_lease_ended(town: Town) -> None:
    agent, issue, fence = await holder(town)
    town.person.push(town.repository, "fix", {"a.py": "1\n"}, base="main")
    await town.settle()
    town.github.fault("POST", r"/pulls$", "close_after")
    await agent.call(
        "github_create_pr", task=town.name(issue), fence=fence, head="fix", title="Mend it"
    )
    town.clock.forward(2)
    await town.sender.step(town.installation.id)
    lead = await town.agent("lead", "tech-lead")
    await lead.call("release_task", task=town.name(issue))
    await town.settle()
    (pull,) = town.repository.pulls.values()
    task = (await lead.call("get_task", task=town.name(issue)))["task"]
    assert task["pull_request"] == pull.number


async def test_there_is_one_card_though_the_app_could_not_see_it_for_a_while(town: Town) -> None:
    agent, issue, fence = await holder(town, 86_400)
    town.github.fault("PATCH", r"/issues/comments/\d+$", "404")
    for progress in (10, 20):
        await agent.call(
            "update_task_status",
            task=town.name(issue),
            status="in_progress",
            progress=progress,
            fence=fence,
        )
        await town.settle()
    (card,) = issue.comments
    assert "Progress: 20%." in card.body


# --- In its turn ---------------------------------------------------------------------------------


async def test_writes_of_different_targets_go_out_in_the_order_they_were_queued(town: Town) -> None:
    first, second = await town.task("First"), await town.task("Second")
    agent = await town.agent("scout")
    for n, issue in enumerate((second, first, second)):
        await comment(town, agent, issue, f"comment {n}")
        await agent.call("github_create_issue", repository="acme/rocket", title=f"issue {n}")
    await town.settle()
    sent = [r.body.get("title") or r.body["body"] for r in posts(town, r"/issues(/\d+/comments)?$")]
    assert [words.rpartition("\n")[2] for words in sent] == [
        *("comment 0", "issue 0"),
        *("comment 1", "issue 1"),
        *("comment 2", "issue 2"),
    ]


async def test_mutations_are_a_second_apart_as_github_sees_them(town: Town) -> None:
    agent, issue, _ = await holder(town)
    town.sender.github = cast("GitHub", Late(town, town.sender.github, 0.9))
    for n in range(2):
        await comment(town, agent, issue, f"number {n}")
    await town.settle()
    first, second = posts(town, COMMENTS)[-2:]
    assert second.at - first.at >= 1


async def test_the_next_holders_writes_queue_behind_those_of_the_last(town: Town) -> None:
    first, issue, fence = await holder(town)
    second = await town.agent("second")
    town.person.push(town.repository, "fix", {"a.py": "1\n"}, base="main")
    town.github.fault("POST", COMMENTS, "500")
    await comment(town, first, issue, "farewell", fence=fence)
    await first.call("release_task", task=town.name(issue), fence=fence)
    new = (await second.call("claim_task", task=town.name(issue)))["fence"]
    await second.call(
        "github_create_pr", task=town.name(issue), fence=new, head="fix", title="Mend it"
    )
    await town.settle()
    made = [r for r in posts(town, r"/(comments|pulls)$") if r.status == 201]
    assert [r.path.rpartition("/")[2] for r in made][-2:] == ["comments", "pulls"]


# --- Or its author is told -----------------------------------------------------------------------


async def test_a_write_of_an_app_that_was_uninstalled_is_dead_in_the_end(town: Town) -> None:
    agent, issue, _ = await holder(town)
    write_id = await comment(town, agent, issue, "x")
    town.github.hold_deliveries()  # the webhook that would tell is lost
    town.github.uninstall(town.installation)
    town.clock.forward(3600)  # past the end of the last token
    await try_for(town, 40)
    assert await state_of(town, write_id) == "dead"


async def test_a_text_that_github_always_fails_on_is_dead_in_the_end(town: Town) -> None:
    agent, issue, _ = await holder(town)
    town.github.fault("POST", COMMENTS, "500", times=1000)
    write_id = await comment(town, agent, issue, "poison")
    await try_for(town, 150)
    assert await state_of(town, write_id) == "dead"


async def test_a_look_into_a_repository_that_is_gone_ends(town: Town) -> None:
    agent, issue, _ = await holder(town)
    town.github.fault("POST", COMMENTS, "close")
    write_id = await comment(town, agent, issue, "x")
    town.clock.forward(2)
    await town.sender.step(town.installation.id)
    town.github.remove_repositories(town.installation, ["acme/rocket"])
    await try_for(town, 60)
    assert await state_of(town, write_id) == "dead"


async def test_a_task_whose_issue_github_refuses_has_failed(town: Town) -> None:
    agent = await town.agent("planner")
    town.github.fault("POST", r"/issues$", "422")
    made = await agent.call("create_task", repository="acme/rocket", title="x")
    await town.settle()
    assert await state_of(town, made["write_id"]) == "refused"
    task = (await agent.call("get_task", task=made["task"]["id"]))["task"]
    assert task["state"] == "failed"
