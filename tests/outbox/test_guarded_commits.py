"""What agents may not commit to, and paths that are not what they look like.

On SQLite only: the arguments are refused before anything is stored.
"""

from typing import Any

import pytest

from tests.support.story import Town

pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
COMMIT = {"repository": "acme/rocket", "message": "Mend", "files": [{"path": "a", "content": "x"}]}


async def test_the_default_branch_is_guarded_by_every_name(town: Town) -> None:
    agent = await town.agent("scout")
    names = ("main", "refs/heads/main", "heads/main", "HEAD", "@", "refs/heads/HEAD", "refs/main")
    codes = [
        (await agent.refused("github_commit_files", **COMMIT, branch=name)).code for name in names
    ]
    assert codes == ["forbidden"] * 2 + ["invalid_arguments"] * 5
    same = {"repository": "acme/rocket", "title": "T", "head": "refs/heads/main"}
    assert (await agent.refused("github_create_pr", **same)).code == "invalid_arguments"
    await town.settle()
    assert list(town.repository.branches) == ["main"]


async def test_a_branch_may_be_named_by_its_whole_ref(town: Town) -> None:
    agent = await town.agent("scout")
    await agent.call("github_commit_files", **COMMIT, branch="refs/heads/mend")
    await town.settle()
    assert sorted(town.repository.branches) == ["main", "mend"]


async def test_a_commit_is_not_sent_to_a_branch_that_became_the_default(town: Town) -> None:
    agent = await town.agent("scout")
    town.person.push(town.repository, "next", {"a.py": "1\n"}, base="main")
    await town.settle()
    head = town.repository.branches["next"]
    queued = await agent.call("github_commit_files", **COMMIT, branch="next")
    town.clock.forward(60)
    town.person.set_default_branch(town.repository, "next")
    while await town.heard():
        pass
    await town.settle()
    write = await agent.call("get_write", write_id=queued["write_id"])
    assert (write["state"], town.repository.branches["next"]) == ("refused", head)
    assert write["refusal"]["message"] == "Not sent: next is the default branch now."


ODD = (
    *(".git/config", ".GIT/config", "a/.git", ".git./config", ".git /config", ".git . ./x"),
    *("git~1/config", "GIT~2/x", ".git::$INDEX_ALLOCATION/config", ".g\u200cit/config"),
    *("\ufeff.git/config", "a\\b", ".git\\config", "a\nb", "a/../b", "/a", "a//b", "a\x7f"),
)


async def test_odd_paths_are_refused(town: Town) -> None:
    agent = await town.agent("scout")
    here: dict[str, Any] = {"repository": "acme/rocket", "message": "m", "branch": "mend"}
    for path in ODD:
        for files in ({"files": [{"path": path, "content": "x"}]}, {"delete": [path]}):
            refused = await agent.refused("github_commit_files", **here, **files)
            assert refused.code == "invalid_arguments", path


async def test_paths_that_only_resemble_git_are_taken(town: Town) -> None:
    agent = await town.agent("scout")
    names = (".gitignore", ".github/CODEOWNERS", "a.git", "legit~1x", "git", "a:b", "é/👩‍🚀.md")
    files = [{"path": path, "content": "x"} for path in names]
    await agent.call("github_commit_files", **COMMIT | {"files": files}, branch="mend")
    await town.settle()
    sha = town.repository.branches["mend"]
    assert set(names) <= town.repository.commits[sha].files.keys()
