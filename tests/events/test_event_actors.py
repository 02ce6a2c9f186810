"""An event names who did it and what was said, not the bot that carried it to GitHub."""

import json

from fixtures.github import Issue
from tests.support.story import Workspace


async def story(workspace: Workspace, issue: Issue) -> list[tuple[str, str]]:
    """What happened to the issue's task, and who did it, in order."""
    rows = await workspace.rows(
        "SELECT e.kind, e.actor FROM events e JOIN tasks t ON t.installation_id = "
        "e.installation_id AND t.id = e.subject WHERE e.installation_id = :i AND t.number = :n "
        "AND e.kind NOT IN ('task.ready', 'task.commented') ORDER BY e.seq",
        n=issue.number,
    )
    return [(row["kind"].removeprefix("task."), row["actor"]) for row in rows]


async def test_what_a_person_does_on_github_is_theirs(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.clock.forward(2)  # otherwise a read decides, which names nobody
    workspace.person.add_label(issue, "priority:high")
    await workspace.settle()
    workspace.person.comment(issue, "/hold")
    await workspace.settle()
    workspace.person.comment(issue, "/resume")
    workspace.person.comment(issue, "/priority low")
    await workspace.settle()
    workspace.clock.forward(2)
    workspace.person.close(issue)
    await workspace.settle()
    workspace.clock.forward(2)
    workspace.person.reopen(issue)
    await workspace.settle()
    kinds = ["created", "changed", "held", "resumed", "changed", "completed", "pending"]
    assert await story(workspace, issue) == [(each, "@octocat") for each in kinds]


async def test_what_hubbub_does_on_github_for_somebody_is_theirs(workspace: Workspace) -> None:
    issue, other = await workspace.task(), await workspace.task("Other")
    lead = await workspace.agent("lead", "tech-lead")
    here = {"issue": workspace.name(issue)}
    workspace.person.add_label(other, "priority:high")
    await workspace.settle()
    workspace.clock.forward(2)
    await lead.call("github_update_issue", **here, labels=["agent-task", "priority:high"])
    await workspace.settle()
    workspace.clock.forward(2)
    await lead.call("github_update_issue", **here, state="completed")
    await workspace.settle()
    workspace.person.comment(other, "/done")
    await workspace.settle()
    workspace.person.comment(other, "/retry")
    await workspace.settle()
    assert (await story(workspace, issue))[1:] == [("changed", "lead"), ("completed", "lead")]
    assert (await story(workspace, other))[2:] == [
        ("completed", "@octocat"),
        ("pending", "@octocat"),
    ]


async def test_a_merge_is_by_the_one_who_merged(workspace: Workspace) -> None:
    allowed = "agents_may_merge: true\n"
    workspace.person.push(workspace.repository, "main", {".github/hubbub.yml": allowed})
    await workspace.settle()
    issue, scout = await workspace.task(), await workspace.agent("scout")
    where = workspace.name(issue)
    fence = (await scout.call("claim_task", task=where))["fence"]
    workspace.person.push(workspace.repository, "mend", {"a.py": "1\n"}, base="main")
    mine = {"task": where, "fence": fence}
    await scout.call("github_create_pr", **mine, title="Mend", head="mend", body="Mended")
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    lead = await workspace.agent("lead", "tech-lead")
    name = f"acme/rocket#{pull.number}"
    await lead.call("github_update_pr", pull_request=name, merge="squash")
    await workspace.settle()
    assert (await story(workspace, issue))[-1] == ("completed", "lead")


async def test_a_question_and_its_answer_are_told_with_their_words(workspace: Workspace) -> None:
    issue, scout = await workspace.task(), await workspace.agent("scout")
    fence = (await scout.call("claim_task", task=workspace.name(issue)))["fence"]
    ask = {"task": workspace.name(issue), "fence": fence, "status": "in_progress"}
    await scout.call("update_task_status", **ask, question="Tabs or spaces?" * 30)
    await workspace.settle()
    workspace.clock.forward(5)
    said = workspace.person.comment(issue, "Spaces")
    await workspace.settle()
    rows = await workspace.rows(
        "SELECT actor, data FROM events WHERE installation_id = :i "
        "AND kind IN ('task.asked', 'task.answered') ORDER BY seq"
    )
    asked, answered = [(row["actor"], json.loads(row["data"])) for row in rows]
    assert asked[0] == "scout"
    assert asked[1]["question"].startswith("Tabs or spaces?Tabs")
    assert len(asked[1]["question"]) == 200
    assert answered == ("@octocat", {"text": "Spaces", "comment_id": said.id})
