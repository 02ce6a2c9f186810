"""A task and its item on the project board follow each other."""

import pytest

from tests.support.boards import BoardStory, open_board
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace

# --- From the task to the board ------------------------------------------------------------------


async def test_a_new_task_is_added_to_the_board_with_its_status(workspace: Workspace) -> None:
    story = await open_board(workspace)
    await story.on_board()


@ON_SQLITE
async def test_a_task_that_is_claimed_at_once_costs_one_status_write(workspace: Workspace) -> None:
    story = await open_board(workspace)
    since = len(workspace.github.requests)
    issue = workspace.person.open_issue(workspace.repository, "Mend", labels=["agent-task"])
    while await workspace.process_delivery():
        pass
    await story.agent.call("claim_task", task=workspace.name(issue))
    await story.rest(120)
    assert story.status(issue) == "In Progress"
    assert len(story.writes(since)) == 1


@ON_SQLITE
async def test_open_tasks_get_on_a_board_that_the_settings_name_later(
    workspace: Workspace,
) -> None:
    issues = [await workspace.task(f"Task {n}") for n in range(3)]
    story = await open_board(workspace)
    await story.rest(600)
    assert [story.status(each) for each in issues] == ["Todo"] * 3


@ON_SQLITE
async def test_a_board_that_cannot_be_compared_does_not_hold_up_another(
    workspace: Workspace,
) -> None:
    """`known` of another repository is no JSON, as after a bug, and its turn comes first."""
    story = await open_board(workspace)
    i = workspace.installation.id
    broken = (
        "INSERT INTO board_syncs (installation_id, repository_id, project, known, look_at, "
        "sweep_at, sweep_after) VALUES (:i, 1, 9, '{', 0, 0, 0)"
    )
    await workspace.store.write(lambda tx: tx.run(broken, i=i))
    due = "UPDATE board_syncs SET sweep_at = 1 WHERE installation_id = :i AND repository_id <> 1"
    await workspace.store.write(lambda tx: tx.run(due, i=i))
    await story.rest()
    rows = await workspace.rows(
        "SELECT sweep_at FROM board_syncs WHERE installation_id = :i ORDER BY repository_id"
    )
    assert [row["sweep_at"] for row in rows] == [0, None]


@ON_SQLITE
async def test_each_change_of_state_is_one_write(workspace: Workspace) -> None:
    story = await open_board(workspace)
    issue = await story.claimed()
    since = len(workspace.github.requests)
    await story.report(issue, "in_review")
    assert (story.status(issue), len(story.writes(since))) == ("In Review", 1)


# --- From the board to the task ------------------------------------------------------------------

# From where an item is dragged, to which column, and the state of the task afterwards.
MOVES = [
    ("on_board", "Done", "completed"),
    ("on_board", "Backlog", "pending"),
    ("on_board", "In Progress", "in_progress"),
    ("on_board", "Ideas", "pending"),
    ("claimed", "Todo", "pending"),
    ("claimed", "Done", "completed"),
    ("claimed", "In Review", "in_review"),
    ("claimed", "Ideas", "in_progress"),
]


async def test_a_person_drags_an_item_and_the_task_moves(workspace: Workspace) -> None:
    story = await open_board(workspace)
    for begin, to, state in MOVES:
        issue = await getattr(story, begin)(f"{begin} {to}")
        since = len(workspace.github.requests)
        await story.drag(issue, to)
        assert (await story.state(issue), story.status(issue)) == (state, to)
        assert story.writes(since) == []
        assert story.replies(issue) == []
        assert issue.state == ("closed" if state == "completed" else "open")
        if state != "completed":
            workspace.person.close(issue)
            await story.rest()


@ON_SQLITE
@pytest.mark.parametrize(("to", "state"), [("Todo", "pending"), ("In Progress", "in_progress")])
async def test_an_item_dragged_out_of_done_reopens_the_task(
    workspace: Workspace, to: str, state: str
) -> None:
    story = await open_board(workspace)
    issue = await story.on_board()
    await story.drag(issue, "Done")
    assert issue.state == "closed"
    await story.drag(issue, to)
    assert (await story.state(issue), story.status(issue), issue.state) == (state, to, "open")


@ON_SQLITE
async def test_an_item_dragged_from_review_sends_the_work_back(workspace: Workspace) -> None:
    story = await open_board(workspace)
    issue = await story.claimed()
    await story.drag(issue, "In Review")
    await story.drag(issue, "In Progress")
    assert await story.state(issue) == "in_progress"
    held = (await story.agent.call("get_task", task=workspace.name(issue)))["task"]["holder"]
    assert held == "scout"


@ON_SQLITE
async def test_a_move_is_recorded_as_an_act_of_the_person(workspace: Workspace) -> None:
    story = await open_board(workspace)
    issue = await story.claimed()
    await story.drag(issue, "Todo")
    found = await workspace.rows(
        "SELECT actor, kind FROM events WHERE installation_id = :i AND kind = 'task.revoked'"
    )
    assert [each["actor"] for each in found] == ["@octocat"]


@ON_SQLITE
async def test_a_bare_webhook_is_read_and_then_moves_the_task(workspace: Workspace) -> None:
    story = await open_board(workspace)
    issue = await story.claimed()
    await story.drag(issue, "Done", bare=True)
    assert await story.state(issue) == "completed"


# --- Moves that are undone -----------------------------------------------------------------------


async def test_a_move_by_a_person_without_write_is_undone_with_one_reason(
    workspace: Workspace,
) -> None:
    story = await open_board(workspace)
    issue = await story.claimed()
    reader = workspace.github.person("mona", permissions={"acme/rocket": "read"})
    since = len(workspace.github.requests)
    await story.drag(issue, "Done", by=reader)
    assert (await story.state(issue), story.status(issue)) == ("in_progress", "In Progress")
    why = (
        "@mona: moved back to `In Progress` on the board: this needs the permission write on "
        "this repository, and you have read."
    )
    assert story.replies(issue) == [why]
    assert len(story.writes(since)) == 1
    await story.drag(issue, "Done", by=reader)
    assert (story.status(issue), story.replies(issue)) == ("In Progress", [why])


@ON_SQLITE
async def test_a_move_that_is_not_possible_is_undone_with_the_reason(workspace: Workspace) -> None:
    story = await open_board(workspace)
    issue = await story.on_board()
    await story.drag(issue, "In Review")
    assert (await story.state(issue), story.status(issue)) == ("pending", "Todo")
    (why,) = story.replies(issue)
    assert "nobody works on" in why


@ON_SQLITE
async def test_the_settings_ask_for_the_permission_of_the_command(workspace: Workspace) -> None:
    story = await open_board(workspace, "permissions:\n  done: maintain\n")
    issue = await story.claimed()
    writer = workspace.github.person("mona", permissions={"acme/rocket": "write"})
    await story.drag(issue, "Done", by=writer)
    assert (await story.state(issue), story.status(issue)) == ("in_progress", "In Progress")
    await story.drag(issue, "Todo", by=writer)
    assert await story.state(issue) == "pending"


@ON_SQLITE
async def test_a_held_task_is_not_claimed_by_a_move(workspace: Workspace) -> None:
    story = await open_board(workspace)
    issue = await story.on_board()
    workspace.person.comment(issue, "/hold")
    await story.rest()
    await story.drag(issue, "In Progress")
    assert (await story.state(issue), story.status(issue)) == ("pending", "Todo")


async def test_the_last_word_wins_between_a_move_and_a_command(workspace: Workspace) -> None:
    story = await open_board(workspace)
    issue = await story.claimed()
    workspace.github.hold_deliveries()
    workspace.clock.forward(10)
    workspace.person.comment(issue, "/done")
    workspace.clock.forward(10)
    workspace.person.set_status(story.item(issue), "Todo")
    late, moved = list(workspace.github.held_deliveries)
    assert (late.event, moved.event) == ("issue_comment", "projects_v2_item")
    await workspace.github.post(moved)
    await workspace.settle()
    assert await story.state(issue) == "pending"
    await workspace.github.post(late)
    workspace.github.release_deliveries()
    await story.rest()
    assert (await story.state(issue), story.status(issue)) == ("pending", "Todo")


# A later change on the board that says nothing about how the task ended.
BESIDE = {
    "another field": ("Priority", "P0"),
    "a column without a meaning": ("Status", "Ideas"),
}


@ON_SQLITE
@pytest.mark.parametrize("how", BESIDE)
async def test_a_late_command_runs_although_something_else_was_moved_since(
    workspace: Workspace, how: str
) -> None:
    story = await with_fields(workspace, "Ideas")
    issue = await story.on_board()
    workspace.github.hold_deliveries()
    workspace.clock.forward(10)
    workspace.person.comment(issue, "/done")
    workspace.clock.forward(10)
    workspace.person.set_field(story.item(issue), *BESIDE[how])
    late, moved = list(workspace.github.held_deliveries)
    await workspace.github.post(moved)
    await workspace.settle()
    await workspace.github.post(late)
    workspace.github.release_deliveries()
    await story.rest()
    assert await story.state(issue) == "completed"


# --- What others do on the board -----------------------------------------------------------------


async def test_githubs_own_workflow_and_hubbub_do_not_both_write_done(
    workspace: Workspace,
) -> None:
    story = await open_board(workspace)
    story.project.workflows.item_closed = "Done"
    issue = await story.claimed()
    since = len(workspace.github.requests)
    workspace.person.close(issue)
    await story.rest()
    assert (await story.state(issue), story.status(issue)) == ("completed", "Done")
    assert story.writes(since) == []


@ON_SQLITE
async def test_done_that_closes_the_issue_by_githubs_workflow_is_one_end(
    workspace: Workspace,
) -> None:
    story = await open_board(workspace)
    story.project.workflows.closes = "Done"
    issue = await story.claimed()
    await story.drag(issue, "Done")
    assert (await story.state(issue), story.status(issue)) == ("completed", "Done")
    ended = await workspace.rows(
        "SELECT kind FROM events WHERE installation_id = :i AND kind = 'task.completed'"
    )
    assert len(ended) == 1


@ON_SQLITE
async def test_an_item_that_a_person_took_off_the_board_stays_away(workspace: Workspace) -> None:
    story = await open_board(workspace)
    issue = await story.on_board()
    workspace.person.delete_item(story.item(issue))
    await story.rest()
    await story.agent.call("claim_task", task=workspace.name(issue))
    await story.rest(200)
    assert list(story.project.items) == []
    item = workspace.person.add_to_project(story.project, issue)
    await story.rest(120)
    assert item.status == "In Progress"


@ON_SQLITE
async def test_an_archived_item_is_left_alone_until_it_is_restored(workspace: Workspace) -> None:
    story = await open_board(workspace)
    issue = await story.on_board()
    item = story.item(issue)
    workspace.person.archive_item(item)
    await story.rest()
    await story.agent.call("claim_task", task=workspace.name(issue))
    await story.rest()
    assert item.status == "Todo"
    workspace.person.restore_item(item)
    await story.rest(120)
    assert item.status == "In Progress"


@ON_SQLITE
async def test_a_draft_that_becomes_a_task_gets_its_status(workspace: Workspace) -> None:
    story = await open_board(workspace)
    item = workspace.person.add_draft(story.project, "Idea")
    workspace.person.set_status(item, "Done")
    issue = workspace.person.convert_draft(item, workspace.repository)
    workspace.person.add_label(issue, "agent-task")
    await story.rest(120)
    assert (await story.state(issue), item.status) == ("pending", "Todo")


async def test_another_app_that_moves_an_item_each_time_meets_a_ceiling(
    workspace: Workspace,
) -> None:
    story = await open_board(workspace)
    issue = await story.claimed()
    lead = await workspace.agent("lead", "tech-lead")
    other = workspace.github.bot("mover")
    since = len(workspace.github.requests)
    for _ in range(12):
        await story.drag(issue, "Todo", by=other)
    assert len(story.writes(since)) == 3
    (said,) = story.replies(issue)
    assert said == (
        "`mover[bot]` moves this item on the board against the state of the task. Hubbub moved it "
        "back 3 times, and does not do so again today."
    )
    notices = (await lead.call("list_tasks"))["notices"]
    assert [each["kind"] for each in notices] == ["board_conflict"]
    assert await story.state(issue) == "in_progress"


# --- Priority and size ---------------------------------------------------------------------------

FIELDS = "  priority_field: Priority\n  size_field: Size\n"


async def with_fields(workspace: Workspace, *more: str) -> BoardStory:
    columns = ["Todo", "In Progress", "Done", *more]
    project = workspace.person.create_project("acme", "Work", columns)
    workspace.person.add_field(project, "Priority", ["P0", "P1", "P2"])
    workspace.person.add_field(project, "Size", ["S", "M", "L"])
    text = f"board:\n  project: {project.number}\n{FIELDS}"
    workspace.person.push(workspace.repository, "main", {".github/hubbub.yml": text})
    await workspace.settle()
    return BoardStory(workspace, project, await workspace.agent("scout"))


async def test_priority_and_size_follow_each_other_both_ways(workspace: Workspace) -> None:
    story = await with_fields(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    issue = await story.on_board()
    item, name = story.item(issue), workspace.name(issue)
    assert (item.value_in("Priority"), item.value_in("Size")) == (None, None)
    await lead.call("change_task", task=name, priority="high", size="small")
    await story.rest()
    assert (item.value_in("Priority"), item.value_in("Size")) == ("P0", "S")
    workspace.clock.forward(5)
    workspace.person.set_field(item, "Priority", "P2")
    workspace.clock.forward(5)
    workspace.person.set_field(item, "Size", "L")
    await story.rest()
    task = (await lead.call("get_task", task=name))["task"]
    assert (task["priority"], task["size"]) == ("low", "large")
    assert (item.value_in("Priority"), item.value_in("Size")) == ("P2", "L")


# --- A board that changes ------------------------------------------------------------------------


def reports(workspace: Workspace) -> list[str]:
    found = workspace.repository.issues.values()
    return [each.body or "" for each in found if "project board" in each.title]


async def test_a_deleted_option_stops_the_sync_with_one_notice_until_it_is_back(
    workspace: Workspace,
) -> None:
    story = await open_board(workspace)
    issue = await story.claimed()
    lead = await workspace.agent("lead", "tech-lead")
    workspace.person.delete_status(story.project, "Done")
    await story.report(issue, "completed")
    (said,) = reports(workspace)
    assert "No option of the field `Status` stands for completed." in said
    assert [e["kind"] for e in (await lead.call("list_tasks"))["notices"]] == ["board_stopped"]
    await story.rest(13 * 3600)
    assert len(reports(workspace)) == 1
    workspace.person.add_status(story.project, "✅ Done")
    await story.rest(13 * 3600)
    await story.rest(300)
    assert story.status(issue) == "✅ Done"
    assert len(reports(workspace)) == 1


@ON_SQLITE
async def test_a_renamed_option_is_found_by_its_id(workspace: Workspace) -> None:
    story = await open_board(workspace)
    issue = await story.claimed()
    workspace.person.rename_status(story.project, "Done", "Released to the world")
    workspace.person.rename_field(story.project, "Status", "Where it is")
    await story.rest(13 * 3600)
    await story.rest(300)
    assert reports(workspace) == []
    await story.report(issue, "completed")
    assert story.item(issue).value_in("Where it is") == "Released to the world"


@ON_SQLITE
async def test_a_deleted_project_stops_the_sync_with_one_notice(workspace: Workspace) -> None:
    story = await open_board(workspace)
    await story.on_board()
    workspace.person.delete_project(story.project)
    await story.rest()
    (said,) = reports(workspace)
    assert "cannot see project" in said


@ON_SQLITE
async def test_a_board_that_does_not_exist_is_reported_once(workspace: Workspace) -> None:
    text = "board:\n  project: 77\n"
    workspace.person.push(workspace.repository, "main", {".github/hubbub.yml": text})
    await workspace.settle()
    (said,) = reports(workspace)
    assert "cannot see project 77" in said
