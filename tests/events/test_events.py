"""Each event of GitHub's that the mirror takes in, told by people's deeds."""

from typing import Any

from tests.support.story import Town


async def one(town: Town, table: str, **where: Any) -> dict[str, Any]:
    """The row that a user of the mirror would see."""
    found = [
        row
        for row in await town.mirrored(table)
        if all(row[name] == value for name, value in where.items())
    ]
    assert len(found) == 1, found
    return found[0]


async def test_an_issue_gets_a_type_and_loses_it(town: Town) -> None:
    issue = await town.task()
    town.person.set_type(issue, "Bug")
    await town.settle()
    assert (await one(town, "issues"))["type"] == "Bug"
    town.clock.forward(1)
    town.person.set_type(issue, None)
    await town.settle()
    assert (await one(town, "issues"))["type"] == ""


async def test_an_issue_is_locked_and_unlocked(town: Town) -> None:
    issue = await town.task()
    town.person.lock(issue)
    await town.settle()
    assert (await one(town, "issues"))["locked"] == 1
    town.clock.forward(1)
    town.person.unlock(issue)
    await town.settle()
    assert (await one(town, "issues"))["locked"] == 0


async def test_a_workflow_run_and_its_jobs_go_from_queued_to_done(town: Town) -> None:
    ci, here = town.github.ci, town.repository
    sha = here.branches["main"]
    run = ci.request_run(here, sha, jobs=("build", "lint"))
    await town.settle()
    assert {row["status"] for row in await town.mirrored("workflow_jobs")} == {"queued"}
    ci.start_run(run)
    ci.finish_run(run, "failure")
    await town.settle()
    seen = await one(town, "workflow_runs")
    assert (seen["status"], seen["conclusion"]) == ("completed", "failure")
    assert seen["head_sha"] == sha
    jobs = await town.mirrored("workflow_jobs")
    assert {row["status"] for row in jobs} == {"completed"}
    town.clock.forward(5)
    ci.rerun(run)
    await town.settle()
    seen = await one(town, "workflow_runs")
    assert (seen["status"], seen["run_attempt"]) != ("completed", 1)


async def test_a_late_start_of_a_check_does_not_undo_its_end(town: Town) -> None:
    sha = town.repository.branches["main"]
    town.github.hold_deliveries()
    check = town.github.ci.start_check(town.repository, sha, "lint")
    town.github.ci.finish_check(check)
    held = [each for each in town.github.held_deliveries if each.event == "check_run"]
    for each in reversed(held):
        await town.github.post(each)
        await town.settle()
    assert (await one(town, "check_runs"))["status"] == "completed"


async def test_a_branch_is_pushed_deleted_and_made_again(town: Town) -> None:
    async def head() -> list[str]:
        rows = await town.rows("SELECT sha FROM refs WHERE installation_id = :i AND name = 'topic'")
        return [row["sha"] for row in rows]

    first = town.person.push(town.repository, "topic", {"a": "1"})
    await town.settle()
    assert await head() == [first.sha]
    town.person.delete_branch(town.repository, "topic")
    await town.settle()
    assert await head() == []
    again = town.person.push(town.repository, "topic", {"a": "2"})
    await town.settle()
    assert await head() == [again.sha]


async def test_a_push_that_goes_on_from_where_the_branch_was_needs_no_call(town: Town) -> None:
    town.person.push(town.repository, "topic", {"a": "1"})
    await town.settle()
    asked = len(town.github.requests)
    town.clock.forward(2)
    head = town.person.push(town.repository, "topic", {"a": "2"})
    await town.settle()
    assert len(town.github.requests) == asked
    (row,) = await town.rows("SELECT sha FROM refs WHERE installation_id = :i AND name = 'topic'")
    assert row["sha"] == head.sha


async def test_pushes_in_any_order_end_at_the_last_head(town: Town) -> None:
    town.person.push(town.repository, "topic", {"a": "1"})
    await town.settle()
    town.github.hold_deliveries()
    for n in range(2, 5):
        last = town.person.push(town.repository, "topic", {"a": str(n)})
    for each in reversed(town.github.held_deliveries):
        await town.github.post(each)
        await town.settle()
    (row,) = await town.rows("SELECT sha FROM refs WHERE installation_id = :i AND name = 'topic'")
    assert row["sha"] == last.sha


async def test_a_renamed_repository_keeps_its_tasks(town: Town) -> None:
    issue = await town.task()
    town.person.rename(town.repository, "lander")
    await town.settle()
    agent = await town.agent("a")
    assert (await agent.call("get_task", task=f"acme/lander#{issue.number}"))["task"]
    refused = await agent.refused("get_task", task=f"acme/rocket#{issue.number}")
    assert refused.code == "unknown_repository"


async def test_a_renamed_account_renames_its_repositories(town: Town) -> None:
    issue = await town.task()
    town.github.rename_account("acme", "apex")
    await town.settle()
    agent = await town.agent("a")
    assert (await agent.call("get_task", task=f"apex/rocket#{issue.number}"))["task"]
    assert (await one(town, "installations"))["account"] == "apex"


async def test_a_deleted_repository_is_invisible_at_once(town: Town) -> None:
    await town.task()
    agent = await town.agent("a")
    town.person.delete_repository(town.repository)
    await town.settle()
    assert (await agent.call("list_tasks", state="any"))["tasks"] == []


async def test_a_repository_that_went_to_another_owner_is_invisible_at_once(town: Town) -> None:
    await town.task()
    agent = await town.agent("a")
    town.github.organization("elsewhere")
    town.person.transfer_repository(town.repository, "elsewhere")
    await town.settle()
    assert (await agent.call("list_tasks", state="any"))["tasks"] == []


async def test_a_repository_turns_public_and_private(town: Town) -> None:
    town.clock.forward(1)
    town.person.publicize(town.repository)
    await town.settle()
    assert (await one(town, "repositories"))["private"] == 0
    town.clock.forward(1)
    town.person.privatize(town.repository)
    await town.settle()
    assert (await one(town, "repositories"))["private"] == 1


async def test_a_board_is_closed_renamed_and_deleted(town: Town) -> None:
    board = town.person.create_project("acme", "Launch")
    await town.settle()
    town.clock.forward(1)
    town.person.rename_project(board, "Landing")
    town.person.close_project(board)
    await town.settle()
    seen = await one(town, "projects")
    assert (seen["title"], seen["closed"]) == ("Landing", 1)
    town.person.delete_project(board)
    await town.settle()
    assert await town.mirrored("projects") == []


async def test_everybodys_permission_is_asked_again_after_a_team_changed(town: Town) -> None:
    issue = await town.task()
    hubot = town.github.person("hubot")
    team = town.github.create_team("acme", "crew")
    town.github.set_team_permission(team, "acme/rocket", "write")
    await town.settle()
    town.github.set_permission("acme/rocket", "hubot", "write")
    hubot.comment(issue, "/status")
    await town.settle()
    known = "SELECT login_key FROM permissions WHERE installation_id = :i"
    assert await town.rows(known)
    town.github.delete_team(team)
    await town.settle()
    assert await town.rows(known) == []


async def test_permissions_granted_later_fetch_what_they_allow(town: Town) -> None:
    issue = await town.task()
    board = town.person.create_project("acme", "Launch")
    town.person.add_to_project(board, issue)
    await town.settle()
    town.github.accept_permissions(
        town.installation, {**town.installation.permissions, "checks": "read"}
    )
    await town.settle()
    rows = await town.rows("SELECT part FROM backfills WHERE installation_id = :i")
    assert rows == []
