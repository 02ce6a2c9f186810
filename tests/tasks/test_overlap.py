"""Who touches the same paths: both sides are told, once for each change, and nobody is kept."""

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.mirror import reads
from bot.tasks.path_overlap import Path, area, paths_from, shared_paths
from fixtures.github import Issue, Pull
from store.engine import sql
from store.engine.transaction import Tx
from store.mirror import mirror_rows
from store.mirror.pulls import FILES
from tests.support.story import Agent, Town


async def told(town: Town, holder: str) -> list[dict[str, Any]]:
    """What each event of an overlap told a holder."""
    q = (
        "SELECT data FROM events WHERE installation_id = :i AND kind = 'task.overlap' "
        "AND audience = :holder ORDER BY seq"
    )
    return [json.loads(row["data"]) for row in await town.rows(q, holder=holder)]


async def claimed(town: Town, agent: Agent, issue: Issue, *paths: str) -> dict[str, Any]:
    given_ = {"task": town.name(issue), "lease_s": 3600, "paths": list(paths)}
    return await agent.call("claim_task", **given_)


async def proposed(town: Town, agent: Agent, issue: Issue, **files: str) -> Pull:
    """Claimed without a word of paths, and a pull request of the task that touches these."""
    fence = (await claimed(town, agent, issue))["fence"]
    return await opened(town, agent, issue, fence, **files)


async def opened(town: Town, agent: Agent, issue: Issue, fence: int, **files: str) -> Pull:
    head = f"of-{issue.number}"
    changed: dict[str, str | None] = dict.fromkeys(files.values(), "1\n")
    town.person.push(town.repository, head, changed, base="main")
    given_ = {"task": town.name(issue), "fence": fence, "head": head, "title": "Mend"}
    await agent.call("github_create_pr", **given_)
    await town.settle()
    (pull,) = [each for each in town.repository.pulls.values() if each.head == head]
    return pull


def card(issue: Issue) -> str:
    (found,) = [each.body for each in issue.comments if "**Hubbub** ·" in each.body]
    return found


async def test_a_pull_request_is_its_holders_who_named_no_paths(town: Town) -> None:
    one, two = await town.task("One"), await town.task("Two")
    ada, bob = await town.agent("ada"), await town.agent("bob")
    pull = await proposed(town, ada, one, a="src/a.py")
    (theirs,) = (await claimed(town, bob, two, "src"))["overlaps"]
    assert (theirs["task"], theirs["holder"]) == (town.name(one), "ada")
    assert (theirs["pull_request"], theirs["paths"]) == (pull.number, ["src/a.py"])
    about = {"task": town.name(two), "holder": "bob", "pull_request": None, "paths": ["src/a.py"]}
    assert await told(town, "ada") == [about]
    assert await told(town, "bob") == []  # the answer said it
    await town.time_passes(900)
    assert "`ada` on #1 touches the same paths: `src/a.py`" in card(two)
    assert "`bob` on #2 touches the same paths: `src`" in card(one)


async def test_a_pull_request_after_the_others_claim_is_told_to_both_once(town: Town) -> None:
    one, two = await town.task("One"), await town.task("Two")
    ada, bob = await town.agent("ada"), await town.agent("bob")
    await claimed(town, bob, two, "src/a.py", "docs")
    fence = (await claimed(town, ada, one))["fence"]
    assert (await told(town, "ada"), await told(town, "bob")) == ([], [])
    pull = await opened(town, ada, one, fence, a="src/a.py")
    to_bob = {"task": town.name(one), "holder": "ada", "pull_request": pull.number}
    to_ada = {"task": town.name(two), "holder": "bob", "pull_request": None}
    assert await told(town, "bob") == [to_bob | {"paths": ["src/a.py"]}]
    assert await told(town, "ada") == [to_ada | {"paths": ["src/a.py"]}]
    await town.time_passes(900)
    assert "`ada` on #1 touches the same paths: `src/a.py`" in card(two)
    assert "`bob` on #2 touches the same paths: `src/a.py`" in card(one)
    # Read again, and with a push that changes nothing of it.
    again = reads.thread("pull_files", town.repository.id, pull.number)
    await town.store.write(lambda tx: reads.queue(tx, town.installation.id, again))
    await town.settle()
    town.person.push(town.repository, f"of-{one.number}", {"src/a.py": "2\n", "far.py": "1\n"})
    await town.settle()
    assert (len(await told(town, "ada")), len(await told(town, "bob"))) == (1, 1)
    town.person.push(town.repository, f"of-{one.number}", {"docs/x.md": "1\n"})
    await town.settle()
    assert (await told(town, "bob"))[1:] == [to_bob | {"paths": ["src/a.py", "docs"]}]
    assert (await told(town, "ada"))[1:] == [to_ada | {"paths": ["src/a.py", "docs"]}]


async def test_paths_named_again_tell_only_what_is_new(town: Town) -> None:
    one, two = await town.task("One"), await town.task("Two")
    ada, bob = await town.agent("ada"), await town.agent("bob")
    await claimed(town, ada, one, "src", "docs")
    for _ in range(2):
        assert len((await claimed(town, bob, two, "src/a.py"))["overlaps"]) == 1
    await bob.call("claim_task", task=town.name(two))
    assert [each["paths"] for each in await told(town, "ada")] == [["src"]]
    await claimed(town, bob, two, "src/a.py", "docs")
    assert [each["paths"] for each in await told(town, "ada")] == [["src"], ["src", "docs"]]


async def propose(town: Town, *touched: list[str]) -> None:
    """As many more open pull requests of people, numbered from 1000; each touches some files."""
    (pull,) = await town.rows("SELECT * FROM pull_requests WHERE installation_id = :i")
    here = {"installation_id": town.installation.id, "repository_id": town.repository.id}
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

    await town.store.write(work)


async def test_the_newest_thirty_open_pull_requests_and_300_files_of_each_are_looked_at(
    town: Town,
) -> None:
    issue, agent = await town.task(), await town.agent("ada")
    town.person.push(town.repository, "mend", {"mend.py": "1\n"})
    town.person.open_pull(town.repository, title="Mend", head="mend")
    await town.settle()
    many = [f"src/{n}.py" for n in range(298)]
    await propose(town, ["old.py"], ["a.py"], [*many, "b/1", "b/2", "b/3"], *[["far.py"]] * 28)
    found = (await claimed(town, agent, issue, "old.py", "mend.py", "a.py", "b"))["overlaps"]
    told_of = {each["pull_request"]: each["paths"] for each in found}
    assert told_of == {1002: ["b/1", "b/2"], 1001: ["a.py"]}


async def test_only_a_claim_looks_for_others_and_a_report_does_not(town: Town) -> None:
    one, two = await town.task("One"), await town.task("Two")
    ada, bob = await town.agent("ada"), await town.agent("bob")
    fence = (await claimed(town, ada, one, "src"))["fence"]
    await claimed(town, bob, two, "src/a.py")
    report = {"task": town.name(one), "fence": fence, "status": "in_progress"}
    assert "overlaps" not in await ada.call("update_task_status", **report)
    (theirs,) = (await ada.call("claim_task", task=town.name(one)))["overlaps"]
    assert (theirs["holder"], theirs["paths"]) == ("bob", ["src/a.py"])


async def test_two_pull_requests_of_holders_who_named_no_paths_meet(town: Town) -> None:
    one, two = await town.task("One"), await town.task("Two")
    ada, bob = await town.agent("ada"), await town.agent("bob")
    first = await proposed(town, ada, one, a="src/a.py", b="b.py")
    second = await proposed(town, bob, two, a="src/a.py", c="c.py")
    (to_ada,), (to_bob,) = await told(town, "ada"), await told(town, "bob")
    assert (to_ada["pull_request"], to_ada["paths"]) == (second.number, ["src/a.py"])
    assert (to_bob["pull_request"], to_bob["paths"]) == (first.number, ["src/a.py"])
    await town.time_passes(900)
    assert "touches the same paths" in card(one)
    assert "touches the same paths" in card(two)


async def test_a_pull_request_of_nobody_here_is_told_to_whoever_claimed_before(town: Town) -> None:
    issue = await town.task()
    await claimed(town, await town.agent("ada"), issue, "src")
    town.person.push(town.repository, "mend", {"src/a.py": "1\n"})
    pull = town.person.open_pull(town.repository, title="Mend", head="mend")
    await town.settle()
    about = {"task": None, "holder": None, "pull_request": pull.number, "paths": ["src"]}
    assert await told(town, "ada") == [about]
    await town.time_passes(900)
    assert f"Pull request #{pull.number} touches the same paths: `src/a.py`" in card(issue)
    town.person.close(pull)
    await town.settle()
    town.person.reopen(pull)
    await town.settle()
    assert await told(town, "ada") == [about, about]


async def test_a_successor_is_told_by_the_pull_request_that_was_left(town: Town) -> None:
    one, two = await town.task("One"), await town.task("Two")
    ada, bob, cyd = [await town.agent(each) for each in ("ada", "bob", "cyd")]
    await proposed(town, ada, one, a="src/a.py")
    await town.time_passes(3601)
    await claimed(town, bob, two, "src")
    (theirs,) = (await claimed(town, cyd, one))["overlaps"]
    assert (theirs["holder"], theirs["paths"]) == ("bob", ["src"])
    assert (await told(town, "bob"))[-1]["holder"] == "cyd"


async def test_what_only_looks_like_a_pattern_in_a_pull_request_is_a_path(town: Town) -> None:
    one, two = await town.task("One"), await town.task("Two")
    ada, bob = await town.agent("ada"), await town.agent("bob")
    await proposed(town, ada, one, a="app/[id]/page.py")
    assert (await claimed(town, bob, two, "app/about"))["overlaps"] == []


parts = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=3).map("/".join)


@given(st.lists(parts, max_size=4), st.lists(parts, max_size=8))
@example(["a"], ["ab", "a/b", ""])
@settings(max_examples=200, deadline=None)
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


async def test_a_card_is_never_longer_than_github_takes(town: Town) -> None:
    issues = [await town.task(f"T{n}") for n in range(11)]
    paths = [f"src/{n}{'x' * 490}" for n in range(10)]
    agents = [await town.agent(f"scout-{n}") for n in range(11)]
    for agent, issue in zip(agents, issues, strict=True):
        last = await agent.call("claim_task", task=town.name(issue), paths=paths)
    lines, where = "x\n" * 1000, last["task"]["task"]
    for _ in range(3):
        await agent.call("send_message", to="scout-0", body=lines, task=where, visibility="issue")
    told = {"status": "in_progress", "note": lines, "question": lines}
    await agent.call("update_task_status", task=where, fence=last["fence"], **told)
    await town.settle()
    (card,) = [each.body for each in issues[-1].comments if "**Hubbub** ·" in each.body]
    assert "The holder has a question" in card


async def test_of_a_repository_that_left_no_overlap_is_told(town: Town) -> None:
    one, two = await town.task("One"), await town.task("Two")
    first, second = await town.agent("first"), await town.agent("second")
    cursor = (await first.call("wait_for_events", topics=["tasks"]))["cursor"]
    await first.call("claim_task", task=town.name(one), paths=["a.py"])
    await second.call("claim_task", task=town.name(two), paths=["a.py"])
    told = (await first.call("wait_for_events", topics=["tasks"], cursor=cursor))["events"]
    assert "task.overlap" in [each["kind"] for each in told]
    town.github.remove_repositories(town.installation, ["acme/rocket"])
    await town.settle()
    answer = await first.call("wait_for_events", topics=["tasks"], cursor=cursor)
    assert answer["events"] == []
