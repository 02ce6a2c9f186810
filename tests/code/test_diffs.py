"""Diffs of pull requests, branches and commits."""

import asyncio
import json
from typing import Any

import pytest

from fixtures.github import Pull
from fixtures.github.changes import git
from tests.code.test_read_files import HERE, read
from tests.support.engines import ON_SQLITE
from tests.support.patience import LONG_S, SOON_S
from tests.support.story import Agent, Workspace

LONG = "".join(f"line {n}\n" for n in range(1, 41))


@pytest.fixture
async def ada(workspace: Workspace) -> Agent:
    files = {"long.txt": LONG, "gone.txt": "x\n", "logo.png": "\0a", "moved.txt": "m\n" * 9}
    workspace.person.push(workspace.repository, "main", files)
    await workspace.settle()
    return await workspace.agent("ada", "tester")


async def open_pull(workspace: Workspace, **more: str | None) -> Pull:
    text = LONG.replace("line 3\n", "line three\n").replace("line 30\n", "line 30\nand more\n")
    files = {"long.txt": text, **more}
    workspace.person.push(workspace.repository, "mend", files)
    pull = workspace.person.open_pull(workspace.repository, title="Mend", head="mend", body="")
    await workspace.settle()
    return pull


def weight(answer: dict[str, Any]) -> int:
    return len(json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode())


def name(pull: Pull) -> str:
    return f"acme/rocket#{pull.number}"


async def diff(workspace: Workspace, agent: Agent, **given: Any) -> dict[str, Any]:
    return await read(workspace, agent, "github_get_diff", **given)


async def test_a_pull_request_is_shown_with_line_numbers_and_costs_no_request(
    workspace: Workspace, ada: Agent
) -> None:
    pull = await open_pull(workspace)
    requests = len(workspace.github.requests)
    shown = await ada.call("github_get_diff", task=name(pull))
    assert len(workspace.github.requests) == requests
    assert (shown["head"], shown["trusted"], shown["pending"]) == (pull.head_sha, True, None)
    (file,) = shown["files"]
    assert (file["path"], file["status"], file["additions"], file["deletions"]) == (
        "long.txt",
        "modified",
        2,
        1,
    )
    lines = file["hunks"].split("\n")
    assert lines[:6] == [
        "@@ -1,6 +1,6 @@",
        "1|1 line 1",
        "2|2 line 2",
        "3|- line 3",
        "+|3 line three",
        "4|4 line 4",
    ]
    assert lines[8:] == [
        "@@ -28,6 +28,7 @@",
        "28|28 line 28",
        "29|29 line 29",
        "30|30 line 30",
        "+|31 and more",
        "31|32 line 31",
        "32|33 line 32",
        "33|34 line 33",
    ]
    comments = [
        {"path": "long.txt", "line": 31, "body": "More of what?"},
        {"path": "long.txt", "line": 3, "side": "LEFT", "body": "It was good."},
    ]
    await ada.call("github_review_pr", pull_request=name(pull), comments=comments)
    await workspace.settle()
    assert [each.line for each in pull.review_comments] == [31, 3]


@ON_SQLITE
async def test_files_without_a_patch_say_why(workspace: Workspace, ada: Agent) -> None:
    more = {"gone.txt": None, "logo.png": "\0b", "moved.txt": None, "there.txt": "m\n" * 9}
    huge = "".join(f"{n}\n" for n in range(30_000))
    pull = await open_pull(workspace, **more, **{"huge.txt": huge})
    shown = await ada.call("github_get_diff", task=name(pull))
    files = {each["path"]: each for each in shown["files"]}
    assert {path: (each["status"], each["note"]) for path, each in files.items()} == {
        "gone.txt": ("removed", None),
        "huge.txt": ("added", "Its change is too large to show. Read the file."),
        "logo.png": ("modified", "No line changed, or it is binary."),
        "long.txt": ("modified", None),
        "there.txt": ("renamed", "It moved without a change."),
    }
    assert files["there.txt"]["previous"] == "moved.txt"
    assert files["gone.txt"]["hunks"] == "@@ -1 +0,0 @@\n1|- x"
    some = await ada.call("github_get_diff", task=name(pull), paths=["moved.txt", "gone.txt"])
    assert [each["path"] for each in some["files"]] == ["gone.txt", "there.txt"]
    none = await ada.call("github_get_diff", task=name(pull), paths=["src"])
    assert none["note"] == (
        "No change in src. Changed: gone.txt, huge.txt, logo.png, long.txt, there.txt."
    )


@ON_SQLITE
async def test_a_merged_pull_request_still_shows_what_it_changed(
    workspace: Workspace, ada: Agent
) -> None:
    pull = await open_pull(workspace)
    before = await ada.call("github_get_diff", task=name(pull))
    workspace.person.merge(pull)
    await workspace.settle()
    after = await ada.call("github_get_diff", task=name(pull))
    assert after["files"] == before["files"]
    await workspace.store.write(lambda tx: tx.run("DELETE FROM code_objects"))
    again = await diff(workspace, ada, task=name(pull))
    assert again["files"] == before["files"]


async def test_two_commits_are_compared_from_their_merge_base_and_read_once(
    workspace: Workspace, ada: Agent
) -> None:
    workspace.person.push(workspace.repository, "mend", {"new.txt": "1\n"})
    seen = workspace.repository.branches["mend"]
    workspace.person.push(workspace.repository, "main", {"other.txt": "2\n"})
    workspace.person.push(workspace.repository, "mend", {"new.txt": "1\n2\n"})
    await workspace.settle()
    shown = await diff(workspace, ada, head="mend", **HERE)
    assert [(each["path"], each["hunks"]) for each in shown["files"]] == [
        ("new.txt", "@@ -0,0 +1,2 @@\n+|1 1\n+|2 2")
    ]
    requests = len(workspace.github.requests)
    assert await diff(workspace, ada, head=workspace.repository.branches["mend"], **HERE)
    assert len(workspace.github.requests) == requests
    since = await diff(workspace, ada, base=seen, head="mend", **HERE)
    assert [each["hunks"] for each in since["files"]] == ["@@ -1 +1,2 @@\n1|1 1\n+|2 2"]
    refused = await ada.refusal("github_get_diff", **HERE)
    assert "a branch, tag or commit to compare with main" in refused.message
    same = await diff(workspace, ada, base="mend", head="mend", **HERE)
    assert (same["files"], same["note"]) == ([], "There is no difference.")


@ON_SQLITE
async def test_a_tasks_branch_is_compared_before_it_has_a_pull_request(
    workspace: Workspace, ada: Agent
) -> None:
    issue = await workspace.task()
    task = workspace.name(issue)
    refused = await ada.refusal("github_get_diff", task=task)
    assert refused.code == "invalid_arguments"
    bob = await workspace.agent("bob")
    taken = await bob.call("claim_task", task=task)
    files = [{"path": "a.py", "content": "1\n"}]
    given = {"task": task, "fence": taken["fence"], "branch": "mend"}
    await bob.call("github_commit_files", message="Write", files=files, **given)
    await workspace.settle()
    shown = await diff(workspace, ada, task=task)
    assert [each["path"] for each in shown["files"]] == ["a.py"]


@ON_SQLITE
async def test_a_long_diff_is_read_in_pages_until_a_new_commit_comes(
    workspace: Workspace, ada: Agent
) -> None:
    many = {f"f{n:02}.txt": "".join(f"{n} {k}\n" for k in range(60)) for n in range(4)}
    pull = await open_pull(workspace, **many)
    whole = await ada.call("github_get_diff", task=name(pull), max_tokens=50_000)
    assert whole["next_cursor"] is None
    pages: list[dict[str, Any]] = []
    cursor = None
    while len(pages) < 50:
        given = {"task": name(pull), "max_tokens": 500, "cursor": cursor}
        page = await ada.call("github_get_diff", **given)
        pages.append(page)
        if (cursor := page["next_cursor"]) is None:
            break
    lines: dict[str, str] = {}
    for each in (file for page in pages for file in page["files"]):
        lines[each["path"]] = lines.get(each["path"], "") + each["hunks"]
    assert lines == {each["path"]: each["hunks"] for each in whole["files"]}
    assert len(pages) > 2
    assert max(map(weight, pages)) <= 500 * 4
    workspace.person.push(workspace.repository, "mend", {"a.py": "2\n"})
    await workspace.settle()
    refused = await ada.refusal("github_get_diff", task=name(pull), cursor=pages[0]["next_cursor"])
    assert str(refused) == (
        "There is a new commit since the page before. Call again without `cursor`."
    )


@ON_SQLITE
@pytest.mark.parametrize(("association", "trusted"), [("MEMBER", True), ("NONE", False)])
async def test_the_head_of_a_fork_is_trusted_as_its_author_is(
    workspace: Workspace, ada: Agent, association: str, *, trusted: bool
) -> None:
    """The head of a fork's pull request is on no branch of the repository."""
    pull = await open_pull(workspace)
    for statement in (
        "DELETE FROM refs WHERE name = 'mend'",
        f"UPDATE pull_requests SET author_association = '{association}'",
    ):
        await workspace.store.write(lambda tx, q=statement: tx.run(q))  # type: ignore[misc]
    assert (await ada.call("github_get_diff", task=name(pull)))["trusted"] is trusted
    answer = await read(workspace, ada, "github_read_files", paths=["long.txt"], task=name(pull))
    assert answer["trusted"] is trusted


@ON_SQLITE
async def test_an_answer_for_a_new_head_is_not_asked_for_in_a_tight_loop(
    workspace: Workspace, ada: Agent
) -> None:
    pull = await open_pull(workspace)
    workspace.github.hold_deliveries()
    workspace.person.push(workspace.repository, "mend", {"a.py": "2\n"})
    await workspace.store.write(lambda tx: tx.run("DELETE FROM code_objects"))
    before, start = len(workspace.github.requests), workspace.clock.at
    for _ in range(3):
        assert (await ada.call("github_get_diff", task=name(pull)))["pending"]
        await workspace.settle()
    assert len(workspace.github.requests) == before + 3
    assert workspace.clock.at - start >= 2 * 5_000_000
    workspace.github.release_deliveries()
    await workspace.settle()
    shown = await ada.call("github_get_diff", task=name(pull))
    assert (shown["head"], len(shown["files"])) == (workspace.repository.branches["mend"], 2)


@ON_SQLITE
async def test_a_call_that_waits_gets_its_answer_as_soon_as_github_has_answered(
    workspace: Workspace, ada: Agent
) -> None:
    waiting = asyncio.create_task(
        ada.call("github_read_files", paths=["gone.txt"], wait_s=LONG_S, **HERE)
    )
    async with asyncio.timeout(SOON_S):
        while not waiting.done():
            await workspace.settle()
            await asyncio.sleep(0)
    answer = await waiting
    assert (answer["pending"], answer["files"][0]["text"]) == (None, "x\n")


@ON_SQLITE
async def test_of_too_many_files_github_lists_the_first(workspace: Workspace, ada: Agent) -> None:
    many = {f"many/{n:03}.txt": "1\n" for n in range(310)}
    workspace.person.push(workspace.repository, "mend", many)
    await workspace.settle()
    shown = await diff(workspace, ada, head="mend", paths=["many/299.txt"], **HERE)
    assert shown["note"] == "GitHub lists only the first 300 files. Compare smaller steps."


@ON_SQLITE
async def test_branches_that_were_begun_apart_cannot_be_compared(
    workspace: Workspace, ada: Agent
) -> None:
    repository, person = workspace.repository, workspace.person
    files = {"index.html": "1\n"}
    apart = git.add_commit(person.world, person.actor, repository, files, (), "Begin")
    git.create_branch(person.world, person.actor, repository, "pages", apart.sha)
    await workspace.settle()
    assert (await ada.call("github_get_diff", head="pages", **HERE))["pending"]
    await workspace.settle()
    refused = await ada.refusal("github_get_diff", head="pages", **HERE)
    assert str(refused) == (
        "`base` and `head` have no commit in common, so there is no comparison. Read the files "
        "with github_read_files."
    )
