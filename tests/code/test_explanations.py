"""Errors of writes name what to read, and that helps."""

from fixtures.github import Pull
from tests.code.test_read_files import HERE, read
from tests.outbox.test_writes import ALLOWED, outcome, outcomes
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace


async def open_pull(workspace: Workspace) -> Pull:
    workspace.person.push(workspace.repository, "main", {**ALLOWED, "plan.txt": "one\n"})
    workspace.person.push(workspace.repository, "mend", {"plan.txt": "two\n"})
    pull = workspace.person.open_pull(workspace.repository, title="Mend", head="mend", body="")
    await workspace.settle()
    return pull


async def merge(workspace: Workspace, agent: Agent, pull: Pull) -> dict[str, object]:
    name = f"acme/rocket#{pull.number}"
    (ended,) = await outcomes(
        agent, workspace, "github_update_pr", pull_request=name, merge="merge"
    )
    return ended


@ON_SQLITE
async def test_a_merge_conflict_is_explained_and_the_way_that_it_names_ends_it(
    workspace: Workspace,
) -> None:
    pull, agent = await open_pull(workspace), await workspace.agent("ada")
    workspace.person.push(workspace.repository, "main", {"plan.txt": "three\n"})
    await workspace.settle()
    refused = await merge(workspace, agent, pull)
    assert refused["state"] == "refused"
    error = refused["refusal"]
    assert isinstance(error, dict)
    assert error["details"]["reason"] == "merge_conflict"
    assert error["message"].startswith(
        "GitHub refused it (405): Pull Request is not mergeable. Both sides changed the same "
        "lines. github_get_diff with `base` mend and `head` main shows what main changed "
        "meanwhile. Commit the combined files to a new branch, which starts at main, and open a "
        "pull request from it; or ask a person to resolve it."
    )
    shown = await read(workspace, agent, "github_get_diff", base="mend", head="main", **HERE)
    assert [each["hunks"] for each in shown["files"]] == ["@@ -1 +1 @@\n1|- one\n+|1 three"]
    files = [{"path": "plan.txt", "content": "two and three\n"}]
    await outcome(
        agent, workspace, "github_commit_files", branch="again", message="Both", files=files, **HERE
    )
    opened = await outcome(agent, workspace, "github_create_pr", head="again", title="Both", **HERE)
    second = workspace.repository.pulls[opened["result"]["number"]]
    assert (await merge(workspace, agent, second))["state"] == "sent"


@ON_SQLITE
async def test_a_commit_on_an_old_head_is_told_how_to_see_what_came(workspace: Workspace) -> None:
    await open_pull(workspace)
    agent = await workspace.agent("ada")
    seen = workspace.repository.branches["mend"]
    workspace.person.push(workspace.repository, "mend", {"plan.txt": "two\nand more\n"})
    files = [{"path": "new.txt", "content": "x\n"}]
    given = {"branch": "mend", "head": seen, "message": "Late", "files": files}
    refused = await outcome(agent, workspace, "github_commit_files", **given, **HERE)
    assert refused["refusal"]["message"].endswith(
        "github_get_diff shows what came, with `base` your old head and `head` the branch. Commit "
        "on the new head, with these changes in your files. The head is "
        f"{workspace.repository.branches['mend']} now."
    )
    shown = await read(workspace, agent, "github_get_diff", base=seen, head="mend", **HERE)
    assert [each["hunks"] for each in shown["files"]] == ["@@ -1 +1,2 @@\n1|1 two\n+|2 and more"]


@ON_SQLITE
async def test_a_pull_request_without_a_commit_is_told_to_commit_first(
    workspace: Workspace,
) -> None:
    workspace.person.push(workspace.repository, "same", {"a.txt": "1\n"})
    await workspace.settle()
    agent = await workspace.agent("ada")
    queued = await agent.write("github_create_pr", head="same", title="Nothing", **HERE)
    workspace.person.push(workspace.repository, "main", {}, force=True, base="same")
    workspace.repository.branches["main"] = workspace.repository.branches["same"]
    await workspace.settle()
    refused = await agent.write("get_write", write_id=queued["write_id"])
    assert refused["refusal"]["details"]["reason"] == "no_commits"
    assert refused["refusal"]["message"].endswith(
        "The branch has nothing that its base lacks. Commit to it with github_commit_files first; "
        "github_get_diff compares the two."
    )
