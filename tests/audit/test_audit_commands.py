"""`hubbub audit`: its output and exit status. The last seals, in the log and in /metrics."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from bot.audit import seals as names
from bot.background import sealing
from bot.identity.keyring import Keys
from store.audit import records, seals
from store.engine.database import open_store
from store.engine.transaction import Store
from tests.support.command_line import hubbub
from tests.support.server_in_process import Surface
from tests.support.server_process import SECRET, settings

KEYS = Keys(SECRET)


@pytest.fixture
async def opened(sqlite_url: str) -> AsyncIterator[Store]:
    store = await open_store(sqlite_url)
    yield store
    await store.close()


async def sealed(store: Store, installation_id: int, n: int = 3) -> str:
    """The seal of so many new rows, as the log shows it."""
    for k in range(n):
        await store.write(
            lambda tx, k=k: records.append(tx, installation_id, "ada", "claim_task", f"t_{k}")  # type: ignore[misc]
        )
    with structlog.testing.capture_logs() as logs:
        assert await sealing.step(store, KEYS, 0) == 1
    (line,) = logs
    assert (line["event"], line["rows"]) == ("audit sealed", n)
    return str(line["seal"])


async def test_verify_says_that_nothing_was_changed(
    opened: Store, sqlite_url: str, tmp_path: Path
) -> None:
    seal = await sealed(opened, 42)
    await opened.write(lambda tx: records.append(tx, 42, "ada", "claim_task"))
    words = ("audit", "verify", "--expect", seal)
    code, out, err = await hubbub(*words, folder=tmp_path, **settings(sqlite_url))
    assert (code, err) == (0, "")
    assert out == (
        "installation 42: no row was changed. Rows with a seal: 3. "
        f"Newer rows, which have none yet: 1. Last seal: {seal}\n"
    )


async def test_verify_names_the_first_bad_row_of_each_installation(
    opened: Store, sqlite_url: str, tmp_path: Path
) -> None:
    for each in (42, 43, 44):
        await sealed(opened, each)
    q = "UPDATE audit SET actor = 'eve' WHERE installation_id <> 43 AND seq > 1"
    await opened.write(lambda tx: tx.run(q))
    code, out, err = await hubbub("audit", "verify", folder=tmp_path, **settings(sqlite_url))
    assert code == 1
    assert out.startswith("installation 43: no row was changed.")
    changed = "Row 2 was changed: its content does not match its hash."
    assert err == f"hubbub: installation 42: {changed}\nhubbub: installation 44: {changed}\n"
    words = ("audit", "verify", "--installation", "43")
    assert (await hubbub(*words, folder=tmp_path, **settings(sqlite_url)))[0] == 0


async def test_verify_finds_by_the_expected_seal_that_everything_was_deleted(
    opened: Store, sqlite_url: str, tmp_path: Path
) -> None:
    seal = await sealed(opened, 42)
    for table in ("audit", "audit_seals"):
        await opened.write(lambda tx, table=table: tx.run(f"DELETE FROM {table}"))  # type: ignore[misc]
    here = settings(sqlite_url)
    assert (await hubbub("audit", "verify", folder=tmp_path, **here))[:2] == (
        0,
        "The audit log is empty.\n",
    )
    words = ("audit", "verify", "--expect", seal)
    code, _, err = await hubbub(*words, folder=tmp_path, **here)
    assert code == 1
    assert err.startswith("hubbub: installation 42: Seal 1 is missing")


async def test_a_seal_of_another_form_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    words = ("audit", "verify", "--expect", "17")
    code, _, err = await hubbub(*words, folder=tmp_path, **settings(sqlite_url))
    assert code == 2
    assert "installation:number:hash" in err


async def test_export_prints_each_row_as_a_line_of_json(
    opened: Store, sqlite_url: str, tmp_path: Path
) -> None:
    for each in (42, 43):
        await sealed(opened, each)
    here = settings(sqlite_url)
    code, out, _ = await hubbub("audit", "export", folder=tmp_path, **here)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(row["installation_id"], row["subject"]) for row in lines] == [
        (i, f"t_{k}") for i in (42, 43) for k in range(3)
    ]
    assert lines[0]["data"] == {}
    words = ("audit", "export", "--installation", "42", "--since", "2099-01-31")
    assert await hubbub(*words, folder=tmp_path, **here) == (0, "", "")
    wrong = ("audit", "export", "--since", "yesterday")
    assert (await hubbub(*wrong, folder=tmp_path, **here))[0] == 2


async def test_metrics_show_the_last_seal_of_each_installation(sqlite_surface: Surface) -> None:
    store = sqlite_surface.store
    await sealed(store, 42)
    await sealed(store, 42)
    found = (await sqlite_surface.send("GET", "/metrics")).data
    last = await store.read(lambda tx: seals.last(tx, 42))
    assert last is not None
    short = last["hash"][: names.SHORT]
    assert f'hubbub_audit_last_seal{{hash="{short}",installation="42"}} 2.0' in found
    assert 'hubbub_audit_last_seal_age_seconds{installation="42"}' in found
