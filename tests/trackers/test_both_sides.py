"""Changes on both sides at once, and while a write is under way."""

from typing import Any

from tests.support.agent_endpoints import lead
from tests.support.engines import ON_SQLITE
from tests.support.trackers import Tracked

pytestmark = ON_SQLITE


async def link(both: Tracked) -> dict[str, Any]:
    q = "SELECT * FROM tracker_links WHERE installation_id = :i"
    (found,) = await both.workspace.rows(q)
    return found


async def turns(both: Tracked, seconds: float = 60) -> None:
    """Turns of the tracker alone: GitHub is away."""
    for _ in range(int(seconds / 10)):
        while await both.turn():
            pass
        both.workspace.clock.forward(10)


async def test_an_issue_that_changes_before_its_issue_here_is_made_is_made_as_it_is_now(
    both: Tracked,
) -> None:
    there = both.gitlab.open("Mend the valve")
    await both.add()
    await turns(both)
    assert both.issues() == []
    both.gitlab.edit(there, title="Mend both valves")
    await turns(both)
    await both.rest(60)
    (issue,) = both.issues()
    assert issue.title == "Mend both valves"


async def test_an_issue_that_is_closed_before_its_issue_here_is_made_ends_the_task(
    both: Tracked,
) -> None:
    there = both.gitlab.open()
    await both.add()
    await turns(both)
    both.gitlab.edit(there, state="closed")
    await turns(both)
    await both.rest(120)
    assert await both.state(there) == "completed"
    assert [each.state for each in both.issues()] == ["closed"]


async def test_the_next_change_waits_until_the_webhook_of_the_last_write_was_here(
    both: Tracked,
) -> None:
    there = both.gitlab.open("One")
    await both.add()
    await both.rest(60)
    both.workspace.github.hold_deliveries()
    both.gitlab.edit(there, title="Two")
    await both.rest(60)
    issue = await both.issue_of(there)
    assert issue.title == "Two"
    both.gitlab.edit(there, title="Three")
    await both.rest(60)
    # Otherwise the title that we wrote would look like one of somebody else here.
    assert (issue.title, (await both.linked())[1]["kept"]) == ("Two", [])
    both.workspace.github.release_deliveries()
    await both.rest(60)
    assert (issue.title, (await both.linked())[1]["kept"]) == ("Three", [])


async def test_a_webhook_that_never_comes_is_not_waited_for(both: Tracked) -> None:
    there = both.gitlab.open("One")
    await both.add()
    await both.rest(60)
    both.workspace.github.hold_deliveries()
    both.gitlab.edit(there, title="Two")
    await both.rest(660, 60)
    assert (await link(both))["pending"] is None


async def test_a_change_that_github_refuses_is_tried_again_with_the_next_one(
    both: Tracked,
) -> None:
    there = both.gitlab.open("One")
    await both.add()
    await both.rest(60)
    issue = await both.issue_of(there)
    both.workspace.github.fault("PATCH", r"/issues/\d+$", "422")
    both.gitlab.edit(there, title="Two")
    await both.rest(120)
    assert issue.title == "One"
    both.gitlab.edit(there, description="It leaks.")
    await both.rest(120)
    assert (issue.title, (issue.body or "").endswith("It leaks.")) == ("Two", True)


async def test_a_change_that_was_given_up_is_tried_again_in_an_hour(both: Tracked) -> None:
    there = both.gitlab.open("One")
    await both.add()
    await both.rest(60)
    issue = await both.issue_of(there)
    both.workspace.github.fault("PATCH", r"/issues/\d+$", "500", times=99)
    both.gitlab.edit(there, title="Two")
    await both.rest(60)
    (write,) = await both.workspace.rows(
        "SELECT state FROM writes WHERE installation_id = :i AND kind = 'issue_update'"
    )
    assert write["state"] == "dead"
    both.workspace.github.clear_faults()
    await both.rest(3000, 300)
    assert issue.title == "One"
    await both.rest(900, 300)
    assert issue.title == "Two"


async def test_labels_there_are_labels_here_as_the_settings_say(both: Tracked) -> None:
    w = both.workspace
    there = both.gitlab.open(labels=("agent-task", "P1"))
    await both.add()
    await both.rest(60)
    issue = await both.issue_of(there)
    assert {each.name for each in issue.labels} == {"agent-task"}
    rules = "mirror:\n  priorities: {P1: high}\n  copied_labels: {backend: area/backend}\n"
    w.person.push(w.repository, "main", {".github/hubbub.yml": rules})
    await both.rest(60)
    assert {each.name for each in issue.labels} == {"agent-task", "priority:high"}
    both.gitlab.edit(there, labels=["agent-task", "backend"])
    await both.rest(60)
    assert {each.name for each in issue.labels} == {"agent-task", "area/backend"}


async def test_a_failed_task_ends_as_its_issue_there_does(both: Tracked) -> None:
    there = both.gitlab.open()
    await both.add()
    await both.rest(60)
    name = both.workspace.name(await both.issue_of(there))
    agent = await both.workspace.agent("ada")
    fence = (await agent.call("claim_task", task=name))["task"]["fence"]
    given = {"status": "failed", "result": "It is stuck.", "fence": fence}
    await agent.call("update_task_status", task=name, **given)
    await both.rest(60)
    both.gitlab.edit(there, state="closed")
    await both.rest(60)
    assert await both.state(there) == "completed"


async def test_an_issue_that_is_gone_there_is_believed_so_at_the_second_look(
    both: Tracked,
) -> None:
    kept, gone = both.gitlab.open("Kept"), both.gitlab.open("Gone")
    await both.add()
    await both.rest(60)
    gone.is_deleted = True
    await lead(both.workspace).call("manage_tracker", tracker="acme", action="poll")
    await both.rest(30)
    assert await both.state(gone) == "pending"
    await both.rest(120)
    assert [await both.state(each) for each in (gone, kept)] == ["cancelled", "pending"]


async def test_an_issue_that_was_away_for_a_moment_is_not_gone(both: Tracked) -> None:
    there = both.gitlab.open()
    await both.add()
    await both.rest(60)
    there.is_deleted = True
    # Newer than it, so that a list of what changed lately does not show it.
    both.gitlab.open(labels=("bug",))
    await lead(both.workspace).call("manage_tracker", tracker="acme", action="poll")
    await both.rest(30)
    assert (await link(both))["missing_at"] is not None
    there.is_deleted = False
    await both.rest(120)
    found = await link(both)
    assert (found["state"], found["missing_at"], found["look_at"]) == ("linked", None, None)


async def test_an_issue_that_waits_for_its_task_and_is_gone_there_is_forgotten(
    both: Tracked,
) -> None:
    w = both.workspace
    w.person.push(w.repository, "main", {".github/hubbub.yml": "mirror: {most_waiting: 1}\n"})
    await w.settle()
    first, second = both.gitlab.open("First"), both.gitlab.open("Second")
    await both.add()
    await turns(both)
    second.is_deleted = True
    await lead(w).call("manage_tracker", tracker="acme", action="poll")
    await turns(both, 180)
    await both.rest(60)
    assert [each.title for each in both.issues()] == [first.title]


async def test_a_project_of_many_issues_is_read_by_pages(both: Tracked) -> None:
    w = both.workspace
    for n in range(130):
        both.gitlab.open(f"Title {n}", labels=("agent-task",) if n in {1, 129} else ("bug",))
        w.clock.forward(0.01)
    await both.add()
    await both.rest(60)
    assert sorted(each.title for each in both.issues()) == ["Title 1", "Title 129"]


async def test_a_project_in_which_nothing_changed_is_read_without_a_body(both: Tracked) -> None:
    both.gitlab.open()
    await both.add()
    await both.rest(120)
    both.gitlab.requests.clear()
    before = both.gitlab.unchanged
    await both.rest(120)
    assert both.gitlab.unchanged - before == len(both.gitlab.requests) == 4
