"""What GitHub would refuse is refused at once, with the reason; what it takes reaches it.

On SQLite only, because the arguments are checked before the database comes in.
"""

from typing import Any

import pytest

from tests.outbox.test_writes import open_pull, outcome, send, send_all
from tests.support.story import Workspace

R = {"repository": "acme/rocket"}
FILE = {"files": [{"path": "a.py", "content": "x"}]}


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """The engine plays no part."""
    return sqlite_url


def line_comment(**given: Any) -> list[dict[str, Any]]:
    return [{"path": "a.py", "line": 5, "body": "why"} | given]


@pytest.mark.parametrize(
    ("operation", "given", "why"),
    [
        (
            "github_create_issue",
            {**R, "title": " \t"},
            "`title` is wrong: pass a text that is not blank",
        ),
        (
            "create_task",
            {**R, "title": "\u00a0"},
            "`title` is wrong: pass a text that is not blank",
        ),
        (
            "github_create_pr",
            {**R, "head": "fix", "title": "\n"},
            "`title` is wrong: pass a text that is not blank",
        ),
        (
            "github_update_issue",
            {"issue": "acme/rocket#1", "title": " "},
            "pass a text that is not blank",
        ),
        (
            "github_commit_files",
            {**R, **FILE, "branch": "b", "message": "\r\n "},
            "`message` is wrong: pass a text that is not blank",
        ),
        (
            "github_review_pr",
            {"pull_request": "acme/rocket#2", "comments": line_comment(start_line=5)},
            "`comments.0` is wrong: pass `start_line` before `line`",
        ),
        (
            "github_review_pr",
            {"pull_request": "acme/rocket#2", "comments": line_comment(start_line=9)},
            "`comments.0` is wrong: pass `start_line` before `line`",
        ),
        (
            "github_review_pr",
            {"pull_request": "acme/rocket#2", "comments": line_comment(body=" ")},
            "`comments.0.body` is wrong: pass a text that is not blank",
        ),
        (
            "github_comment_issue",
            {"issue": "acme/rocket#1", "body": "a\0b"},
            "`body` must not contain the character NUL",
        ),
        ("github_create_issue", {**R, "title": "x", "labels": ["a\0"]}, "`labels.0` must not"),
    ],
)
async def test_an_argument_that_github_would_refuse_is_refused_at_once(
    workspace: Workspace, operation: str, given: dict[str, Any], why: str
) -> None:
    agent = await workspace.agent("scout")
    refused = await agent.refusal(operation, **given)
    assert refused.code == "invalid_arguments"
    assert why in str(refused)
    assert await workspace.rows("SELECT id FROM writes WHERE installation_id = :i") == []


async def test_a_file_may_contain_any_character(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    files = [{"path": "a.bin", "content": "a\0b"}]
    made = await send(
        agent, workspace, "github_commit_files", **R, branch="agent/b", message="m", files=files
    )
    assert workspace.repository.commits[made["head"]].files["a.bin"] == "a\0b"


@pytest.mark.parametrize("message", ["\n\nMend it", " \r\nMend it\r\n\r\nBecause.", "Mend it"])
async def test_the_first_line_with_words_is_the_headline(
    workspace: Workspace, message: str
) -> None:
    agent = await workspace.agent("scout")
    made = await send(
        agent, workspace, "github_commit_files", **R, **FILE, branch="agent/b", message=message
    )
    assert workspace.repository.commits[made["head"]].message.startswith("Mend it\n\n")


async def test_a_team_is_asked_for_a_review_by_its_slug(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    team = workspace.github.create_team("acme", "Core Team")
    workspace.github.set_team_permission(team, "acme/rocket", "write")
    name, pull = await open_pull(workspace, agent)
    (result,) = await send_all(
        agent, workspace, "github_update_pr", pull_request=name, reviewers=["Acme/core-team"]
    )
    assert (result["reviewers"], result["teams"]) == ([], ["core-team"])
    assert pull.requested_teams == [team]


async def test_an_agent_is_no_reviewer_on_github_but_a_person_with_its_name_is(
    workspace: Workspace,
) -> None:
    agent, _ = await workspace.agent("scout"), await workspace.agent("bob")
    name, _ = await open_pull(workspace, agent)
    asked = {"pull_request": name, "reviewers": ["Bob"]}
    answer = await agent.call("github_update_pr", **asked)
    assert (answer["asked"], answer["writes"]) == (["bob"], [])
    bob = workspace.github.person("bob", permissions={"acme/rocket": "write"})
    bob.comment(await workspace.task(), "/hold")
    await workspace.settle()
    assert (await agent.call("github_update_pr", **asked))["writes"]


async def test_an_agent_is_no_assignee_on_github(workspace: Workspace) -> None:
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    issue = await workspace.task()
    why = "scout is an agent, and GitHub assigns issues to people."
    update = {"issue": workspace.name(issue), "assignees": ["scout"]}
    for who, how in (
        (agent, "Ask a tech-lead to reserve the task for it. Tech-leads: lead."),
        (lead, "Reserve the task for it with assign_task."),
    ):
        create = {"repository": "acme/rocket", "title": "More", "assignees": ["@Scout"]}
        refused = await who.refusal("github_create_issue", **create)
        assert refused.message == f"@S{why[1:]} {how}"
    await agent.call("claim_task", task=workspace.name(issue))
    assert (await agent.refusal("github_update_issue", **update)).message.startswith(why)
    assert (await agent.call("list_writes"))["writes"] == []


@pytest.mark.parametrize("team", ["other/core", "acme/", "acme/core/x"])
async def test_a_team_of_nobody_here_is_refused(workspace: Workspace, team: str) -> None:
    agent = await workspace.agent("scout")
    name, _ = await open_pull(workspace, agent)
    refused = await agent.refusal("github_update_pr", pull_request=name, reviewers=[team])
    assert "a team of acme as acme/<slug>" in str(refused)


@pytest.mark.parametrize(("there", "wanted"), [("release", "release/x"), ("agent/a/b", "agent/a")])
async def test_a_branch_in_the_way_of_a_new_one_is_named(
    workspace: Workspace, there: str, wanted: str
) -> None:
    agent = await workspace.agent("scout")
    workspace.person.push(workspace.repository, there, {"a.py": "1\n"}, base="main")
    await workspace.settle()
    given = {**R, **FILE, "branch": wanted, "message": "m"}
    refused = await agent.refusal("github_commit_files", **given)
    assert f"The branch `{there}` is in the way of `{wanted}`" in str(refused)


async def test_a_branch_in_the_way_that_only_github_knows_is_named_too(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    workspace.github.lose_deliveries(1)
    workspace.person.push(workspace.repository, "release", {"a.py": "1\n"}, base="main")
    await agent.write("github_commit_files", **R, **FILE, branch="release/x", message="m")
    await workspace.settle()
    (row,) = await workspace.rows(
        "SELECT error FROM writes WHERE installation_id = :i AND kind = 'branch'"
    )
    assert "branch_in_the_way" in row["error"]
    assert "There are: `release`." in row["error"]


@pytest.mark.parametrize(("base", "state"), [("main", "completed"), ("part-1", "in_review")])
async def test_a_merge_completes_the_task_only_if_it_reaches_the_default_branch(
    workspace: Workspace, base: str, state: str
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    task = workspace.name(issue)
    fence = (await agent.call("claim_task", task=task))["fence"]
    workspace.person.push(workspace.repository, "part-1", {"a.py": "1\n"}, base="main")
    workspace.person.push(workspace.repository, "part-2", {"b.py": "1\n"}, base="part-1")
    await workspace.settle()
    given = {"task": task, "fence": fence, "head": "part-2", "base": base, "title": "Part two"}
    made = await send(agent, workspace, "github_create_pr", **given)
    workspace.person.merge(workspace.repository.pulls[made["number"]])
    await workspace.settle()
    assert (await agent.call("get_task", task=task))["task"]["state"] == state


async def test_a_comment_on_several_lines_is_sent(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    name, pull = await open_pull(workspace, agent, content="1\n2\n3\n")
    done = await outcome(
        agent,
        workspace,
        "github_review_pr",
        pull_request=name,
        comments=[{"path": "a.py", "line": 3, "start_line": 2, "body": "why"}],
    )
    assert done["state"] == "sent"
    (comment,) = pull.review_comments
    assert (comment.start_line, comment.line) == (2, 3)
    assert comment.diff_hunk == "@@ -0,0 +1,3 @@\n+1\n+2\n+3"


async def test_a_label_that_does_not_exist_is_created_if_the_caller_says_so(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    changes = {"issue": workspace.name(issue), "labels": ["agent-task", "flaky"]}
    opening = {**R, "title": "It is slow", "labels": ["slow"]}
    for operation, given in (("github_update_issue", changes), ("github_create_issue", opening)):
        refused = await agent.refusal(operation, **given)
        assert refused.message.endswith(
            "It has: agent-task. Pass `create_labels` true to create it."
        )
        assert workspace.repository.label("flaky") is None
    task = await agent.refusal("create_task", **opening)
    assert "github_update_issue with `create_labels` true" in task.message
    await send_all(agent, workspace, "github_update_issue", **changes, create_labels=True)
    made = await outcome(agent, workspace, "github_create_issue", **opening, create_labels=True)
    assert [each.name for each in issue.labels] == ["agent-task", "flaky"]
    opened = workspace.repository.issues[made["result"]["number"]]
    assert [each.name for each in opened.labels] == ["slow"]
