"""What the mirror holds when deliveries come late, in another order, or are cut short."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from bot.github.client import REQUEST_TIMEOUT, GitHub
from bot.github.requests import Answer
from bot.inbox import worker
from fixtures.github import Delivery
from tests.support.story import Workspace


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

    workspace: Workspace
    github: GitHub
    time_out: float = REQUEST_TIMEOUT

    async def request(self, installation_id: int, method: str, path: str, body: Any) -> Answer:
        answer = await self.github.request(installation_id, method, path, body)
        if (method, path) == ("POST", "/repos/acme/rocket/issues"):
            await rewritten(self.workspace)
        return answer


async def rewritten(workspace: Workspace) -> None:
    """The body of the only issue is another, and that comes in before the issue itself."""
    (issue,) = workspace.repository.issues.values()
    workspace.clock.forward(2)
    workspace.person.edit_issue(issue, body="I rewrote all of it")
    await come_in(workspace, list(reversed(workspace.github.held_deliveries)))
    workspace.github.release_deliveries()


async def come_in(workspace: Workspace, arriving: Sequence[Delivery]) -> None:
    """In this order, each processed before the next."""
    for each in arriving:
        await workspace.github.post(each)
        await worker.step(workspace.store, workspace.dispatcher.shared)


async def tasks(workspace: Workspace) -> list[dict[str, Any]]:
    return await workspace.rows("SELECT * FROM tasks WHERE installation_id = :i ORDER BY number")


async def test_a_list_that_was_cut_short_hides_nothing(workspace: Workspace) -> None:
    """One with more pages than are read at a time."""
    workspace.sender.github = cast("GitHub", ShortPages(workspace.sender.github))
    names = [f"acme/r{n:02d}" for n in range(20)]
    for name in names:
        workspace.github.repository(name, private=True)
    workspace.github.add_repositories(workspace.installation, names)
    await workspace.settle()
    rows = await workspace.rows(
        "SELECT full_name FROM repositories WHERE installation_id = :i AND selected = 1 "
        "ORDER BY full_name"
    )
    assert [row["full_name"] for row in rows] == [*names, "acme/rocket"]


async def test_suspended_and_back_within_a_second_everything_is_there(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    for _ in range(6):
        workspace.github.suspend(workspace.installation)
        workspace.github.unsuspend(workspace.installation)
        await workspace.settle()
        task = (await agent.call("get_task", task=workspace.name(issue)))["task"]
        assert task["state"] == "pending"
        workspace.clock.forward(2)


async def test_a_task_follows_an_issue_closed_while_its_repository_was_away(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    workspace.github.hold_deliveries()
    workspace.person.close(issue)
    workspace.clock.forward(2)
    workspace.github.remove_repositories(workspace.installation, ["acme/rocket"])
    held = workspace.github.held_deliveries
    await come_in(workspace, sorted(held, key=lambda each: each.event == "issues"))
    workspace.github.release_deliveries()
    workspace.clock.forward(2)
    workspace.github.add_repositories(workspace.installation, ["acme/rocket"])
    await workspace.settle()
    (row,) = await workspace.rows("SELECT state FROM issues WHERE installation_id = :i")
    task = (await agent.call("get_task", task=workspace.name(issue)))["task"]
    assert (row["state"], task["state"]) == ("closed", "completed")


async def test_an_older_delivery_that_comes_late_changes_nothing_of_its_task(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    await agent.call("claim_task", task=workspace.name(issue))
    await workspace.settle()
    before = await tasks(workspace)
    workspace.github.hold_deliveries()
    workspace.clock.forward(60)
    workspace.person.close(issue)
    workspace.clock.forward(60)
    workspace.person.reopen(issue)
    closed, reopened = workspace.github.held_deliveries
    assert (closed.action, reopened.action) == ("closed", "reopened")
    await come_in(workspace, [reopened, closed])
    assert await tasks(workspace) == before
    leases = await workspace.rows("SELECT holder, state FROM leases WHERE installation_id = :i")
    assert leases == [{"holder": "scout", "state": "held"}]
    workspace.github.release_deliveries()


async def test_a_task_whose_lease_ran_out_can_be_claimed_though_many_ran_out(
    workspace: Workspace,
) -> None:
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    settings: dict[str, str | None] = {".github/hubbub.yml": "max_claims: 60\n"}
    workspace.person.push(workspace.repository, "main", settings)
    issues = [await workspace.task(f"Task {n}") for n in range(52)]
    for issue in issues:
        await agent.call("claim_task", task=workspace.name(issue), lease_s=60)
    workspace.clock.forward(61)
    claimed = await other.call("claim_task", task=workspace.name(issues[-1]))
    assert claimed["task"]["holder"] == "other"


async def test_an_issue_whose_body_is_a_copy_of_a_tasks_is_a_task_of_its_own(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("planner")
    await agent.call("create_task", repository="acme/rocket", title="One", body="text")
    await workspace.settle()
    (first,) = workspace.repository.issues.values()
    second = workspace.person.open_issue(
        workspace.repository, "Two", first.body, labels=["agent-task"]
    )
    await workspace.settle()
    assert [row["number"] for row in await tasks(workspace)] == [first.number, second.number]


async def test_an_issue_of_ours_that_is_first_seen_edited_is_one_task(workspace: Workspace) -> None:
    agent = await workspace.agent("planner")
    await agent.call("create_task", repository="acme/rocket", title="One", body="text")
    workspace.github.hold_deliveries()
    workspace.github.fault("POST", r"/issues$", "502_after")
    await workspace.sender.step(workspace.installation.id)
    await rewritten(workspace)
    await workspace.settle()
    (issue,) = workspace.repository.issues.values()
    assert [row["number"] for row in await tasks(workspace)] == [issue.number]


async def test_an_issue_of_ours_that_is_edited_before_githubs_answer_is_one_task(
    workspace: Workspace,
) -> None:
    workspace.sender.github = cast("GitHub", Overtaken(workspace, workspace.sender.github))
    agent = await workspace.agent("planner")
    await agent.call("create_task", repository="acme/rocket", title="One", body="text")
    workspace.github.hold_deliveries()
    await workspace.settle()
    (issue,) = workspace.repository.issues.values()
    assert [row["number"] for row in await tasks(workspace)] == [issue.number]
