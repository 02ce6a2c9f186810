import json
import random
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.comments import posted_texts
from bot.inbox import worker
from bot.operations.github.snippets import snippet
from fixtures.github import Pull
from store.engine import key_values
from store.engine.database import open_store
from store.engine.migrate import OPTIONAL, engine, run_statement, upgrade
from store.engine.transaction import Row, Store, Tx
from store.fetch import pending_reads
from store.mirror import search_index, search_terms
from store.mirror.search_index import Plan, Way
from store.tables import TABLES
from tests.conftest import MariaDB
from tests.support.engines import ON_SQLITE
from tests.support.plans import plan
from tests.support.sampling import examples
from tests.support.story import Agent, Clock, Workspace, open_workspace


@pytest.fixture
async def own_workspace(
    own_url: str, clock: Clock, openapi: Path | None
) -> AsyncIterator[Workspace]:
    """With a database of its own: the index catches up with the rows of all installations."""
    opened = await open_store(own_url, clock)
    async with open_workspace(opened, clock, openapi) as made:
        yield made
    await opened.close()


def open_pull(workspace: Workspace, title: str, body: str = "") -> Pull:
    workspace.person.push(workspace.repository, "mend", {"engine.py": "1\n"})
    return workspace.person.open_pull(workspace.repository, title=title, head="mend", body=body)


async def reader(workspace: Workspace) -> Agent:
    return await workspace.agent("reader", "observer")


async def search(agent: Agent, query: str, **more: Any) -> list[tuple[str, str]]:
    """Kinds and numbers."""
    answer = await agent.call("github_search", query=query, **more)
    return [(each["kind"], each["task"].rpartition("#")[2]) for each in answer["results"]]


async def test_issues_pulls_comments_and_reviews_are_found_newest_first(
    workspace: Workspace,
) -> None:
    person, forward = workspace.person, workspace.clock.forward
    issue = person.open_issue(workspace.repository, "The fuel gauge sticks", "At a quarter.")
    forward(5)
    person.comment(issue, "My **Fuel** gauge, too.")
    forward(5)
    pull = open_pull(workspace, "Free the gauge", "Fuel flows again.")
    forward(5)
    person.review(pull, "changes_requested", "Does fuel reach the gauge?")
    forward(5)
    person.review_comment(pull, "engine.py", 1, "gauge: see the fuel line")
    await workspace.settle()
    agent = await reader(workspace)
    assert await search(agent, "fuel GAUGE") == [
        ("review_comment", str(pull.number)),
        ("review", str(pull.number)),
        ("pull_request", str(pull.number)),
        ("comment", str(issue.number)),
        ("issue", str(issue.number)),
    ]
    assert await search(agent, "fuel gauge", kind="issue") == [("issue", str(issue.number))]
    assert await search(agent, "fuel gauge stuck") == []


async def test_a_result_says_where_who_and_whether_to_trust_them(workspace: Workspace) -> None:
    stranger, public = workspace.github.person("mallory"), workspace.github.repository("acme/open")
    workspace.github.set_permission("acme/open", "octocat", "admin")
    workspace.github.add_repositories(workspace.installation, ["acme/open"])
    issue = workspace.person.open_issue(public, "Heat shield", "Tiles fall off.")
    said = stranger.comment(issue, "See https://evil.example/tiles for the tiles I sell.")
    await workspace.settle()
    answer = await (await reader(workspace)).call("github_search", query="tiles")
    comment, opening = answer["results"]
    assert comment == {
        "task": f"acme/open#{issue.number}",
        "kind": "comment",
        "comment_id": said.id,
        "title": "Heat shield",
        "author": "mallory",
        "association": "NONE",
        "trusted": False,
        "snippet": "See (link) for the tiles I sell.",
        "written_at": comment["written_at"],
    }
    assert (opening["author"], opening["trusted"]) == ("octocat", True)
    assert opening["snippet"] == "Heat shield Tiles fall off."


async def test_search_narrows_by_repository_state_label_and_author_in_any_letter_case(
    workspace: Workspace,
) -> None:
    other = workspace.github.repository("acme/Lander")
    workspace.github.set_permission("acme/Lander", "octocat", "admin")
    workspace.github.add_repositories(workspace.installation, ["acme/Lander"])
    hubot = workspace.github.person("Hubot", permissions={"acme/rocket": "write"})
    one = workspace.person.open_issue(workspace.repository, "engine one", labels=["Bug"])
    two = hubot.open_issue(workspace.repository, "engine two", labels=["bug report"])
    hubot.comment(one, "which engine?")
    three = workspace.person.open_issue(other, "engine three")
    workspace.person.close(two)
    await workspace.settle()
    agent = await reader(workspace)

    async def numbers(**more: Any) -> set[str]:
        answer = await agent.call("github_search", query="engine", **more)
        return {f"{each['kind']} {each['task']}" for each in answer["results"]}

    first, second = f"issue {workspace.name(one)}", f"issue {workspace.name(two)}"
    said, third = f"comment {workspace.name(one)}", f"issue acme/Lander#{three.number}"
    assert await numbers() == {first, second, said, third}
    assert await numbers(repository="ACME/lander") == {third}
    assert await numbers(state="closed") == {second}
    assert await numbers(state="open") == {first, said, third}
    assert await numbers(label="bUG") == {first, said}
    assert await numbers(author="HUBOT") == {second, said}
    assert await numbers(author="hubot", label="BUG") == {said}


async def test_what_an_agent_had_posted_is_found_by_its_id_without_what_hubbub_put_around_it(
    workspace: Workspace,
) -> None:
    bob, eve = await workspace.agent("bob"), await workspace.agent("eve")
    await bob.call("create_task", repository="acme/rocket", title="Engine", body="It coughs.")
    await workspace.settle()
    said = "<sub>`bob` via Hubbub</sub>\n\nThe engine is fine."
    for agent, body in ((bob, "The engine needs oil."), (eve, said)):
        await agent.call("github_comment_issue", issue="acme/rocket#1", body=body)
    await workspace.settle()
    found = (await eve.call("github_search", query="engine", author="bob"))["results"]
    shown = [(each["kind"], each["author"], each["trusted"], each["snippet"]) for each in found]
    assert shown == [
        ("comment", "bob", True, "The engine needs oil."),
        ("issue", "bob", True, "Engine It coughs."),
    ]
    first = next(iter(workspace.repository.issues.values()))
    oil = next(each for each in first.comments if "oil" in each.body)
    assert [each.get("comment_id") for each in found] == [oil.id, None]
    # The line with the author is no part of what the agent said.
    assert [each["author"] for each in await results(eve, "bob")] == ["eve"]
    assert [each["author"] for each in await results(bob, "engine", author="eve")] == ["eve"]


async def results(agent: Agent, query: str, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await agent.call("github_search", query=query, **more))[
        "results"
    ]
    return found


async def test_texts_that_were_indexed_without_their_agents_are_indexed_again(
    own_workspace: Workspace,
) -> None:
    workspace = own_workspace
    bob = await workspace.agent("bob")
    await bob.call("create_task", repository="acme/rocket", title="Engine")
    await workspace.settle()

    async def as_before(tx: Tx) -> None:
        i = workspace.installation.id
        q = "UPDATE search_texts SET agent_key = '' WHERE installation_id = :i"
        await tx.run(q, i=i)
        await key_values.put(tx, search_index.REACHED, f"issues {i - 1} 0")

    async def catch_up(tx: Tx) -> int:
        return await search_index.catch_up(tx, 100, await posted_texts.reader(tx))

    await workspace.store.write(as_before)
    assert await results(bob, "engine", author="bob") == []
    while await workspace.store.write(catch_up):
        pass
    assert [each["title"] for each in await results(bob, "engine", author="bob")] == ["Engine"]


async def test_a_pull_request_is_found_once_by_its_newest_text(workspace: Workspace) -> None:
    pull = open_pull(workspace, "Add parachutes")
    await workspace.settle()
    workspace.clock.forward(60)
    workspace.person.comment(pull, "Nice.")
    await workspace.settle()
    agent = await reader(workspace)
    assert await search(agent, "parachutes") == [("pull_request", str(pull.number))]


async def test_an_edited_text_is_found_by_its_new_words_only(workspace: Workspace) -> None:
    issue = workspace.person.open_issue(workspace.repository, "Paint it red")
    comment = workspace.person.comment(issue, "crimson please")
    await workspace.settle()
    workspace.clock.forward(60)
    workspace.person.edit_comment(comment, "scarlet please")
    await workspace.settle()
    agent = await reader(workspace)
    assert await search(agent, "crimson") == []
    assert await search(agent, "scarlet") == [("comment", str(issue.number))]


async def test_what_was_deleted_is_not_found(workspace: Workspace) -> None:
    issue = workspace.person.open_issue(workspace.repository, "Ejection seat")
    comment = workspace.person.comment(issue, "ejection is fun")
    kept = workspace.person.comment(issue, "ejection hurts")
    await workspace.settle()
    agent = await reader(workspace)
    workspace.person.delete_comment(comment)
    await workspace.settle()
    assert len(await search(agent, "ejection")) == 2
    workspace.person.delete_issue(issue)
    await workspace.settle()
    assert await search(agent, "ejection") == []
    assert kept.body == "ejection hurts"


async def test_what_a_read_finds_gone_is_not_found(workspace: Workspace) -> None:
    issue = workspace.person.open_issue(workspace.repository, "Ejection seat", "Ejection hurts.")
    await workspace.settle()
    workspace.github.lose_deliveries(1)
    workspace.person.delete_issue(issue)
    here = {"repository_id": workspace.repository.id, "number": issue.number, "which": issue.number}
    await workspace.store.write(
        lambda tx: pending_reads.ask(tx, workspace.installation.id, "issue", "x", here)
    )
    await workspace.settle()
    assert await workspace.rows("SELECT doc FROM search_texts WHERE installation_id = :i") == []
    assert await search(await reader(workspace), "ejection") == []


async def test_a_transferred_issue_is_found_where_it_went_with_its_comments(
    workspace: Workspace,
) -> None:
    other = workspace.github.repository("acme/lander")
    workspace.github.set_permission("acme/lander", "octocat", "admin")
    workspace.github.add_repositories(workspace.installation, ["acme/lander"])
    issue = workspace.person.open_issue(workspace.repository, "Landing gear")
    workspace.person.comment(issue, "The gear is stuck.")
    await workspace.settle()
    moved = workspace.person.transfer_issue(issue, other)
    await workspace.settle()
    answer = await (await reader(workspace)).call("github_search", query="gear")
    where = [(each["kind"], each["task"]) for each in answer["results"]]
    assert sorted(where) == [
        ("comment", f"acme/lander#{moved.number}"),
        ("issue", f"acme/lander#{moved.number}"),
    ]


async def test_search_stays_within_reach(workspace: Workspace) -> None:
    issue = await workspace.task("Secret payload")
    agent = await reader(workspace)
    for actor in (
        Agent(
            workspace.dispatcher,
            type(agent.actor)(workspace.installation.id, "reader", "observer", frozenset()),
        ),
        Agent(workspace.dispatcher, type(agent.actor)(1, "reader", "observer")),
    ):
        assert await search(actor, "payload") == []
    assert await search(agent, "payload") == [("issue", str(issue.number))]
    workspace.github.remove_repositories(workspace.installation, ["acme/rocket"])
    await workspace.settle()
    assert await search(agent, "payload") == []


async def test_search_goes_page_by_page_and_ends(workspace: Workspace) -> None:
    issue = workspace.person.open_issue(workspace.repository, "Countdown")
    for n in range(7):
        workspace.person.comment(issue, f"tick number{n}")
        workspace.clock.forward(n % 2)
    await workspace.settle()
    agent = await reader(workspace)
    snippets, cursor, pages = [], None, 0
    while True:
        page = await agent.call("github_search", query="tick", limit=2, cursor=cursor)
        snippets += [each["snippet"] for each in page["results"]]
        pages, cursor = pages + 1, page["next_cursor"]
        if cursor is None:
            break
    assert snippets == [f"tick number{n}" for n in range(6, -1, -1)]
    assert pages == 4


@pytest.mark.parametrize("query", ["", "a of in", "+-*/ \" ' %", "\U0001f680 \u202e", "\x00", "中"])
@ON_SQLITE
async def test_a_query_without_a_word_is_refused(workspace: Workspace, query: str) -> None:
    refused = await (await reader(workspace)).refusal("github_search", query=query)
    assert (refused.code, "three characters" in refused.message) == ("invalid_arguments", True)


HOSTILE = [
    'fuel" OR "x',
    "fuel*",
    "NEAR(fuel tank, 2)",
    "fuel NOT tank",
    "fuel -tank",
    "+fuel -tank ~x >y <z (a) @8",
    "terms:fuel",
    "fuel'; DROP TABLE search_texts; --",
    "fuel' OR '1'='1",
    "%fuel%",
    "fuel tan_",
    "fuel\x00tank",
    "{fuel tank}: x^2",
    "i_1 OR w_fuel",
    "fuel \\' \\\" \u202etank\u202c \U0001f680",
    "AND OR NOT fuel",
]


@pytest.mark.parametrize("query", HOSTILE)
async def test_a_query_is_words_and_nothing_else(workspace: Workspace, query: str) -> None:
    everything = workspace.person.open_issue(workspace.repository, "Everything", " ".join(HOSTILE))
    workspace.person.open_issue(workspace.repository, "fuel tank", "w_fuel i_1")
    await workspace.settle()
    agent = await reader(workspace)
    found_by = await search(agent, query)
    assert found_by[-1:] == [("issue", str(everything.number))]
    wanted = set(search_terms.words(query))
    assert len(found_by) == 1 + (wanted <= set(search_terms.words("fuel tank w_fuel i_1")))
    assert (
        await workspace.rows("SELECT COUNT(*) AS n FROM search_texts WHERE installation_id = :i")
    )[0] == {"n": 2}


@ON_SQLITE
async def test_too_long_a_query_is_refused(workspace: Workspace) -> None:
    agent = await reader(workspace)
    for query in ("fuel " * 2000, " ".join(f"word{n}" for n in range(50))):
        assert (await agent.refusal("github_search", query=query)).code == "invalid_arguments"
    assert (
        await agent.refusal("github_search", query="fuel", cursor="bm9uc2Vuc2U")
    ).code == "invalid_arguments"


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Crème brûlée", "CREME brulee"),
        ("STRASSE", "straße"),
        ("ﬁle", "file"),
        ("\uff26\uff55\uff4c\uff4c width", "full"),
        ("İstanbul", "istanbul"),
        ("Привет, мир", "ПРИВЕТ"),
        ("नमस्ते दुनिया", "दुनिया"),
        ("发射火箭", "火箭"),
        ("ロケットを打ち上げる", "ロケット"),
        ("한국어입니다", "한국어"),
        ("จรวดขึ้นแล้ว", "จรวด"),
        ("e\u0301tude", "étude"),
        ("soft\u00adhyphen", "softhyphen"),
        ("www.the.com", "the www com"),
        ("see #1234", "1234"),
        ("x" * 500, "X" * 500),
    ],
)
def test_words_are_the_same_in_any_case_and_with_any_accent(text: str, query: str) -> None:
    assert set(search_terms.terms(query)) <= set(search_terms.terms(text))
    assert search_terms.terms(query)


@given(st.text())
def test_a_term_is_plain_to_every_engine(text: str) -> None:
    for each in search_terms.terms(text):
        assert each[:2] in ("w_", "x_", "h_")
        assert each[2:].isascii()
        assert each[2:].isalnum()
        assert 3 <= len(each) <= search_terms.LONGEST


@given(st.text(), st.text(max_size=30))
def test_a_snippet_is_short_and_on_one_line(text: str, query: str) -> None:
    words = search_terms.words(query) or ["word"]
    made = snippet(text, words)
    assert len(made) <= 250
    assert "\n" not in made


def test_a_snippet_shows_the_first_hit() -> None:
    text = "lorem " * 100 + "the café was closed " + "ipsum " * 100
    made = snippet(text, ["cafe"])
    assert "the café was closed" in made
    assert made.startswith("… lorem")
    assert made.endswith(" …")


# --- The same from both engines -------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        "fuel",
        "tank",
        "Tank!",
        "the",
        "com",
        "go",
        "naïve",
        "火箭发射",
        "emoji🚀here",
        "a-b-cde",
        "12",
        "123",
    ]
)
TEXT = st.lists(WORDS, max_size=6).map(" ".join) | st.text(max_size=40)
DOCUMENT = st.tuples(TEXT, st.integers(0, 3))


def comment(installation_id: int, id_: int, number: int, body: str, at: int) -> dict[str, Any]:
    return {
        "installation_id": installation_id,
        "id": id_,
        "repository_id": 7,
        "number": number,
        "body": body,
        "author": "octocat",
        "deleted": 0,
        "created_at": at * 1_000_000,
        "updated_at": at * 1_000_000,
    }


async def fill(store: Store, installation_id: int, documents: list[tuple[str, int]]) -> None:
    async def work(tx: Tx) -> None:
        issue: dict[str, Any] = dict.fromkeys(ISSUE, 0) | {
            "installation_id": installation_id,
            "repository_id": 7,
            "title": "Thread",
            "labels": json.dumps(["bug"]),
            "assignees": "[]",
            "version": "0",
        }
        text = ", ".join(f":{c}" for c in ISSUE)
        for number in range(4):
            row = issue | {"id": number, "number": number, "body": "", "state": "open"}
            row |= {"author": "octocat", "author_association": "NONE"}
            await tx.run(f"INSERT INTO issues ({', '.join(ISSUE)}) VALUES ({text})", **row)
            await search_index.index(tx, "issues", row)
        await tx.run(
            "INSERT INTO repositories (installation_id, id, full_name, full_name_key, private, "
            "archived, default_branch, version) VALUES (:i, 7, 'a/b', 'a/b', 0, 0, 'main', '0')",
            i=installation_id,
        )
        for n, (body, second) in enumerate(documents):
            row = comment(installation_id, n + 1, n % 4, body, second)
            await search_index.index(tx, "comments", row)

    await store.write(work)


ISSUE = TABLES["issues"].names


async def ids(store: Store, installation_id: int, query: list[str], plan: Plan | None) -> list[Any]:
    """Of all pages."""
    found: list[Any] = []
    before: int | None = None
    while True:
        asked = search_index.Query(query, before=before)
        work = partial(
            search_index.find, installation_id=installation_id, query=asked, limit=3, plan=plan
        )
        rows, before = await store.read(work)
        found += [(row["kind"], row["number"], row["row_id"]) for row in rows]
        if before is None:
            return found


# As they are; such that each page takes several rounds; the index alone; no index.
PLANS_ON_SQLITE: tuple[Plan | None, ...] = (None, (("fts5", 2),) * 2)
PLANS_ON_MYSQL: tuple[Plan | None, ...] = (
    None,
    (("plain", 1), ("fulltext", 0)),
    (("fulltext", 0),),
    (("plain", 2),) * 2,
)


@pytest.fixture
def sqlite_file(migrated_sqlite_file: Path, tmp_path: Path) -> Path:
    path = tmp_path / "search.db"
    path.write_bytes(migrated_sqlite_file.read_bytes())
    return path


@settings(max_examples=examples(15), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_sqlite_mysql_and_plain_matching_find_the_same(
    migrated_mysql_url: str, sqlite_file: Path, installation_id: int, data: st.DataObject
) -> None:
    documents = data.draw(st.lists(DOCUMENT, max_size=12))
    queries = data.draw(st.lists(TEXT, min_size=1, max_size=5))
    mysql = await open_store(migrated_mysql_url)
    sqlite = await open_store(f"sqlite:///{sqlite_file}")
    try:
        for store in (mysql, sqlite):
            await drop(store, installation_id)
            await fill(store, installation_id, documents)
        for query in filter(None, map(search_terms.terms, queries)):
            expected = [
                ("comment", n % 4, n + 1)
                for n, (body, second) in sorted(
                    enumerate(documents), key=lambda each: (-each[1][1], -each[0])
                )
                if set(query) <= set(search_terms.terms(body))
            ]
            for store in (mysql, sqlite):
                for way in PLANS_ON_SQLITE if store is sqlite else PLANS_ON_MYSQL:
                    assert await ids(store, installation_id, query, way) == expected
    finally:
        await mysql.close()
        await sqlite.close()


async def drop(store: Store, installation_id: int) -> None:
    async def work(tx: Tx) -> None:
        for table in ("issues", "repositories", "search_texts"):
            await tx.run(f"DELETE FROM {table} WHERE installation_id = :i", i=installation_id)

    await store.write(work)


# --- The index -----------------------------------------------------------------------------------

INDEX = (
    "SELECT kind, repository_id, number, row_id, author_key, state, labels, terms "
    "FROM search_texts WHERE installation_id = :i ORDER BY kind, number, row_id"
)


async def forget_the_index(workspace: Workspace) -> None:
    async def work(tx: Tx) -> None:
        i = workspace.installation.id
        await tx.run("DELETE FROM search_texts WHERE installation_id = :i", i=i)
        # Where the rows of this workspace begin.
        await key_values.put(tx, search_index.REACHED, f"issues {i - 1} 0")

    await workspace.store.write(work)


async def test_a_mirror_that_is_older_than_the_index_is_indexed_in_batches(
    own_workspace: Workspace,
) -> None:
    workspace = own_workspace
    pull = open_pull(workspace, "Mend the engine", "It coughs.")
    workspace.person.review(pull, "approved", "Runs smoothly.")
    workspace.person.review_comment(pull, "engine.py", 1, "Why one?")
    for n in range(5):
        issue = workspace.person.open_issue(workspace.repository, f"Engine {n}")
        workspace.person.comment(issue, "Mine as well.")
        workspace.person.delete_comment(workspace.person.comment(issue, "Never mind."))
    await workspace.settle()
    before = await workspace.rows(INDEX)
    await forget_the_index(workspace)
    steps = 0
    while await workspace.store.write(lambda tx: search_index.catch_up(tx, 3)):
        steps += 1
    assert steps > 5
    assert await workspace.rows(INDEX) == before
    assert len(before) == 3 + 10


@pytest.mark.parametrize("seed", range(examples(1)))
async def test_in_whatever_order_deliveries_come_the_index_is_that_of_the_mirror(
    own_workspace: Workspace, seed: int
) -> None:
    workspace = own_workspace
    pull = open_pull(workspace, "Mend the engine", "It coughs.")
    await workspace.settle()
    workspace.github.hold_deliveries()
    workspace.person.review(pull, "approved", "Runs smoothly.")
    issue = workspace.person.open_issue(workspace.repository, "Engine", labels=["bug"])
    comment = workspace.person.comment(issue, "Mine as well.")
    workspace.clock.forward(5)
    workspace.person.edit_comment(comment, "Not mine.")
    workspace.person.close(issue)
    workspace.person.comment(pull, "Good.")
    workspace.person.delete_comment(workspace.person.comment(issue, "Never mind."))
    held = list(workspace.github.held_deliveries)
    random.Random(seed).shuffle(held)  # noqa: S311 - an order, not a secret
    for each in held:
        await workspace.github.post(each)
        await worker.step(workspace.store, workspace.dispatcher.shared)
    workspace.github.release_deliveries()
    await workspace.settle()
    before = await workspace.rows(INDEX)
    assert len(before) == 5
    await forget_the_index(workspace)
    while await workspace.store.write(lambda tx: search_index.catch_up(tx, 100)):
        pass
    assert await workspace.rows(INDEX) == before


async def test_a_transaction_that_fails_leaves_the_index_as_the_mirror(
    workspace: Workspace,
) -> None:
    await workspace.task("Before")

    async def work(tx: Tx) -> None:
        (row,) = await tx.all(
            "SELECT * FROM issues WHERE installation_id = :i", i=workspace.installation.id
        )
        await search_index.index(tx, "issues", row | {"title": "After"})
        await tx.run(
            "DELETE FROM search_texts WHERE installation_id = :i", i=workspace.installation.id
        )
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await workspace.store.write(work)
    assert len(await search(await reader(workspace), "before")) == 1


async def test_a_purged_installation_leaves_no_words_on_sqlite(sqlite_file: Path) -> None:
    store = await open_store(f"sqlite:///{sqlite_file}")
    await fill(store, 5, [("fuel tank", 1), ("fuel", 2)])
    await drop(store, 5)
    q = "SELECT rowid FROM search_words WHERE search_words MATCH 'w_fuel OR i_5'"
    assert await store.read(lambda tx: tx.all(q)) == []
    await store.close()


async def test_a_server_without_fulltext_migrates_and_finds_the_same_on_mysql(
    mariadb: MariaDB, installation_id: int
) -> None:
    url = mariadb.create()
    upgrade(url)
    store = await open_store(url)
    await fill(store, installation_id, [("fuel tank", 1), ("fuel", 2), ("tank", 3)])
    query = search_terms.terms("FUEL tank")
    there = await found_by_default(store, installation_id, query)
    await store.write(lambda tx: tx.run("DROP INDEX ft_search_texts ON search_texts"))
    assert await found_by_default(store, installation_id, query) == there == [("comment", 0, 1)]
    await store.close()


async def test_words_that_most_texts_have_are_found_all_the_same(
    store: Store, installation_id: int
) -> None:
    await fill(store, installation_id, [("fuel tank", 5)] * 40 + [("fuel", 9)])
    there = await ids(store, installation_id, search_terms.terms("fuel tank"), None)
    assert [row_id for _, _, row_id in there] == list(range(40, 0, -1))


async def found_by_default(store: Store, installation_id: int, query: list[str]) -> list[Any]:
    asked = search_index.Query(query)
    rows, _ = await store.read(lambda tx: search_index.find(tx, installation_id, asked, 10))
    return [(row["kind"], row["number"], row["row_id"]) for row in rows]


def test_what_a_server_cannot_do_is_left_out_of_its_schema(tmp_path: Path) -> None:
    made = engine(f"sqlite:///{tmp_path / 'any.db'}")
    with made.begin() as connection:
        run_statement(connection, OPTIONAL + "CREATE FULLTEXT INDEX x ON y (z)")
        with pytest.raises(sa.exc.OperationalError):
            run_statement(connection, "CREATE FULLTEXT INDEX x ON y (z)")
    made.dispose()


@pytest.mark.parametrize("narrowed", [{}, {"state": "open", "label": "x", "repository_id": 7}])
async def test_search_reads_an_index_in_its_order_and_sorts_nothing_on_sqlite(
    sqlite_file: Path, narrowed: dict[str, Any]
) -> None:
    store = await open_store(f"sqlite:///{sqlite_file}")
    steps = await explain(store, "fts5", search_index.Query(["w_fuel"], **narrowed))
    told = [step["detail"] for step in steps]
    assert told[0].startswith("SCAN search_words VIRTUAL TABLE INDEX ")
    assert [each for each in told[1:] if "SCAN " in each or "TEMP" in each] == []
    await store.close()


@pytest.mark.parametrize("way", ["fulltext", "plain"])
async def test_search_scans_no_table_on_mysql(
    migrated_mysql_url: str, installation_id: int, way: Way
) -> None:
    store = await open_store(migrated_mysql_url)
    await fill(store, installation_id, [(f"fuel {n}", n) for n in range(50)])
    steps = await explain(store, way, search_index.Query(["w_fuel"]), installation_id)
    by_table = {step["table"]: (step["type"], step["key"]) for step in steps}
    first = {"fulltext": ("fulltext", "ft_search_texts"), "plain": ("range", "PRIMARY")}
    assert by_table["s"] == first[way]
    assert by_table["t"] == ("ref", "ix_search_texts_number")
    await store.close()


async def explain(store: Store, way: Way, query: search_index.Query, i: int = 1) -> list[Row]:
    sql = search_index._page(query, way)
    words = search_index._words(i, query, way)
    given = {"i": i, "before": search_index.LAST, "floor": 0, "n": 9, **words}
    return await store.read(lambda tx: plan(tx, sql, **given, **search_index._filters(query)))
