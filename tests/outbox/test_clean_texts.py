"""What agents write is clean on GitHub, in the outbox and in the audit. On SQLite only: no engine
plays a part in what a text becomes."""

import json
from typing import Any

import pytest

from tests.outbox.test_writes import open_pull, send, send_all
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace

JOINER = "\u2060"
SECRET = "ghp_aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA1cD3eF5"
MASK = "[secret removed]"
R = {"repository": "acme/rocket"}
TEXT = f"@stranger @octocat see {SECRET}\n\n/hold"
CLEAN = f"@{JOINER}stranger @octocat see {MASK}\n\n&#47;hold"
FOUND = ["a GitHub token in body", "a mention of stranger in body", "a slash command in body"]


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """The engine plays no part."""
    return sqlite_url


async def is_nowhere_in_the_database(workspace: Workspace, secret: str) -> bool:
    tables = ("writes", "audit", "events", "tasks", "requests", "issues", "comments")
    rows = [
        await workspace.rows(f"SELECT * FROM {each} WHERE installation_id = :i") for each in tables
    ]
    return secret not in json.dumps(rows)


async def test_what_an_agent_writes_is_clean_on_github_and_the_answer_says_so(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    name = workspace.name(issue)
    queued = await agent.write("github_comment_issue", issue=name, body=TEXT)
    assert queued["cleaned"] == FOUND
    opened = await send(
        agent, workspace, "github_create_issue", **R, title=f"Leak of {SECRET}\nin main", body=TEXT
    )
    assert issue.comments[-1].body.endswith(CLEAN)
    made = workspace.repository.issues[opened["number"]]
    assert made.title == f"Leak of {MASK} in main"
    # Nobody has written in the new issue yet, and GitHub was not asked who may answer.
    assert (made.body or "").endswith(CLEAN.replace("@octocat", f"@{JOINER}octocat"))
    assert await is_nowhere_in_the_database(workspace, SECRET)


async def test_a_task_a_review_and_a_check_are_clean_too(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    created = await agent.call("create_task", **R, title=f"Rotate {SECRET}", body=TEXT)
    assert created["task"]["title"] == f"Rotate {MASK}"
    assert "a GitHub token in title" in created["cleaned"]
    name, pull = await open_pull(workspace, agent)
    comment = {"path": "a.py", "line": 1, "body": f"/approve {SECRET}"}
    reviewed = await agent.write(
        "github_review_pr", pull_request=name, body="Hi", comments=[comment]
    )
    assert reviewed["cleaned"] == ["a GitHub token in body", "a slash command in body"]
    checked = await agent.write(
        "github_report_check", **R, sha=pull.head_sha, name="build", title="Done\x07", summary=TEXT
    )
    assert checked["cleaned"][0] == "a control character in title"
    await workspace.settle()
    assert await is_nowhere_in_the_database(workspace, SECRET)


async def test_people_whom_the_task_knows_are_mentioned(workspace: Workspace) -> None:
    people = {
        each: workspace.github.person(each, permissions={"acme/rocket": "write"})
        for each in ("author", "asked", "talker", "decider", "stranger")
    }
    issue = people["author"].open_issue(workspace.repository, "Mend", "", labels=["agent-task"])
    people["talker"].comment(issue, "I saw it too.")
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    people["decider"].comment(workspace.person.open_issue(workspace.repository, "x", ""), "/why")
    await workspace.settle()
    agent = await workspace.agent("scout")
    fence = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    made = await send(
        agent,
        workspace,
        "github_create_pr",
        task=workspace.name(issue),
        fence=fence,
        head="fix",
        title="Fix",
    )
    pull = f"acme/rocket#{made['number']}"
    await send_all(agent, workspace, "github_update_pr", pull_request=pull, reviewers=["asked"])
    body = "@author @Asked @talker @decider @stranger"
    for name in (workspace.name(issue), pull):
        answer = await agent.write("github_comment_issue", issue=name, body=body)
        assert answer["cleaned"] == ["a mention of stranger in body"]


async def test_a_question_may_ask_somebody_whom_the_task_knows(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    task = {"task": workspace.name(issue)}
    fence = (await agent.call("claim_task", **task))["fence"]
    report = {**task, "fence": fence, "status": "in_progress"}
    asked = await agent.call(
        "update_task_status", **report, note=f"Found {SECRET}", question="@octocat or @stranger?"
    )
    assert asked["cleaned"] == ["a GitHub token in note", "a mention of stranger in body"]
    assert asked["task"]["note"] == f"Found {MASK}"
    await workspace.settle()
    comments = [each.body for each in issue.comments]
    assert any(f"> @octocat or @{JOINER}stranger?" in each for each in comments)
    released = await agent.call("release_task", **task, fence=fence, note=f"See {SECRET}")
    assert released["cleaned"] == ["a GitHub token in note"]
    assert await is_nowhere_in_the_database(workspace, SECRET)


@pytest.mark.parametrize(
    ("file", "where"),
    [
        (
            {"path": "a.env", "content": f"A=1\nTOKEN={SECRET}\n"},
            "a.env has a GitHub token in line 2",
        ),
        (
            {
                "path": "b.bin",
                "base64": True,
                "content": "/wBnaHBfYUIzZEU1Z0g3aks5bU4xcFEzc1Q1dlc3eFk5ekExY0QzZUY1",
            },
            "b.bin has a GitHub token in line 1",
        ),
        ({"path": f"keys/{SECRET}", "content": ""}, "A path in `files` has a GitHub token"),
    ],
)
async def test_a_commit_with_a_secret_is_refused_and_the_secret_is_not_repeated(
    workspace: Workspace, file: dict[str, Any], where: str
) -> None:
    agent = await workspace.agent("scout")
    given = {**R, "branch": "fix", "message": "m", "files": [file]}
    refused = await agent.refusal("github_commit_files", **given)
    assert refused.code == "secret_in_commit"
    assert refused.message.startswith(f"{where}. Nothing was committed.")
    assert SECRET not in json.dumps(refused.body())
    assert await workspace.rows("SELECT id FROM writes WHERE installation_id = :i") == []
    assert await is_nowhere_in_the_database(workspace, SECRET)


@ON_SQLITE
async def test_a_commit_may_keep_a_secret_that_its_file_has_and_add_none(
    workspace: Workspace,
) -> None:
    """A test of masking has tokens, and nobody could change it."""
    workspace.person.push(workspace.repository, "fix", {"tests/mask.py": f"T = '{SECRET}'\n"})
    await workspace.settle()
    agent = await workspace.agent("scout")
    given = {**R, "branch": "fix", "message": "m"}

    def files(text: str, path: str = "tests/mask.py") -> dict[str, Any]:
        return {**given, "files": [{"path": path, "content": text}]}

    kept = f"# Masks\nT = '{SECRET}'\n"
    unread = await agent.refusal("github_commit_files", **files(kept))
    assert "call github_read_files first" in unread.message
    for _ in range(3):
        await agent.call("github_read_files", **R, ref="fix", paths=["tests/mask.py"])
        await workspace.settle()
    new = await agent.refusal("github_commit_files", **files(f"{kept}U = '{SECRET}x'\n"))
    assert "in line 3" in new.message
    other = await agent.refusal("github_commit_files", **files(kept, "other.py"))
    assert other.code == "secret_in_commit"
    await agent.call("github_commit_files", **files(kept))
    await workspace.settle()
    head = workspace.repository.branches["fix"]
    assert workspace.repository.commits[head].files["tests/mask.py"] == kept
    audit = await workspace.rows("SELECT * FROM audit WHERE installation_id = :i")
    assert audit
    assert SECRET not in json.dumps(audit, default=str)


async def test_a_commits_message_is_cleaned(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    files = [{"path": "a.py", "content": "x = '@stranger'\n"}]
    message = f"Mend it, @stranger\n\nwith {SECRET}"
    made = await send(
        agent, workspace, "github_commit_files", **R, branch="b", message=message, files=files
    )
    commit = workspace.repository.commits[made["head"]]
    assert commit.message.startswith(f"Mend it, @{JOINER}stranger\n\nwith {MASK}")
    assert commit.files["a.py"] == "x = '@stranger'\n"


async def test_a_secret_in_a_message_is_masked_on_the_card_and_between_agents(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    other, name = await workspace.agent("other"), workspace.name(issue)
    await agent.call("claim_task", task=name)
    body = f"Use {SECRET}, @stranger"
    await agent.call("send_message", to="other", body=body, task=name, visibility="issue")
    await workspace.settle()
    (card,) = [each.body for each in issue.comments if "**Hubbub**" in each.body]
    assert f"> Use {MASK}, @{JOINER}stranger" in card
    (message,) = (await other.call("get_messages"))["messages"]
    assert message["body"] == f"Use {MASK}, @stranger"


async def test_texts_that_would_hold_up_others_are_cleaned_without_parsing_them(
    workspace: Workspace,
) -> None:
    """Each alone is parsed, so what is in its code stays. A megabyte of them took seconds."""
    ada = await workspace.agent("ada")
    body = "`@dave`\n" * 1500
    plan = [{"id": str(n), "title": f"Part {n}", "body": body} for n in range(2)]
    await ada.call("create_task", repository="acme/rocket", title="Whole", body=body)
    await ada.call("create_tasks", repository="acme/rocket", tasks=plan)
    await workspace.settle()
    bodies = {each.title: str(each.body) for each in workspace.repository.issues.values()}
    assert bodies["Whole"].count("`@dave`") == 1500
    for n in range(2):
        assert bodies[f"Part {n}"].count(f"`@{JOINER}dave`") == 1500
