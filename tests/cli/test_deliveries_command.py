"""`hubbub deliveries` and `hubbub insights`: what GitHub sent, and what to change."""

import json
from pathlib import Path

import pytest

from store.engine.database import open_store
from store.engine.transaction import Tx
from store.inbox import deliveries
from store.inbox.deliveries import Delivery
from tests.support.command_line import hubbub
from tests.support.engines import ON_SQLITE
from tests.support.server_process import settings
from tests.support.story import Workspace

# One delivery of GitHub may be of two installations: each has its row.
TWICE = "2222-of-two"


@pytest.fixture
async def url(sqlite_url: str) -> str:
    """A database with three dead deliveries and one that was not processed yet."""

    async def fill(tx: Tx) -> None:
        rows = [(7, "1111-dead"), (7, TWICE), (8, TWICE), (7, "3333-new")]
        await deliveries.receive(
            tx, [Delivery(i, guid, "issues", "opened", None, b'{"n": 1}') for i, guid in rows]
        )
        await tx.run(
            "UPDATE deliveries SET state = 'dead', attempts = 9, error = 'KeyError' "
            "WHERE installation_id IN (7, 8) AND guid <> '3333-new'"
        )

    store = await open_store(sqlite_url)
    await store.write(fill)
    await store.close()
    return sqlite_url


async def states(url: str) -> list[tuple[int, str, str]]:
    q = "SELECT installation_id, guid, state FROM deliveries ORDER BY installation_id, guid"
    store = await open_store(url)
    found = await store.read(lambda tx: tx.all(q))
    await store.close()
    return [(row["installation_id"], row["guid"], row["state"]) for row in found]


async def run(url: str, folder: Path, *words: str) -> tuple[int, str, str]:
    return await hubbub("deliveries", *words, folder=folder, **settings(url))


async def test_deliveries_are_counted_by_event_and_state(url: str, tmp_path: Path) -> None:
    code, out, _ = await run(url, tmp_path, "list", "--counts", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert {each["state"]: each["n"] for each in found} == {"dead": 3, "received": 1}
    assert {(each["event"], each["action"]) for each in found} == {("issues", "opened")}


async def test_a_table_shows_times_and_nothing_where_nothing_is(url: str, tmp_path: Path) -> None:
    code, out, _ = await run(url, tmp_path, "list", "--state", "received")
    assert code == 0
    assert "3333-new" in out
    assert "None" not in out
    assert "1111-dead" not in out


async def test_one_delivery_is_shown_with_its_payload(url: str, tmp_path: Path) -> None:
    code, out, _ = await run(url, tmp_path, "show", "1111-dead")
    found = json.loads(out)
    assert (code, found["state"], found["payload"]) == (0, "dead", {"n": 1})
    code, _, err = await run(url, tmp_path, "show", "4444-none")
    assert (code, "There is no delivery 4444-none" in err) == (2, True)


async def test_a_dead_delivery_is_replayed_for_each_account_that_has_it(
    url: str, tmp_path: Path
) -> None:
    code, out, _ = await run(url, tmp_path, "replay", TWICE)
    assert (code, out) == (0, "`hubbub serve` will process 2 deliveries again.\n")
    assert await states(url) == [
        (7, "1111-dead", "dead"),
        (7, TWICE, "received"),
        (7, "3333-new", "received"),
        (8, TWICE, "received"),
    ]
    code, out, _ = await run(url, tmp_path, "replay", "--all")
    assert (code, out) == (0, "`hubbub serve` will process 1 delivery again.\n")
    assert {state for _, _, state in await states(url)} == {"received"}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ((), "Pass one GUID or --all."),
        (("1111-dead", "--all"), "Pass one GUID or --all."),
        (("3333-new",), "No dead delivery has the GUID 3333-new"),
        (("4444-none",), "No dead delivery has the GUID 4444-none"),
    ],
)
async def test_a_replay_of_nothing_says_so(
    url: str, tmp_path: Path, words: tuple[str, ...], named: str
) -> None:
    before = await states(url)
    code, out, err = await run(url, tmp_path, "replay", *words)
    assert (code, out, named in err) == (2, "", True)
    assert await states(url) == before


async def test_insights_of_no_account_and_of_an_unknown_one(url: str, tmp_path: Path) -> None:
    given = settings(url)
    assert await hubbub("insights", folder=tmp_path, **given) == (0, "", "")
    code, _, err = await hubbub("insights", "--installation", "none", folder=tmp_path, **given)
    assert (code, "none" in err) == (2, True)
    code, _, err = await hubbub("insights", "--since", "soon", folder=tmp_path, **given)
    assert (code, "--since" in err) == (2, True)


@ON_SQLITE
async def test_insights_are_shown_for_each_account(
    workspace: Workspace, store_url: str, tmp_path: Path
) -> None:
    given = settings(store_url)
    code, out, err = await hubbub("insights", "--since", "7d", folder=tmp_path, **given)
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if line.startswith("acme, since 20")]
    account = ("--installation", str(workspace.installation.id))
    code, out, _ = await hubbub("insights", *account, folder=tmp_path, **given)
    assert (code, out.endswith("no findings\n")) == (0, True)
