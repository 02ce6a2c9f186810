"""Who touches the same paths: both sides are told, once for each change, and nobody is kept."""

import json
import time
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.mirror import reads
from bot.pulls.paths import Path, area, inside, paths_from, shared_paths
from fixtures.github import Issue, Pull
from store.engine import sql
from store.engine.transaction import Tx
from store.mirror import mirror_rows
from store.mirror.pulls import FILES
from tests.support.engines import ON_SQLITE
from tests.support.sampling import examples
from tests.support.story import Agent, Workspace


async def overlap_events(workspace: Workspace, holder: str) -> list[dict[str, Any]]:
    """What each event of an overlap told a holder."""
    q = (
        "SELECT data FROM events WHERE installation_id = :i AND kind = 'task.overlap' "
        "AND audience = :holder ORDER BY seq"
    )
    return [json.loads(row["data"]) for row in await workspace.rows(q, holder=holder)]


async def claim(workspace: Workspace, agent: Agent, issue: Issue, *paths: str) -> dict[str, Any]:
    given_ = {"task": workspace.name(issue), "lease_s": 3600, "paths": list(paths)}
    return await agent.call("claim_task", **given_)


async def claim_and_propose(workspace: Workspace, agent: Agent, issue: Issue, **files: str) -> Pull:
    """Claimed without a word of paths, and a pull request of the task that touches these."""
    fence = (await claim(workspace, agent, issue))["fence"]
    return await open_pull(workspace, agent, issue, fence, **files)


async def open_pull(
    workspace: Workspace, agent: Agent, issue: Issue, fence: int, **files: str
) -> Pull:
    head = f"of-{issue.number}"
    changed: dict[str, str | None] = dict.fromkeys(files.values(), "1\n")
    workspace.person.push(workspace.repository, head, changed, base="main")
    given_ = {"task": workspace.name(issue), "fence": fence, "head": head, "title": "Mend"}
    await agent.write("github_create_pr", **given_)
    await workspace.settle()
    (pull,) = [each for each in workspace.repository.pulls.values() if each.head == head]
    return pull


def card(issue: Issue) -> str:
    (found,) = [each.body for each in issue.comments if "**Hubbub** ·" in each.body]
    return found


async def test_a_pull_request_is_its_holders_who_named_no_paths(workspace: Workspace) -> None:
    one, two = await workspace.task("One"), await workspace.task("Two")
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    pull = await claim_and_propose(workspace, ada, one, a="src/a.py")
    (theirs,) = (await claim(workspace, bob, two, "src"))["overlaps"]
    assert (theirs["task"], theirs["holder"]) == (workspace.name(one), "ada")
    assert (theirs["pull_request"], theirs["paths"]) == (pull.number, ["src/a.py"])
    about = {
        "task": workspace.name(two),
        "holder": "bob",
        "pull_request": None,
        "paths": ["src/a.py"],
    }
    assert await overlap_events(workspace, "ada") == [about]
    assert await overlap_events(workspace, "bob") == []  # the answer said it
    await workspace.time_passes(900)
    assert "`ada` on #1 touches the same paths: `src/a.py`" in card(two)
    assert "`bob` on #2 touches the same paths: `src`" in card(one)


async def test_a_pull_request_after_the_others_claim_is_told_to_both_once(
    workspace: Workspace,
) -> None:
    one, two = await workspace.task("One"), await workspace.task("Two")
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    await claim(workspace, bob, two, "src/a.py", "docs")
    fence = (await claim(workspace, ada, one))["fence"]
    assert (await overlap_events(workspace, "ada"), await overlap_events(workspace, "bob")) == (
        [],
        [],
    )
    pull = await open_pull(workspace, ada, one, fence, a="src/a.py")
    to_bob = {"task": workspace.name(one), "holder": "ada", "pull_request": pull.number}
    to_ada = {"task": workspace.name(two), "holder": "bob", "pull_request": None}
    assert await overlap_events(workspace, "bob") == [to_bob | {"paths": ["src/a.py"]}]
    assert await overlap_events(workspace, "ada") == [to_ada | {"paths": ["src/a.py"]}]
    await workspace.time_passes(900)
    assert "`ada` on #1 touches the same paths: `src/a.py`" in card(two)
    assert "`bob` on #2 touches the same paths: `src/a.py`" in card(one)
    # Read again, and with a push that changes nothing of it.
    again = reads.thread("pull_files", workspace.repository.id, pull.number)
    await workspace.read(again)
    workspace.person.push(
        workspace.repository, f"of-{one.number}", {"src/a.py": "2\n", "far.py": "1\n"}
    )
    await workspace.settle()
    assert (
        len(await overlap_events(workspace, "ada")),
        len(await overlap_events(workspace, "bob")),
    ) == (1, 1)
    workspace.person.push(workspace.repository, f"of-{one.number}", {"docs/x.md": "1\n"})
    await workspace.settle()
    assert (await overlap_events(workspace, "bob"))[1:] == [
        to_bob | {"paths": ["src/a.py", "docs"]}
    ]
    assert (await overlap_events(workspace, "ada"))[1:] == [
        to_ada | {"paths": ["src/a.py", "docs"]}
    ]


async def test_paths_named_again_tell_only_what_is_new(workspace: Workspace) -> None:
    one, two = await workspace.task("One"), await workspace.task("Two")
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    await claim(workspace, ada, one, "src", "docs")
    for _ in range(2):
        assert len((await claim(workspace, bob, two, "src/a.py"))["overlaps"]) == 1
    await bob.call("claim_task", task=workspace.name(two))
    assert [each["paths"] for each in await overlap_events(workspace, "ada")] == [["src"]]
    await claim(workspace, bob, two, "src/a.py", "docs")
    assert [each["paths"] for each in await overlap_events(workspace, "ada")] == [
        ["src"],
        ["src", "docs"],
    ]


async def propose(workspace: Workspace, *touched: list[str]) -> None:
    """As many more open pull requests of people, numbered from 1000; each touches some files."""
    (pull,) = await workspace.rows("SELECT * FROM pull_requests WHERE installation_id = :i")
    here = {"installation_id": workspace.installation.id, "repository_id": workspace.repository.id}
    read = here | {"head_sha": "x", "whole": 1, "read_at": 1}

    def files(paths: list[str]) -> str:
        return json.dumps(
            [{"path": each, "status": "added", "additions": 1, "deletions": 0} for each in paths]
        )

    pulls = [
        {**pull, "id": n, "number": n, "node_id": f"p{n}"} for n in range(1000, 1000 + len(touched))
    ]
    rows = [
        read | {"number": each["number"], "files": files(paths)}
        for each, paths in zip(pulls, touched, strict=True)
    ]

    async def work(tx: Tx) -> None:
        await tx.many(sql.insert("pull_requests", mirror_rows.columns("pull_requests")), pulls)
        await tx.many(sql.insert("pull_files", FILES), rows)

    await workspace.store.write(work)


async def test_the_newest_thirty_open_pull_requests_and_300_files_of_each_are_looked_at(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("ada")
    workspace.person.push(workspace.repository, "mend", {"mend.py": "1\n"})
    workspace.person.open_pull(workspace.repository, title="Mend", head="mend")
    await workspace.settle()
    many = [f"src/{n}.py" for n in range(298)]
    await propose(workspace, ["old.py"], ["a.py"], [*many, "b/1", "b/2", "b/3"], *[["far.py"]] * 28)
    found = (await claim(workspace, agent, issue, "old.py", "mend.py", "a.py", "b"))["overlaps"]
    told_of = {each["pull_request"]: each["paths"] for each in found}
    assert told_of == {1002: ["b/1", "b/2"], 1001: ["a.py"]}


@ON_SQLITE
async def test_only_a_claim_looks_for_others_and_a_report_does_not(workspace: Workspace) -> None:
    one, two = await workspace.task("One"), await workspace.task("Two")
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    fence = (await claim(workspace, ada, one, "src"))["fence"]
    await claim(workspace, bob, two, "src/a.py")
    report = {"task": workspace.name(one), "fence": fence, "status": "in_progress"}
    assert "overlaps" not in await ada.call("update_task_status", **report)
    (theirs,) = (await ada.call("claim_task", task=workspace.name(one)))["overlaps"]
    assert (theirs["holder"], theirs["paths"]) == ("bob", ["src/a.py"])


async def test_two_pull_requests_of_holders_who_named_no_paths_meet(workspace: Workspace) -> None:
    one, two = await workspace.task("One"), await workspace.task("Two")
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    first = await claim_and_propose(workspace, ada, one, a="src/a.py", b="b.py")
    second = await claim_and_propose(workspace, bob, two, a="src/a.py", c="c.py")
    (to_ada,), (to_bob,) = (
        await overlap_events(workspace, "ada"),
        await overlap_events(workspace, "bob"),
    )
    assert (to_ada["pull_request"], to_ada["paths"]) == (second.number, ["src/a.py"])
    assert (to_bob["pull_request"], to_bob["paths"]) == (first.number, ["src/a.py"])
    await workspace.time_passes(900)
    assert "touches the same paths" in card(one)
    assert "touches the same paths" in card(two)


@ON_SQLITE
async def test_a_pull_request_of_nobody_here_is_told_to_whoever_claimed_before(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    await claim(workspace, await workspace.agent("ada"), issue, "src")
    workspace.person.push(workspace.repository, "mend", {"src/a.py": "1\n"})
    pull = workspace.person.open_pull(workspace.repository, title="Mend", head="mend")
    await workspace.settle()
    about = {"task": None, "holder": None, "pull_request": pull.number, "paths": ["src"]}
    assert await overlap_events(workspace, "ada") == [about]
    await workspace.time_passes(900)
    assert f"Pull request #{pull.number} touches the same paths: `src/a.py`" in card(issue)
    workspace.person.close(pull)
    await workspace.settle()
    workspace.person.reopen(pull)
    await workspace.settle()
    assert await overlap_events(workspace, "ada") == [about, about]


@ON_SQLITE
async def test_a_successor_is_told_by_the_pull_request_that_was_left(workspace: Workspace) -> None:
    one, two = await workspace.task("One"), await workspace.task("Two")
    ada, bob, cyd = [await workspace.agent(each) for each in ("ada", "bob", "cyd")]
    await claim_and_propose(workspace, ada, one, a="src/a.py")
    # The lease of a task in review does not expire.
    workspace.person.comment(one, "/release")
    await workspace.settle()
    await claim(workspace, bob, two, "src")
    (theirs,) = (await claim(workspace, cyd, one))["overlaps"]
    assert (theirs["holder"], theirs["paths"]) == ("bob", ["src"])
    assert (await overlap_events(workspace, "bob"))[-1]["holder"] == "cyd"


@ON_SQLITE
async def test_what_only_looks_like_a_pattern_in_a_pull_request_is_a_path(
    workspace: Workspace,
) -> None:
    one, two = await workspace.task("One"), await workspace.task("Two")
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    await claim_and_propose(workspace, ada, one, a="app/[id]/page.py")
    assert (await claim(workspace, bob, two, "app/about"))["overlaps"] == []


parts = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=3).map("/".join)


@given(st.lists(parts, max_size=4), st.lists(parts, max_size=8))
@example(["a"], ["ab", "a/b", ""])
@settings(max_examples=examples(50), deadline=None)
def test_paths_meet_where_one_lies_in_the_other(mine: list[str], theirs: list[str]) -> None:
    def lies_in(one: str, other: str) -> bool:
        return other in ("", one) or one.startswith(f"{other}/")

    expected = [b for b in theirs if any(lies_in(a, b) or lies_in(b, a) for a in mine)]
    assert shared_paths(area(paths_from(mine)), paths_from(theirs)) == list(dict.fromkeys(expected))


def test_of_a_pattern_the_part_before_its_first_wildcard_counts() -> None:
    def meet(one: str, *other: str) -> list[str]:
        return shared_paths(area(paths_from([one])), paths_from(other))

    assert meet("src/*.py", "src/a.txt", "docs/*.md", "s") == ["src/a.txt"]
    assert meet("./src/", "src/a.py", "src") == ["src/a.py", "src"]
    assert meet(".", "src", "**") == ["src", "**"]
    assert shared_paths(area([Path("a[1]/x", "a[1]/x")]), paths_from(["a", "a[1]"])) == ["a[1]"]


def test_paths_of_great_depth_are_compared_quickly() -> None:
    """The mirror keeps 1,024 characters of a path, and 3,000 files of a pull request."""
    deep = [f"{'a/' * 509}{n:04}" for n in range(3000)]
    started = time.process_time()
    assert inside([*deep, "docs/x"], ["docs", "src/a.py"]) == ["docs/x"]
    assert shared_paths(area([Path(each, each) for each in deep]), paths_from(deep[:3])) == deep[:3]
    assert time.process_time() - started < 1


async def test_a_card_is_never_longer_than_github_takes(workspace: Workspace) -> None:
    issues = [await workspace.task(f"T{n}") for n in range(11)]
    paths = [f"src/{n}{'x' * 490}" for n in range(10)]
    agents = [await workspace.agent(f"scout-{n}") for n in range(11)]
    for agent, issue in zip(agents, issues, strict=True):
        last = await agent.call("claim_task", task=workspace.name(issue), paths=paths)
    lines, where = "x\n" * 1000, last["task"]["task"]
    for _ in range(3):
        await agent.call("send_message", to="scout-0", body=lines, task=where, visibility="issue")
    told = {"status": "in_progress", "note": lines, "question": lines}
    await agent.call("update_task_status", task=where, fence=last["fence"], **told)
    await workspace.settle()
    (card,) = [each.body for each in issues[-1].comments if "**Hubbub** ·" in each.body]
    assert "waits for an answer" in card


@ON_SQLITE
async def test_of_a_repository_that_left_no_overlap_is_told(workspace: Workspace) -> None:
    one, two = await workspace.task("One"), await workspace.task("Two")
    first, second = await workspace.agent("first"), await workspace.agent("second")
    cursor = (await first.call("wait_for_events", topics=["tasks"]))["cursor"]
    await first.call("claim_task", task=workspace.name(one), paths=["a.py"])
    await second.call("claim_task", task=workspace.name(two), paths=["a.py"])
    told = (await first.call("wait_for_events", topics=["tasks"], cursor=cursor))["events"]
    assert "task.overlap" in [each["kind"] for each in told]
    workspace.github.remove_repositories(workspace.installation, ["acme/rocket"])
    await workspace.settle()
    answer = await first.call("wait_for_events", topics=["tasks"], cursor=cursor)
    assert answer["events"] == []
