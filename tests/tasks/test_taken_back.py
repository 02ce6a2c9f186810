"""An agent takes back a task that it ended by mistake, and cannot complete one that waits for a
merge."""

from typing import Any

import pytest

from fixtures.github import Issue
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace


async def ended(
    workspace: Workspace, how: str, *, settle: bool = True
) -> tuple[Agent, Issue, dict[str, Any]]:
    """A task on which an agent worked, and which it completed, failed or released."""
    issue, scout = await workspace.task(), await workspace.agent("scout")
    here = {"task": workspace.name(issue)}
    mine = here | {"fence": (await scout.call("claim_task", **here))["fence"]}
    report = {"progress": 60, "note": "Half of it", "status": "in_progress"}
    await scout.call("update_task_status", **mine, **report)
    await scout.call("update_task_status", **mine, status="in_progress", note="Half of it")
    await scout.call("update_agent", **here, checkpoint={"step": 3})
    if how == "released":
        await scout.call("release_task", **mine)
    else:
        await scout.call("update_task_status", **mine, status=how, progress=90, result="Oh no")
    if settle:
        await workspace.settle()
    return scout, issue, here


@pytest.mark.parametrize(
    ("how", "settle"),
    [("completed", True), ("completed", False), ("failed", True), ("released", True)],
)
async def test_what_one_ended_by_mistake_one_takes_back_with_ones_work(
    workspace: Workspace, how: str, *, settle: bool
) -> None:
    scout, issue, here = await ended(workspace, how, settle=settle)
    workspace.clock.forward(500)
    taken = await scout.call("claim_task", **here)
    assert (taken["resumed"], taken["fence"]) == (True, 2)
    assert (taken["task"]["state"], taken["task"]["holder"]) == ("in_progress", "scout")
    assert (taken["task"]["progress"], taken["task"]["note"]) == (60, "Half of it")
    assert taken["task"]["result"] is None
    (row,) = await workspace.rows("SELECT failures, stuck_at FROM tasks WHERE installation_id = :i")
    assert row == {"failures": 0, "stuck_at": None}
    assert taken["handoff"]["checkpoint"]["state"] == {"step": 3}
    await workspace.settle()
    assert issue.state == "open"
    shown = (await scout.call("get_task", **here))["task"]
    assert (shown["state"], shown["holder"]) == ("in_progress", "scout")
    # A closing that had gone out is undone, and one that had not is not sent.
    changes = [each.body["state"] for each in workspace.github.requests if "state" in each.body]
    assert changes == (["closed", "open"] if how == "completed" and settle else [])


@ON_SQLITE
async def test_after_ten_minutes_a_completed_task_stays_so(workspace: Workspace) -> None:
    scout, _, here = await ended(workspace, "completed")
    workspace.clock.forward(601)
    assert (await scout.refusal("claim_task", **here)).code == "not_claimable"


@ON_SQLITE
async def test_another_agent_does_not_take_back_what_it_did_not_end(workspace: Workspace) -> None:
    _, _, here = await ended(workspace, "completed")
    other = await workspace.agent("other")
    assert (await other.refusal("claim_task", **here)).code == "not_claimable"


@ON_SQLITE
@pytest.mark.parametrize("what", ["a person completed it", "a person closed it", "a retry"])
async def test_nobody_takes_back_what_something_happened_to(
    workspace: Workspace, what: str
) -> None:
    if what == "a person completed it":
        issue, scout = await workspace.task(), await workspace.agent("scout")
        here = {"task": workspace.name(issue)}
        await scout.call("claim_task", **here)
        workspace.person.comment(issue, "/done")
    else:
        scout, issue, here = await ended(workspace, "completed", settle=False)
        workspace.clock.forward(30)
        workspace.person.close(issue)
    await workspace.settle()
    if what == "a retry":
        workspace.clock.forward(30)
        workspace.person.comment(issue, "/retry")
        await workspace.settle()
        await (await workspace.agent("other")).call("claim_task", **here)
    refused = await scout.refusal("claim_task", **here)
    assert refused.code == ("already_claimed" if what == "a retry" else "not_claimable")


@ON_SQLITE
async def test_a_task_with_an_open_pull_request_is_not_completed(workspace: Workspace) -> None:
    issue, scout = await workspace.task(), await workspace.agent("scout")
    here = {"task": workspace.name(issue)}
    mine = here | {"fence": (await scout.call("claim_task", **here))["fence"]}
    workspace.person.push(workspace.repository, "mend", {"a.py": "1\n"}, base="main")
    made = await scout.call("github_create_pr", **mine, title="Mend", head="mend")
    refused = await scout.refusal("update_task_status", **mine, status="completed")
    queued = made["writes"][0]["write_id"]
    assert (refused.code, refused.details["write_id"]) == ("pull_request_open", queued)
    await workspace.settle()
    refused = await scout.refusal("update_task_status", **mine, status="completed")
    (pull,) = workspace.repository.pulls.values()
    assert (refused.code, refused.details["pull_request"]) == ("pull_request_open", pull.number)
    workspace.person.comment(issue, "/done")
    await workspace.settle()
    assert (await scout.call("get_task", **here))["task"]["state"] == "completed"


@ON_SQLITE
async def test_a_task_whose_pull_request_was_closed_is_completed(workspace: Workspace) -> None:
    issue, scout = await workspace.task(), await workspace.agent("scout")
    here = {"task": workspace.name(issue)}
    mine = here | {"fence": (await scout.call("claim_task", **here))["fence"]}
    workspace.person.push(workspace.repository, "mend", {"a.py": "1\n"}, base="main")
    await scout.call("github_create_pr", **mine, title="Mend", head="mend")
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    name = f"acme/rocket#{pull.number}"
    await scout.call("github_update_pr", pull_request=name, state="closed")
    await workspace.settle()
    done = await scout.call("update_task_status", **mine, status="completed")
    assert done["task"]["state"] == "completed"
