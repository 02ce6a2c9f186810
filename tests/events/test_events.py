"""Each event of GitHub's that the mirror takes in, told by people's deeds."""

from typing import Any

from tests.support.story import Workspace


async def one(workspace: Workspace, table: str, **where: Any) -> dict[str, Any]:
    """The row that a user of the mirror would see."""
    found = [
        row
        for row in await workspace.mirror_content(table)
        if all(row[name] == value for name, value in where.items())
    ]
    assert len(found) == 1, found
    return found[0]


async def test_an_issue_gets_a_type_and_loses_it(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.person.set_type(issue, "Bug")
    await workspace.settle()
    assert (await one(workspace, "issues"))["type"] == "Bug"
    workspace.clock.forward(1)
    workspace.person.set_type(issue, None)
    await workspace.settle()
    assert (await one(workspace, "issues"))["type"] == ""


async def test_an_issue_is_locked_and_unlocked(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.person.lock(issue)
    await workspace.settle()
    assert (await one(workspace, "issues"))["locked"] == 1
    workspace.clock.forward(1)
    workspace.person.unlock(issue)
    await workspace.settle()
    assert (await one(workspace, "issues"))["locked"] == 0


async def test_a_workflow_run_and_its_jobs_go_from_queued_to_done(workspace: Workspace) -> None:
    ci, here = workspace.github.ci, workspace.repository
    sha = here.branches["main"]
    run = ci.request_run(here, sha, jobs=("build", "lint"))
    await workspace.settle()
    assert {row["status"] for row in await workspace.mirror_content("workflow_jobs")} == {"queued"}
    ci.start_run(run)
    ci.finish_run(run, "failure")
    await workspace.settle()
    seen = await one(workspace, "workflow_runs")
    assert (seen["status"], seen["conclusion"]) == ("completed", "failure")
    assert seen["head_sha"] == sha
    jobs = await workspace.mirror_content("workflow_jobs")
    assert {row["status"] for row in jobs} == {"completed"}
    workspace.clock.forward(5)
    ci.rerun(run)
    await workspace.settle()
    seen = await one(workspace, "workflow_runs")
    assert (seen["status"], seen["run_attempt"]) != ("completed", 1)


async def test_a_late_start_of_a_check_does_not_undo_its_end(workspace: Workspace) -> None:
    sha = workspace.repository.branches["main"]
    workspace.github.hold_deliveries()
    check = workspace.github.ci.start_check(workspace.repository, sha, "lint")
    workspace.github.ci.finish_check(check)
    held = [each for each in workspace.github.held_deliveries if each.event == "check_run"]
    for each in reversed(held):
        await workspace.github.post(each)
        await workspace.settle()
    assert (await one(workspace, "check_runs"))["status"] == "completed"


async def test_a_branch_is_pushed_deleted_and_made_again(workspace: Workspace) -> None:
    async def head() -> list[str]:
        rows = await workspace.rows(
            "SELECT sha FROM refs WHERE installation_id = :i AND name = 'topic'"
        )
        return [row["sha"] for row in rows]

    first = workspace.person.push(workspace.repository, "topic", {"a": "1"})
    await workspace.settle()
    assert await head() == [first.sha]
    workspace.person.delete_branch(workspace.repository, "topic")
    await workspace.settle()
    assert await head() == []
    again = workspace.person.push(workspace.repository, "topic", {"a": "2"})
    await workspace.settle()
    assert await head() == [again.sha]


async def test_a_push_that_goes_on_from_where_the_branch_was_needs_no_call(
    workspace: Workspace,
) -> None:
    workspace.person.push(workspace.repository, "topic", {"a": "1"})
    await workspace.settle()
    asked = len(workspace.github.requests)
    workspace.clock.forward(2)
    head = workspace.person.push(workspace.repository, "topic", {"a": "2"})
    await workspace.settle()
    assert len(workspace.github.requests) == asked
    (row,) = await workspace.rows(
        "SELECT sha FROM refs WHERE installation_id = :i AND name = 'topic'"
    )
    assert row["sha"] == head.sha


async def test_pushes_in_any_order_end_at_the_last_head(workspace: Workspace) -> None:
    workspace.person.push(workspace.repository, "topic", {"a": "1"})
    await workspace.settle()
    workspace.github.hold_deliveries()
    for n in range(2, 5):
        last = workspace.person.push(workspace.repository, "topic", {"a": str(n)})
    for each in reversed(workspace.github.held_deliveries):
        await workspace.github.post(each)
        await workspace.settle()
    (row,) = await workspace.rows(
        "SELECT sha FROM refs WHERE installation_id = :i AND name = 'topic'"
    )
    assert row["sha"] == last.sha


async def test_a_renamed_repository_keeps_its_tasks(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.person.rename(workspace.repository, "lander")
    await workspace.settle()
    agent = await workspace.agent("a")
    assert (await agent.call("get_task", task=f"acme/lander#{issue.number}"))["task"]
    refused = await agent.refusal("get_task", task=f"acme/rocket#{issue.number}")
    assert refused.code == "unknown_repository"


async def test_a_renamed_account_renames_its_repositories(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.github.rename_account("acme", "apex")
    await workspace.settle()
    agent = await workspace.agent("a")
    assert (await agent.call("get_task", task=f"apex/rocket#{issue.number}"))["task"]
    assert (await one(workspace, "installations"))["account"] == "apex"


async def test_a_deleted_repository_is_invisible_at_once(workspace: Workspace) -> None:
    await workspace.task()
    agent = await workspace.agent("a")
    workspace.person.delete_repository(workspace.repository)
    await workspace.settle()
    assert (await agent.call("list_tasks", state="any"))["tasks"] == []


async def test_a_repository_that_went_to_another_owner_is_invisible_at_once(
    workspace: Workspace,
) -> None:
    await workspace.task()
    agent = await workspace.agent("a")
    workspace.github.organization("elsewhere")
    workspace.person.transfer_repository(workspace.repository, "elsewhere")
    await workspace.settle()
    assert (await agent.call("list_tasks", state="any"))["tasks"] == []


async def test_a_repository_turns_public_and_private(workspace: Workspace) -> None:
    workspace.clock.forward(1)
    workspace.person.publicize(workspace.repository)
    await workspace.settle()
    assert (await one(workspace, "repositories"))["private"] == 0
    workspace.clock.forward(1)
    workspace.person.privatize(workspace.repository)
    await workspace.settle()
    assert (await one(workspace, "repositories"))["private"] == 1


async def test_a_board_is_closed_renamed_and_deleted(workspace: Workspace) -> None:
    board = workspace.person.create_project("acme", "Launch")
    await workspace.settle()
    workspace.clock.forward(1)
    workspace.person.rename_project(board, "Landing")
    workspace.person.close_project(board)
    await workspace.settle()
    seen = await one(workspace, "projects")
    assert (seen["title"], seen["closed"]) == ("Landing", 1)
    workspace.person.delete_project(board)
    await workspace.settle()
    assert await workspace.mirror_content("projects") == []


async def test_everybodys_permission_is_asked_again_after_a_team_changed(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    hubot = workspace.github.person("hubot")
    team = workspace.github.create_team("acme", "crew")
    workspace.github.set_team_permission(team, "acme/rocket", "write")
    await workspace.settle()
    workspace.github.set_permission("acme/rocket", "hubot", "write")
    hubot.comment(issue, "/status")
    await workspace.settle()
    known = "SELECT login_key FROM permissions WHERE installation_id = :i"
    assert await workspace.rows(known)
    workspace.github.delete_team(team)
    await workspace.settle()
    assert await workspace.rows(known) == []


async def test_permissions_granted_later_fetch_what_they_allow(workspace: Workspace) -> None:
    issue = await workspace.task()
    board = workspace.person.create_project("acme", "Launch")
    workspace.person.add_to_project(board, issue)
    await workspace.settle()
    workspace.github.accept_permissions(
        workspace.installation, {**workspace.installation.permissions, "checks": "read"}
    )
    await workspace.settle()
    rows = await workspace.rows("SELECT part FROM backfills WHERE installation_id = :i")
    assert rows == []
