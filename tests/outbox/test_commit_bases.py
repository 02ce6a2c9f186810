"""Where the branch of a commit begins, and what an agent reads when it cannot begin there.

On SQLite only: the rules are about values, and about rows that both engines keep alike.
"""

from typing import Any

from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace

pytestmark = ON_SQLITE
COMMIT = {"repository": "acme/rocket", "message": "Mend", "files": [{"path": "a", "content": "x"}]}


async def test_a_new_branch_begins_at_the_commit_that_base_names(workspace: Workspace) -> None:
    agent, first = await workspace.agent("scout"), workspace.repository.branches["main"]
    workspace.person.push(workspace.repository, "main", {"later.py": "1\n"})
    await workspace.settle()
    await agent.write("github_commit_files", **COMMIT, branch="old", base=first)
    await workspace.settle()
    made = workspace.repository.commits[workspace.repository.branches["old"]]
    assert made.parents == (first,)


async def test_a_base_that_does_not_exist_is_refused_at_once(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    workspace.person.push(workspace.repository, "main", {"later.py": "1\n"})
    await workspace.settle()
    given: dict[str, Any] = {**COMMIT, "branch": "new", "base": "gone"}
    refused = await agent.refusal("github_commit_files", **given)
    assert "There is no branch `gone`" in str(refused)
    # A queued commit will make it.
    await agent.write("github_commit_files", **COMMIT, branch="gone")
    await agent.write("github_commit_files", **given)
    await workspace.settle()
    assert {"gone", "new"} <= workspace.repository.branches.keys()


async def test_a_commit_says_why_the_branch_before_it_could_not_be_created(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    given: dict[str, Any] = {**COMMIT, "branch": "new", "base": "7a" * 20}
    queued = await agent.write("github_commit_files", **given)
    await workspace.settle()
    write = await agent.write("get_write", write_id=queued["write_id"])
    assert write["refusal"]["message"] == (
        "Not sent: the branch `new` could not be created, because GitHub refused it (422): Object "
        "does not exist. Pass as `head` or `base` a commit of the repository, or leave it out."
    )
