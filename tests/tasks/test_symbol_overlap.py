"""Two changes of one file: do they touch the same functions and classes, or different ones?"""

import asyncio
import sys
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.github import patches
from bot.pulls import symbols
from bot.pulls.symbol_cache import SHORT, SymbolCache
from bot.pulls.symbol_overlap import pairs
from bot.pulls.symbols import TOP_LEVEL, Symbol, symbols_in, touched_symbols
from fixtures.github import Issue, Pull
from tests.support.engines import ON_SQLITE
from tests.support.patience import SOON_S
from tests.support.sampling import examples
from tests.support.story import Agent, Workspace
from tests.tasks.test_overlap import card, claim, overlap_events

BASE = """\
import os


class Client:
    def send(self):
        return 1


    def stop(self):
        return 2


def main():
    return 3
"""
SEND, STOP = BASE.replace("return 1", "return 10"), BASE.replace("return 2", "return 20")


async def propose(
    workspace: Workspace, agent: Agent, issue: Issue, path: str, content: str, *gone: str
) -> Pull:
    """A claim without paths, and its pull request, pushed by a person."""
    fence = (await claim(workspace, agent, issue))["fence"]
    head = f"of-{issue.number}"
    changed: dict[str, str | None] = {path: content, **dict.fromkeys(gone)}
    workspace.person.push(workspace.repository, head, changed, base="main")
    here = {"task": workspace.name(issue), "fence": fence}
    await agent.write("github_create_pr", **here, head=head, title=f"Mend {issue.number}")
    await workspace.settle()
    (pull,) = [each for each in workspace.repository.pulls.values() if each.head == head]
    return pull


async def overlaps(agent: Agent, workspace: Workspace, issue: Issue) -> list[dict[str, Any]]:
    found = (await agent.call("get_task", task=workspace.name(issue))).get("overlaps", [])
    return list(found)


def symbols_of(overlap: dict[str, Any]) -> tuple[list[str], list[str]]:
    return overlap.get("same_symbols", []), overlap.get("different_symbols", [])


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (SEND.replace("1", "7"), (["src/api.py: Client.send"], [])),
        (STOP, ([], ["src/api.py"])),
        (BASE.replace("import os", "import re"), ([], ["src/api.py"])),
        ("def (", ([], [])),
    ],
)
async def test_get_task_names_the_symbols_that_both_change(
    workspace: Workspace, theirs: str, expected: tuple[list[str], list[str]]
) -> None:
    workspace.person.push(workspace.repository, "main", {"src/api.py": BASE})
    one, two = await workspace.task("One"), await workspace.task("Two")
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    await propose(workspace, ada, one, "src/api.py", SEND)
    await propose(workspace, bob, two, "src/api.py", theirs)
    (found,) = await overlaps(bob, workspace, two)
    assert found["paths"] == ["src/api.py"]
    assert symbols_of(found) == expected
    (mine,) = await overlaps(ada, workspace, one)
    assert symbols_of(mine) == expected


@ON_SQLITE
async def test_the_card_says_it_too(workspace: Workspace) -> None:
    workspace.person.push(workspace.repository, "main", {"a.py": BASE})
    one, two = await workspace.task("One"), await workspace.task("Two")
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    await propose(workspace, ada, one, "a.py", SEND)
    await propose(workspace, bob, two, "a.py", SEND.replace("10", "11"))
    await workspace.time_passes(900)
    lease = await claim(workspace, bob, two)
    await bob.call(
        "update_task_status",
        task=workspace.name(two),
        fence=lease["fence"],
        status="in_progress",
        progress=50,
    )
    await workspace.time_passes(900)
    assert "touches the same paths: `a.py`. Both change `a.py: Client.send`." in card(two)


@ON_SQLITE
async def test_commits_through_hubbub_are_compared_too_and_told_when_the_lines_are_known(
    workspace: Workspace,
) -> None:
    workspace.person.push(workspace.repository, "main", {"a.py": BASE})
    await workspace.settle()
    for name, content in (("ada", SEND), ("bob", SEND.replace("10", "11"))):
        agent, issue = await workspace.agent(name), await workspace.task(name)
        here = {
            "task": workspace.name(issue),
            "fence": (await claim(workspace, agent, issue))["fence"],
        }
        files = [{"path": "a.py", "content": content}]
        await agent.call("github_commit_files", **here, branch=name, files=files, message="Mend")
        await agent.call("github_create_pr", **here, head=name, title="Mend")
        await workspace.settle()
    told = await overlap_events(workspace, "bob")
    # Once for the paths, and once for the symbols.
    assert [each.get("same_symbols") for each in told] == [None, ["a.py: Client.send"]]


@ON_SQLITE
async def test_a_renamed_file_overlaps_with_an_edit_of_its_old_path(workspace: Workspace) -> None:
    workspace.person.push(workspace.repository, "main", {"old.py": BASE})
    one, two = await workspace.task("One"), await workspace.task("Two")
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    await propose(workspace, ada, one, "new.py", SEND, "old.py")
    await propose(workspace, bob, two, "old.py", STOP)
    (found,) = await overlaps(bob, workspace, two)
    assert found["paths"] == ["old.py"]
    assert found["different_symbols"] == ["old.py"]
    claimed = await claim(workspace, await workspace.agent("eve"), await workspace.task(), "new.py")
    assert [each["paths"] for each in claimed["overlaps"]] == [["new.py"]]


# --- Parsers, as values ---------------------------------------------------------------------------

TYPESCRIPT = """\
export class Client {
  send() { return 1 }
  stop = () => 2
}
const main = async () => {
  return 3
}
namespace Inner { export function deep() {} }
interface Shape { side: number }
"""


def test_python_symbols_have_their_lines() -> None:
    assert symbols_in("a.py", BASE.encode()) == [
        Symbol("Client", 4, 10),
        Symbol("Client.send", 5, 6),
        Symbol("Client.stop", 9, 10),
        Symbol("main", 13, 14),
    ]


@pytest.mark.parametrize("path", ["a.ts", "a.tsx", "a.mts"])
def test_typescript_symbols_have_their_lines(path: str) -> None:
    assert symbols_in(path, TYPESCRIPT.encode()) == [
        Symbol("Client", 1, 4),
        Symbol("Client.send", 2, 2),
        Symbol("main", 5, 7),
        Symbol("Inner", 8, 8),
        Symbol("Inner.deep", 8, 8),
        Symbol("Shape", 9, 9),
    ]


def test_javascript_with_tags_is_read() -> None:
    found = symbols_in("a.js", b"function App() {\n  return <div>{1}</div>\n}\n")
    assert found == [Symbol("App", 1, 3)]


def test_without_the_extra_typescript_has_no_symbols(monkeypatch: pytest.MonkeyPatch) -> None:
    symbols._language.cache_clear()
    monkeypatch.setitem(sys.modules, "tree_sitter_typescript", None)
    assert symbols_in("a.ts", TYPESCRIPT.encode()) is None
    symbols._language.cache_clear()


HOSTILE = {
    "a.py": {
        "brackets": b"(" * 100_000,
        "deep": b"".join(b" " * n + b"if 1:\n" for n in range(90)) + b" " * 90 + b"x",
        "classes": b"".join(b" " * n + b"class A:\n" for n in range(90)) + b" " * 90 + b"x = 1",
        "minus": b"x = " + b"-" * 100_000 + b"1",
        "dots": b"a" + b".a" * 50_000,
        "nul": b"x = 1\0",
        "no UTF-8": b"x = '\xff'",
        "5 MB": b"x = 1\n" * 900_000,
    },
    "a.ts": {
        "brackets": b"(" * 100_000,
        "blocks": b"{" * 60_000 + b"}" * 60_000,
        "classes": b"class A { m() { " * 7000,
        "comparisons or types": b"a<b," * 20_000,
        "no UTF-8": b"class \xff { }",
        "5 MB": b"let x = 1\n" * 500_000,
    },
}


@pytest.mark.parametrize(
    ("path", "content"),
    [(path, content) for path, cases in HOSTILE.items() for content in cases.values()],
    ids=[f"{path} {name}" for path, cases in HOSTILE.items() for name in cases],
)
def test_a_hostile_file_costs_little_and_breaks_nothing(path: str, content: bytes) -> None:
    begin = time.process_time()
    found = symbols_in(path, content)
    assert time.process_time() - begin < 2
    assert found is None or len(found) <= symbols.MOST


def test_a_change_of_two_thousand_symbols_is_compared_quickly() -> None:
    found = [Symbol(f"A{n // 20}.f{n}" if n % 20 else f"A{n // 20}", n, n + 1) for n in range(2000)]
    begin = time.process_time()
    assert len(touched_symbols(found, [(0, 5000)])) == 1900
    assert time.process_time() - begin < 0.5


@settings(max_examples=examples(50), deadline=None)
@given(st.sampled_from(["a.py", "a.ts", "a.tsx", "a.go"]), st.binary(max_size=200))
def test_no_content_raises(path: str, content: bytes) -> None:
    symbols_in(path, content)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([(6, 6)], {"Client.send"}),
        ([(5, 9)], {"Client.send", "Client.stop"}),
        ([(8, 8)], {"Client"}),
        ([(1, 1)], {TOP_LEVEL}),
        ([(1, 1), (14, 14)], {TOP_LEVEL, "main"}),
        ([], set()),
    ],
)
def test_the_innermost_symbols_of_lines_are_touched(
    lines: list[tuple[int, int]], expected: set[str]
) -> None:
    assert touched_symbols(symbols_in("a.py", BASE.encode()) or [], lines) == expected


def test_edits_are_the_changed_lines_alone() -> None:
    patch = "@@ -1,6 +1,6 @@\n a\n-b\n+B\n c\n d\n-e\n f\n@@ -20,2 +19,3 @@\n x\n+y\n z"
    assert patches.edited_ranges(patches.hunks(patch)) == [(1, 2), (4, 4), (20, 20)]


async def test_a_long_file_is_parsed_beside_the_loop_and_found_by_the_next_look() -> None:
    cache = SymbolCache()
    content = BASE.encode() + b"#" * SHORT
    assert cache.get("a.py", "sha", content) is None
    async with asyncio.timeout(SOON_S):
        while not (found := cache.get("a.py", "sha", content)):  # noqa: ASYNC110 - a thread's work
            await asyncio.sleep(0.001)
    assert [each.name for each in found] == ["Client", "Client.send", "Client.stop", "main"]


def test_only_files_with_a_parser_are_compared() -> None:
    def file(path: str, **more: Any) -> Any:
        return {"path": path, "status": "modified", "additions": 1, "deletions": 0, **more}

    mine = [file("a.py"), file("a.go"), file("new.ts", previous="old.ts"), file("b.py")]
    theirs = [file("a.py"), file("a.go"), file("old.ts"), file("b.py", status="removed")]
    found = [(each.mine["path"], each.theirs["path"]) for each in pairs(mine, theirs)]
    assert found == [("a.py", "a.py"), ("new.ts", "old.ts")]
