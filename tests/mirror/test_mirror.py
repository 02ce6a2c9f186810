"""What the mirror holds when deliveries come late, in another order, or are cut short."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from bot.github.client import REQUEST_TIMEOUT, GitHub
from bot.github.requests import Answer
from bot.inbox import worker
from fixtures.github import Delivery
from tests.support.story import Town


@dataclass
class ShortPages:
    """GitHub, where a page of a list holds one thing."""

    github: GitHub
    time_out: float = REQUEST_TIMEOUT

    async def request(self, installation_id: int, method: str, path: str, body: Any) -> Answer:
        path = path.replace("per_page=100", "per_page=1")
        return await self.github.request(installation_id, method, path, body)


@dataclass
class Overtaken:
    """GitHub, whose answer to a new issue comes after what somebody did to it."""

    town: Town
    github: GitHub
    time_out: float = REQUEST_TIMEOUT

    async def request(self, installation_id: int, method: str, path: str, body: Any) -> Answer:
        answer = await self.github.request(installation_id, method, path, body)
        if (method, path) == ("POST", "/repos/acme/rocket/issues"):
            await rewritten(self.town)
        return answer


async def rewritten(town: Town) -> None:
    """The body of the only issue is another, and that comes in before the issue itself."""
    (issue,) = town.repository.issues.values()
    town.clock.forward(2)
    town.person.edit_issue(issue, body="I rewrote all of it")
    await come_in(town, list(reversed(town.github.held_deliveries)))
    town.github.release_deliveries()


async def come_in(town: Town, arriving: Sequence[Delivery]) -> None:
    """In this order, each processed before the next."""
    for each in arriving:
        await town.github.post(each)
        await worker.step(town.store, town.dispatcher.shared)


async def tasks(town: Town) -> list[dict[str, Any]]:
    return await town.rows("SELECT * FROM tasks WHERE installation_id = :i ORDER BY number")


async def test_a_list_that_was_cut_short_hides_nothing(town: Town) -> None:
    """One with more pages than are read at a time."""
    town.sender.github = cast("GitHub", ShortPages(town.sender.github))
    names = [f"acme/r{n:02d}" for n in range(20)]
    for name in names:
        town.github.repository(name, private=True)
    town.github.add_repositories(town.installation, names)
    await town.settle()
    rows = await town.rows(
        "SELECT full_name FROM repositories WHERE installation_id = :i AND selected = 1 "
        "ORDER BY full_name"
    )
    assert [row["full_name"] for row in rows] == [*names, "acme/rocket"]


async def test_suspended_and_back_within_a_second_everything_is_there(town: Town) -> None:
    issue = await town.task()
    agent = await town.agent("scout")
    for _ in range(6):
        town.github.suspend(town.installation)
        town.github.unsuspend(town.installation)
        await town.settle()
        task = (await agent.call("get_task", task=town.name(issue)))["task"]
        assert task["state"] == "pending"
        town.clock.forward(2)


async def test_a_task_follows_an_issue_closed_while_its_repository_was_away(town: Town) -> None:
    issue = await town.task()
    agent = await town.agent("scout")
    town.github.hold_deliveries()
    town.person.close(issue)
    town.clock.forward(2)
    town.github.remove_repositories(town.installation, ["acme/rocket"])
    held = town.github.held_deliveries
    await come_in(town, sorted(held, key=lambda each: each.event == "issues"))
    town.github.release_deliveries()
    town.clock.forward(2)
    town.github.add_repositories(town.installation, ["acme/rocket"])
    await town.settle()
    (row,) = await town.rows("SELECT state FROM issues WHERE installation_id = :i")
    task = (await agent.call("get_task", task=town.name(issue)))["task"]
    assert (row["state"], task["state"]) == ("closed", "completed")


async def test_an_older_delivery_that_comes_late_changes_nothing_of_its_task(town: Town) -> None:
    issue = await town.task()
    agent = await town.agent("scout")
    await agent.call("claim_task", task=town.name(issue))
    await town.settle()
    before = await tasks(town)
    town.github.hold_deliveries()
    town.clock.forward(60)
    town.person.close(issue)
    town.clock.forward(60)
    town.person.reopen(issue)
    closed, reopened = town.github.held_deliveries
    assert (closed.action, reopened.action) == ("closed", "reopened")
    await come_in(town, [reopened, closed])
    assert await tasks(town) == before
    leases = await town.rows("SELECT holder, state FROM leases WHERE installation_id = :i")
    assert leases == [{"holder": "scout", "state": "held"}]
    town.github.release_deliveries()


async def test_a_task_whose_lease_ran_out_can_be_claimed_though_many_ran_out(town: Town) -> None:
    agent, other = await town.agent("scout"), await town.agent("other")
    issues = [await town.task(f"Task {n}") for n in range(52)]
    for issue in issues:
        await agent.call("claim_task", task=town.name(issue), lease_s=60)
    town.clock.forward(61)
    claimed = await other.call("claim_task", task=town.name(issues[-1]))
    assert claimed["task"]["holder"] == "other"


async def test_an_issue_whose_body_is_a_copy_of_a_tasks_is_a_task_of_its_own(town: Town) -> None:
    agent = await town.agent("planner")
    await agent.call("create_task", repository="acme/rocket", title="One", body="text")
    await town.settle()
    (first,) = town.repository.issues.values()
    second = town.person.open_issue(town.repository, "Two", first.body, labels=["agent-task"])
    await town.settle()
    assert [row["number"] for row in await tasks(town)] == [first.number, second.number]


async def test_an_issue_of_ours_that_is_first_seen_edited_is_one_task(town: Town) -> None:
    agent = await town.agent("planner")
    await agent.call("create_task", repository="acme/rocket", title="One", body="text")
    town.github.hold_deliveries()
    town.github.fault("POST", r"/issues$", "502_after")
    await town.sender.step(town.installation.id)
    await rewritten(town)
    await town.settle()
    (issue,) = town.repository.issues.values()
    assert [row["number"] for row in await tasks(town)] == [issue.number]


async def test_an_issue_of_ours_that_is_edited_before_githubs_answer_is_one_task(
    town: Town,
) -> None:
    town.sender.github = cast("GitHub", Overtaken(town, town.sender.github))
    agent = await town.agent("planner")
    await agent.call("create_task", repository="acme/rocket", title="One", body="text")
    town.github.hold_deliveries()
    await town.settle()
    (issue,) = town.repository.issues.values()
    assert [row["number"] for row in await tasks(town)] == [issue.number]
