"""Deliveries of one repository that only mirror share a transaction, with the same result."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bot.github import webhook_payloads
from bot.identity.keyring import Keys
from bot.inbox import batching, processing, worker
from bot.kernel.operation import Shared
from fixtures.github import SimulatedGitHub
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.engine.transaction import Store
from store.inbox import deliveries
from store.inbox.deliveries import Delivery, DueDelivery
from store.mirror import mirror_rows
from tests.inbox.test_inbox import Counting
from tests.inbox.test_recorded_payloads import recorded_deliveries
from tests.support.story import Clock

KEYS = Keys("k" * 40)
INSTALLATION = 4242
# For each delivery of a batch, on average.
MOST_STATEMENTS = 5


def stored(event: str, body: bytes, nth: int) -> Delivery:
    """As the inbox stores it. The GUIDs are in the order of the deliveries."""
    payload = webhook_payloads.json_of(body)
    return webhook_payloads.delivery(f"guid-{nth:05}", event, body, payload)


async def of_a_story() -> list[Delivery]:
    """What people do in a repository with tasks, in their order."""
    clock = Clock()
    async with SimulatedGitHub(clock) as github:
        github.hold_deliveries()
        rocket = github.repository("acme/rocket")
        github.install("acme", ["acme/rocket"])
        mona = github.person("mona", {"acme/rocket": "admin"})
        labels = [["agent-task"], ["agent-task", "bug"], []]
        opened = [
            mona.open_issue(rocket, f"Mend {n}", "It smokes.", labels=labels[n % 3])
            for n in range(12)
        ]
        for n, issue in enumerate(opened):
            mona.comment(issue, f"I saw it {n} times." if n != 7 else "/priority high")
        mona.block(opened[1], opened[5])
        mona.close(opened[5])
        clock.forward(5)
        for issue in opened[::4]:
            mona.add_label(issue, "agent-task")
            mona.assign(issue, "mona")
            clock.forward(5)
            mona.close(issue)
        sent = list(github.held_deliveries)
    bodies = [{**each.payload, "installation": {"id": INSTALLATION}} for each in sent]
    return [
        stored(each.event, json.dumps(body).encode(), n)
        for n, (each, body) in enumerate(zip(sent, bodies, strict=True))
    ]


async def receive(store: Store, arrived: Iterable[Delivery]) -> None:
    for each in arrived:  # so that they are due in this order
        await store.write(partial(deliveries.receive, arrived=[each]))


async def process_in_batches(store: Store) -> None:
    while due := await store.read(lambda tx: deliveries.due(tx, 1000)):
        for batch in batching.by_repository(due):
            await processing.process(store, KEYS, batch["installation_id"], batch["guids"])


async def process_one_by_one(store: Store) -> None:
    """In the order of the batches."""
    while due := await store.read(lambda tx: deliveries.due(tx, 1000)):
        for batch in batching.by_repository(due):
            for guid in batch["guids"]:
                await processing.process(store, KEYS, batch["installation_id"], [guid])


async def rows(store: Store, q: str) -> list[dict[str, Any]]:
    return await store.read(lambda tx: tx.all(q))


async def everything(store: Store) -> dict[str, Any]:
    """What deliveries leave, without times and with tasks named by their issues.

    The numbers of events differ: each transaction takes one, with or without an event.
    """
    found: dict[str, Any] = {
        table: await store.read(lambda tx, t=table: mirror_rows.content(tx, t, INSTALLATION))  # type: ignore[misc]
        for table in mirror_rows.MIRRORED
    }
    for name, q in {
        "deliveries": "SELECT guid, state, outcome, payload FROM deliveries ORDER BY guid",
        "commands": "SELECT source_id, number, verb, text, state FROM commands ORDER BY source_id",
        "reads": "SELECT kind, subject, arguments, priority FROM pending_reads "
        "ORDER BY kind, subject",
        "search": "SELECT number, row_id, kind, terms, labels, state FROM search_texts "
        "ORDER BY kind, number, row_id",
        "links": "SELECT pull_number, issue_number, how FROM pull_links "
        "ORDER BY pull_number, issue_number",
        "tasks": "SELECT number, title, state, priority FROM tasks ORDER BY number",
        "writes": "SELECT w.kind, w.author, w.arguments FROM writes w ORDER BY w.seq",
        "events": "SELECT e.kind, t.number, e.actor FROM events e "
        "LEFT JOIN tasks t ON t.id = e.subject ORDER BY e.seq",
    }.items():
        found[name] = await rows(store, q)
    return found


@pytest.fixture(params=["sqlite", "mysql"])
def two_urls(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    if request.param == "sqlite":
        urls = [f"sqlite:///{tmp_path}/{n}.db" for n in range(2)]
    else:
        mariadb = request.getfixturevalue("mariadb")
        urls = [mariadb.create() for _ in range(2)]
    for url in urls:
        upgrade(url)
    return urls


async def outcomes(urls: Sequence[str], arrived: Sequence[Delivery]) -> list[dict[str, Any]]:
    """What is left of the deliveries, in batches and one by one."""
    found = []
    for url, process in zip(urls, (process_in_batches, process_one_by_one), strict=True):
        store = await open_store(url, Clock())
        await receive(store, arrived)
        counting = Counting(store)
        await process(counting)
        # A batch that fails is processed one by one, too.
        assert (counting.written < len(arrived)) is (process is process_in_batches)
        found.append(await everything(store))
        await store.close()
    return found


async def test_batches_leave_the_same_rows_in_the_same_order_as_one_by_one(
    two_urls: list[str],
) -> None:
    together, alone = await outcomes(two_urls, await of_a_story())
    assert together == alone
    assert len(together["tasks"]) == 9
    assert {each["state"] for each in together["tasks"]} == {"pending", "completed"}
    assert len(together["commands"]) == 1


async def test_the_recorded_payloads_leave_the_same_rows_in_batches_with_sqlite(
    data: Path, tmp_path: Path
) -> None:
    """On SQLite only: the engine plays no part in what may go together."""
    arrived = [stored(*each, nth) for nth, each in enumerate(recorded_deliveries(data))]
    urls = [f"sqlite:///{tmp_path}/{n}.db" for n in range(2)]
    for url in urls:
        upgrade(url)
    together, alone = await outcomes(urls, arrived)
    assert together == alone
    assert len(together["deliveries"]) == len(arrived)


def issue_delivery(n: int, **changed: Any) -> Delivery:
    at = "2026-01-01T00:00:00Z"
    person = {"login": "octocat", "id": 1, "type": "User"}
    issue = {
        "id": 1000 + n,
        "number": n,
        "title": f"Mend {n}",
        "body": "",
        "user": person,
        "labels": [],
        "state": "open",
        "created_at": at,
        "updated_at": at,
        **changed,
    }
    payload = {
        "action": "opened",
        "installation": {"id": INSTALLATION},
        "repository": {"id": 5, "full_name": "acme/rocket", "owner": person, "updated_at": at},
        "sender": person,
        "issue": issue,
    }
    return stored("issues", json.dumps(payload).encode(), n)


async def step_until_done(store: Store) -> None:
    while await worker.step(store, Shared(KEYS)):
        pass


async def states(store: Store) -> dict[str, tuple[str, int]]:
    found = await rows(store, "SELECT guid, state, attempts FROM deliveries ORDER BY guid")
    return {row["guid"]: (row["state"], row["attempts"]) for row in found}


async def test_a_batch_is_one_transaction_and_a_command_goes_alone(own_url: str) -> None:
    store = await open_store(own_url, Clock())
    arrived = [issue_delivery(n) for n in range(1, 11)]
    arrived[4] = issue_delivery(5, body="/hold")
    await receive(store, arrived)
    counting = Counting(store)
    due = await store.read(lambda tx: deliveries.due(tx, 100))
    (batch,) = batching.by_repository(due)
    await processing.process(counting, KEYS, INSTALLATION, batch["guids"])
    assert counting.written == 3
    assert set((await states(store)).values()) == {("processed", 0)}
    await store.close()


async def test_one_that_fails_leaves_the_others_of_its_batch(own_url: str) -> None:
    """A table is gone, as a bug of ours would have it."""
    store = await open_store(own_url, Clock())
    arrived = [issue_delivery(n) for n in range(1, 6)]
    milestone = {"id": 1, "number": 1, "title": "x", "updated_at": "2026-01-01T00:00:00Z"}
    arrived[2] = issue_delivery(3, milestone=milestone)
    await receive(store, arrived)
    await store.write(lambda tx: tx.run("ALTER TABLE milestones RENAME TO hidden"))
    await step_until_done(store)
    assert await states(store) == {
        each.guid: ("failed", 1) if each is arrived[2] else ("processed", 0) for each in arrived
    }
    assert [row["number"] for row in await rows(store, "SELECT number FROM issues")] == [1, 2, 4, 5]
    await store.write(lambda tx: tx.run("ALTER TABLE hidden RENAME TO milestones"))
    await store.close()


async def test_one_that_is_no_json_leaves_the_others_of_its_batch_with_sqlite(
    tmp_path: Path,
) -> None:
    """On SQLite only: it fails before the database is asked."""
    upgrade(url := f"sqlite:///{tmp_path}/own.db")
    store = await open_store(url, Clock())
    arrived = [issue_delivery(n) for n in range(1, 4)]
    arrived[1] = replace(arrived[1], payload=b"{")
    await receive(store, arrived)
    await step_until_done(store)
    assert [state for state, _ in (await states(store)).values()] == [
        "processed",
        "failed",
        "processed",
    ]
    await store.close()


async def test_twenty_issues_of_one_repository_take_few_statements_with_sqlite(
    tmp_path: Path,
) -> None:
    """On SQLite only, whose connection reports each statement."""
    upgrade(url := f"sqlite:///{tmp_path}/own.db")
    store = await open_store(url, Clock())
    await receive(store, [issue_delivery(n) for n in range(1, 22)])
    await processing.process(store, KEYS, INSTALLATION, ["guid-00001"])
    statements: list[str] = []
    connections: list[sqlite3.Connection] = [store._writer, store._reader]  # type: ignore[attr-defined]
    for each in connections:
        each.set_trace_callback(statements.append)
    guids = [f"guid-{n:05}" for n in range(2, 22)]
    await processing.process(store, KEYS, INSTALLATION, guids)
    # Those of triggers are shown as comments, and after each the first one again.
    shown = [each for each in statements if not each.startswith("--")]
    ours = sum(each != before for before, each in pairwise(["", *shown]))
    assert ours <= MOST_STATEMENTS * len(guids)
    await store.close()


def due_delivery(guid: str, **changed: Any) -> DueDelivery:
    given: DueDelivery = {
        "installation_id": 1,
        "guid": guid,
        "repository_id": 5,
        "state": "received",
        "size": 10_000,
    }
    return {**given, **changed}  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("due", "batches"),
    [
        pytest.param(
            [due_delivery("a"), due_delivery("b", repository_id=6), due_delivery("c")],
            [["a", "c"], ["b"]],
            id="by repository",
        ),
        pytest.param(
            [due_delivery("a"), due_delivery("b", installation_id=2)],
            [["a"], ["b"]],
            id="by installation",
        ),
        pytest.param(
            [due_delivery("a", repository_id=None), due_delivery("b", repository_id=None)],
            [["a"], ["b"]],
            id="without a repository",
        ),
        pytest.param(
            [due_delivery("a"), due_delivery("b", state="failed"), due_delivery("c")],
            [["a", "c"], ["b"]],
            id="one that failed",
        ),
        pytest.param(
            [due_delivery("a", size=batching.MOST_BYTES), due_delivery("b"), due_delivery("c")],
            [["a"], ["b", "c"]],
            id="large ones",
        ),
    ],
)
def test_a_batch_holds_new_deliveries_of_one_repository(
    due: list[DueDelivery], batches: list[list[str]]
) -> None:
    assert [each["guids"] for each in batching.by_repository(due)] == batches
