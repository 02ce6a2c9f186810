"""What the next holder of a task learns of the last one's work."""

from typing import Any

from bot.tasks.handoff import changed_files
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace

SECRET = f"ghp_{'a1B2c3D4e5' * 4}"


async def handed_on(workspace: Workspace, first: Agent, mine: dict[str, Any]) -> dict[str, Any]:
    """What another agent gets when the holder has released the task."""
    await first.call("release_task", **mine)
    heir = await workspace.agent("heir")
    left: dict[str, Any] = (await heir.call("claim_task", task=mine["task"]))["handoff"]
    return left


@ON_SQLITE
async def test_a_hand_off_names_what_was_committed_and_is_still_there_not_what_was_announced(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    first, second = await workspace.agent("first"), await workspace.agent("second")
    where = workspace.name(issue)
    taken = await first.call("claim_task", task=where, paths=["src/api"])
    mine = {"task": where, "fence": taken["fence"]}
    for path, gone in (
        ("engine.py", []),
        ("tank.py", []),
        ("pump.py", []),
        ("engine.py", ["tank.py"]),
    ):
        change = {"files": [{"path": path, "content": "print(1)\n"}], "delete": gone}
        queued = await first.write(
            "github_commit_files", **mine, branch="fix", message="Mend", **change
        )
        await workspace.settle()
    sent = await first.write("get_write", write_id=queued["write_id"])
    assert not {"paths", "deleted"} & sent["result"].keys()
    await first.call("release_task", **mine)
    left = (await second.call("claim_task", task=where))["handoff"]
    assert left["files"] == ["engine.py", "pump.py"]


def test_a_deleted_file_that_its_pull_request_still_shows_is_a_change() -> None:
    commits = {"a.py": True, "old.py": False, "try.py": False}
    of_head = ["a.py", "old.py"]
    assert changed_files(of_head, commits, is_current=True) == ["a.py", "old.py"]
    before_the_last_push = ["a.py", "try.py", "old.py", "c.py"]
    assert changed_files(before_the_last_push, commits, is_current=False) == ["a.py", "c.py"]


async def test_a_hand_off_names_who_requested_changes_and_counts_open_threads(
    workspace: Workspace,
) -> None:
    first, ann = await workspace.agent("first"), await workspace.agent("ann", "tester")
    mine = {"task": workspace.name(await workspace.task())}
    mine |= {"fence": (await first.call("claim_task", **mine))["fence"]}
    files = [{"path": "a.py", "content": "1\n2\n"}]
    await first.call("github_commit_files", **mine, files=files, branch="fix", message="Mend")
    await first.call("github_create_pr", **mine, head="fix", title="Mend it")
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    review = {
        "event": "REQUEST_CHANGES",
        "body": "No",
        "comments": [{"path": "a.py", "line": 1, "body": "Why?"}],
    }
    await ann.call("github_review_pr", pull_request=f"acme/rocket#{pull.number}", **review)
    await workspace.settle()
    left = await handed_on(workspace, first, mine)
    assert (left["changes_requested_by"], left["unresolved_threads"]) == (["ann"], 1)


async def test_a_hand_off_has_the_messages_of_holders_and_to_groups_without_secrets(
    workspace: Workspace,
) -> None:
    first, ann = await workspace.agent("first"), await workspace.agent("ann", "tester")
    bob = await workspace.agent("bob")
    mine = {"task": workspace.name(await workspace.task())}
    about = dict(mine)
    mine |= {"fence": (await first.call("claim_task", **mine))["fence"]}
    await ann.call("send_message", to="holder", body="To the holder", **about)
    await first.call("send_message", to="bob", body="By the holder", **about)
    await ann.call("send_message", to="bob", body="Between others", **about)
    for to in ("everybody", "role:developer"):
        await bob.call("send_message", to=to, body=f"To {to}", **about)
    # A message of an earlier release, which masked nothing.
    i, old = workspace.installation.id, f"Use {SECRET}"
    q = "UPDATE messages SET body = :old WHERE installation_id = :i AND body = 'By the holder'"
    await workspace.store.write(lambda tx: tx.run(q, i=i, old=old))
    left = await handed_on(workspace, first, mine)
    said = [each["body"] for each in left["messages"]]
    groups = ["To everybody", "To role:developer"]
    assert said == ["To the holder", "Use [secret removed]", *groups]
