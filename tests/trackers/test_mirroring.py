"""Issues of a foreign tracker become tasks, follow what changes there, and are reported back."""

from tests.support.agent_endpoints import lead
from tests.support.gitlab import BOT
from tests.support.trackers import Tracked


async def test_a_matching_issue_becomes_one_task_with_its_text_marked_as_of_others(
    both: Tracked,
) -> None:
    there = both.gitlab.open("Mend the valve", "It leaks.")
    both.gitlab.open("Not for agents", labels=("bug",))
    await both.add()
    await both.rest(60)
    (issue,) = both.issues()
    assert issue.title == "Mend the valve"
    assert (issue.body or "").endswith(
        f"<sub>`gitlab:acme` via Hubbub</sub>\n\n> Copied from [group/rocket#1]({both.gitlab.url}"
        "/group/rocket/-/issues/1), where `tanuki` opened it. Later edits there appear here until "
        "somebody edits this text.\n\nIt leaks."
    )
    found = await lead(both.workspace).call("get_task", task=f"acme/rocket#{issue.number}")
    assert (found["task"]["state"], found["task"]["title_by"]) == ("pending", "gitlab:acme[bot]")
    agent = await both.workspace.agent("ada", "observer")
    thread = await agent.call("github_get_thread", task=f"acme/rocket#{issue.number}")
    opening = next(each for each in thread["texts"] if each["kind"] == "opening")
    assert (opening["author"], opening["trusted"]) == ("gitlab:acme", False)
    assert await both.state(there) == "pending"
    seen = await both.seen()
    assert (seen["health"], seen["issues"]["linked"], seen["issues"]["waiting"]) == (
        "connected",
        1,
        0,
    )


async def test_edits_there_follow_here_until_somebody_edits_here(both: Tracked) -> None:
    there = both.gitlab.open("Mend the valve", "It leaks.")
    await both.add()
    await both.rest(60)
    both.gitlab.edit(there, title="Mend both valves", description="They leak.")
    await both.rest(60)
    issue = await both.issue_of(there)
    assert issue.title == "Mend both valves"
    assert (issue.body or "").endswith("They leak.")
    both.workspace.person.edit_issue(issue, title="Mend all valves")
    await both.rest(60)
    both.gitlab.edit(there, title="Mend valves", description="All leak.")
    await both.rest(60)
    assert issue.title == "Mend all valves"
    assert (issue.body or "").endswith("All leak.")
    assert (await both.linked())[1]["kept"] == ["title"]


async def test_what_becomes_of_the_task_is_said_there_once(both: Tracked) -> None:
    there = both.gitlab.open()
    await both.add()
    await both.rest(60)
    issue = await both.issue_of(there)
    agent = await both.workspace.agent("ada")
    name = both.workspace.name(issue)
    fence = (await agent.call("claim_task", task=name))["task"]["fence"]
    await both.rest(60)
    await agent.call("update_task_status", task=name, status="completed", fence=fence)
    await both.rest(300)
    said = [each["body"].split("\n")[0] for each in there.notes]
    link = f"[{name}](https://github.example.com/{name.replace('#', '/issues/')})"
    assert said == [f"An agent works on this as {link}.", f"This was completed as {link}."]
    assert there.state == "opened"
    assert {each["author"]["id"] for each in there.notes} == {BOT["id"]}


async def test_what_is_closed_there_ends_here_and_what_is_reopened_is_ready_again(
    both: Tracked,
) -> None:
    done, dropped = both.gitlab.open("Done"), both.gitlab.open("Dropped")
    await both.add()
    await both.rest(60)
    both.gitlab.edit(done, state="closed")
    both.gitlab.edit(dropped, state="closed", labels=["agent-task", "wontfix"])
    await both.rest(60)
    assert [await both.state(each) for each in (done, dropped)] == ["completed", "cancelled"]
    issue = await both.issue_of(dropped)
    assert (issue.state, issue.state_reason) == ("closed", "not_planned")
    both.gitlab.edit(done, state="opened")
    await both.rest(60)
    assert await both.state(done) == "pending"
    assert (await both.issue_of(done)).state == "open"
    assert done.notes == []
