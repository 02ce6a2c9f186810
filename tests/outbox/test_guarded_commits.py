"""What agents may not commit to, and paths that are not what they look like.

On SQLite only: the arguments are refused before anything is stored.
"""

from typing import Any

from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace

pytestmark = ON_SQLITE
COMMIT = {"repository": "acme/rocket", "message": "Mend", "files": [{"path": "a", "content": "x"}]}


async def test_the_default_branch_is_guarded_by_every_name(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    names = ("main", "refs/heads/main", "heads/main", "HEAD", "@", "refs/heads/HEAD", "refs/main")
    codes = [
        (await agent.refusal("github_commit_files", **COMMIT, branch=name)).code for name in names
    ]
    assert codes == ["forbidden"] * 2 + ["invalid_arguments"] * 5
    same = {"repository": "acme/rocket", "title": "T", "head": "refs/heads/main"}
    assert (await agent.refusal("github_create_pr", **same)).code == "invalid_arguments"
    await workspace.settle()
    assert list(workspace.repository.branches) == ["main"]


async def test_a_branch_may_be_named_by_its_whole_ref(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    await agent.write("github_commit_files", **COMMIT, branch="refs/heads/mend")
    await workspace.settle()
    assert sorted(workspace.repository.branches) == ["main", "mend"]


async def test_a_commit_is_not_sent_to_a_branch_that_became_the_default(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    workspace.person.push(workspace.repository, "next", {"a.py": "1\n"}, base="main")
    await workspace.settle()
    head = workspace.repository.branches["next"]
    queued = await agent.write("github_commit_files", **COMMIT, branch="next")
    workspace.clock.forward(60)
    workspace.person.set_default_branch(workspace.repository, "next")
    while await workspace.process_delivery():
        pass
    await workspace.settle()
    write = await agent.write("get_write", write_id=queued["write_id"])
    assert (write["state"], workspace.repository.branches["next"]) == ("refused", head)
    assert write["refusal"]["message"] == "Not sent: next is the default branch now."


ODD = (
    *(".git/config", ".GIT/config", "a/.git", ".git./config", ".git /config", ".git . ./x"),
    *("git~1/config", "GIT~2/x", ".git::$INDEX_ALLOCATION/config", ".g\u200cit/config"),
    *("\ufeff.git/config", "a\\b", ".git\\config", "a\nb", "a/../b", "/a", "a//b", "a\x7f"),
)


async def test_odd_paths_are_refused(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    here: dict[str, Any] = {"repository": "acme/rocket", "message": "m", "branch": "mend"}
    for path in ODD:
        for files in ({"files": [{"path": path, "content": "x"}]}, {"delete": [path]}):
            refused = await agent.refusal("github_commit_files", **here, **files)
            assert refused.code == "invalid_arguments", path


async def test_paths_that_only_resemble_git_are_taken(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    names = (".gitignore", ".github/CODEOWNERS", "a.git", "legit~1x", "git", "a:b", "é/👩‍🚀.md")
    files = [{"path": path, "content": "x"} for path in names]
    await agent.write("github_commit_files", **COMMIT | {"files": files}, branch="mend")
    await workspace.settle()
    sha = workspace.repository.branches["mend"]
    assert set(names) <= workspace.repository.commits[sha].files.keys()
