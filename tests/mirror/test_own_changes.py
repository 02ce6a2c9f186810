"""Which files a pull request changes, as far as Hubbub committed them itself."""

import json
from typing import Any

from fixtures.github import Pull
from tests.support.story import Agent, Workspace


async def open_pull(workspace: Workspace) -> tuple[Pull, Agent, dict[str, Any]]:
    """A pull request with two commits, both through Hubbub."""
    issue, agent = await workspace.task(), await workspace.agent("scout")
    fence = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    mine = {"task": workspace.name(issue), "fence": fence}
    for path in ("a.py", "b.py"):
        await commit(agent, mine, path)
        await workspace.settle()
    await agent.write("github_create_pr", **mine, head="fix", title="Mend it")
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    return pull, agent, mine


async def commit(agent: Agent, mine: dict[str, Any], path: str) -> None:
    file = {"path": path, "content": "1\n"}
    await agent.write(
        "github_commit_files", **mine, branch="fix", message=f"Add {path}", files=[file]
    )


async def files(workspace: Workspace, pull: Pull) -> list[str]:
    """The paths that the mirror lists, as of the pull request's head."""
    (row,) = await workspace.rows(
        "SELECT head_sha, files FROM pull_files WHERE installation_id = :i"
    )
    assert row["head_sha"] == pull.head_sha
    return sorted(each["path"] for each in json.loads(row["files"]))


def reads(workspace: Workspace) -> int:
    return sum(each.path.endswith("/files") for each in workspace.github.requests)


async def test_the_files_that_agents_committed_are_known_without_a_request(
    workspace: Workspace,
) -> None:
    pull, agent, mine = await open_pull(workspace)
    assert await files(workspace, pull) == ["a.py", "b.py"]
    await commit(agent, mine, "c.py")
    await workspace.settle()
    assert await files(workspace, pull) == ["a.py", "b.py", "c.py"]
    assert reads(workspace) == 0


async def test_the_files_of_a_commit_whose_answer_was_lost_are_known_too(
    workspace: Workspace,
) -> None:
    pull, agent, mine = await open_pull(workspace)
    workspace.github.fault("POST", "/graphql$", "502_after", 1)
    await commit(agent, mine, "c.py")
    await workspace.settle()
    assert await files(workspace, pull) == ["a.py", "b.py", "c.py"]
    dead = "SELECT error FROM deliveries WHERE installation_id = :i AND state <> 'processed'"
    assert await workspace.rows(dead) == []
    await commit(agent, mine, "d.py")
    await workspace.settle()
    assert await files(workspace, pull) == ["a.py", "b.py", "c.py", "d.py"]
    assert await workspace.rows(dead) == []


async def test_after_a_push_of_a_person_the_files_are_read(workspace: Workspace) -> None:
    pull, agent, mine = await open_pull(workspace)
    workspace.person.push(workspace.repository, "fix", {"theirs.py": "1\n"})
    await workspace.settle()
    assert await files(workspace, pull) == ["a.py", "b.py", "theirs.py"]
    await commit(agent, mine, "c.py")
    await workspace.settle()
    assert await files(workspace, pull) == ["a.py", "b.py", "c.py", "theirs.py"]
    assert reads(workspace) == 2


async def test_the_files_on_a_branch_that_was_there_before_are_read(workspace: Workspace) -> None:
    workspace.github.hold_deliveries()
    workspace.person.push(workspace.repository, "fix", {"theirs.py": "1\n"}, base="main")
    workspace.github.held_deliveries.clear()
    workspace.github.release_deliveries()
    pull, _, _ = await open_pull(workspace)
    assert await files(workspace, pull) == ["a.py", "b.py", "theirs.py"]


async def test_a_diff_that_an_agent_wants_is_read_although_the_files_are_known(
    workspace: Workspace,
) -> None:
    pull, agent, _ = await open_pull(workspace)
    asked = {"task": f"acme/rocket#{pull.number}"}
    await agent.call("github_get_diff", **asked)
    await workspace.settle()
    found = await agent.call("github_get_diff", **asked)
    assert "a.py" in str(found)
    assert reads(workspace) == 1


async def test_a_comment_on_a_file_that_no_commit_changed_is_refused_without_a_request(
    workspace: Workspace,
) -> None:
    pull, _, _ = await open_pull(workspace)
    ann = await workspace.agent("ann", "tester")
    given = {"pull_request": f"acme/rocket#{pull.number}"}
    line = {"path": "z.py", "line": 1, "body": "why"}
    refused = await ann.refusal("github_review_pr", **given, comments=[line])
    assert refused.message == "`comments.0`: z.py is not changed; changed are b.py, a.py."
    assert reads(workspace) == 0
