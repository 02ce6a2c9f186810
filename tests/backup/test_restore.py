"""A backup is restored into either engine, and nothing from before it becomes valid again."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.backup import content, restoration
from bot.backup.verification import UnusableBackup
from bot.identity import keyring
from bot.settings import WrongSettings
from store.backup import target
from store.backup.contents import CONTENTS, Nothing, in_backup
from store.backup.epochs import GAP
from store.engine import migrate, schema_version
from store.engine.database import open_store
from store.engine.transaction import Store, Tx
from store.tables import TABLES
from tests.conftest import sqlite_copy
from tests.fetch.test_repair import repair_of, run_repair, whole
from tests.support.api_keys import add_api_key
from tests.support.restored import back_up, going_on, restore
from tests.support.story import Agent, Clock, Workspace


class Killed(Exception):
    """In place of a SIGKILL."""


PASSPHRASE = b"correct horse battery staple"


@pytest.fixture
async def store(own_url: str, clock: Clock) -> AsyncIterator[Store]:
    """A database of its own: a backup is of all that it has."""
    opened = await open_store(own_url, clock)
    yield opened
    await opened.close()


@pytest.fixture
def other_url(own_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of the other engine with the schema and no rows."""
    if own_url.startswith("sqlite"):
        migrated = request.getfixturevalue("migrated_mysql")
        return str(request.getfixturevalue("mariadb").copy(migrated))
    return sqlite_copy(request.getfixturevalue("migrated_sqlite_file"), tmp_path / "other.db")


async def rows_of(url: str, clock: Clock) -> dict[str, list[dict[str, Any]]]:
    """All rows that a backup has, by table, in the order of their keys."""
    opened = await open_store(url, clock)

    async def work(tx: Tx) -> dict[str, list[dict[str, Any]]]:
        return {
            table.name: await tx.all(
                f"SELECT * FROM {table.name} WHERE {where} ORDER BY {', '.join(table.key)}"
            )
            for table, where in in_backup(code=False)
        }

    try:
        return await opened.read(work)
    finally:
        await opened.close()


async def work_before(workspace: Workspace) -> tuple[Agent, Agent, dict[str, Any], str]:
    """Two agents with all that a backup must keep: the claim of the first, and a context's id."""
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    issue = await workspace.task("Mend the pump")
    claim = await ada.call("claim_task", task=workspace.name(issue))
    context = (await ada.call("create_context", name="plan", content=["draw"]))["context"]["id"]
    await ada.call("send_message", to="bob", body="The plan is there")
    await ada.call("update_agent", checkpoint={"at": "the first line"})
    await workspace.settle()
    return ada, bob, claim, context


def test_the_contents_of_a_backup_name_every_table() -> None:
    """A new table must be in `store.backup.contents`, and in the page about backups."""
    assert sorted(CONTENTS.keys() ^ TABLES.keys()) == [], "see store/backup/contents.py"
    page = Path("docs/how-to/back-up-and-restore.md").read_text()
    for name, kept in CONTENTS.items():
        state = {"Whole": "all rows", "Part": "a part", "Nothing": "no"}[type(kept).__name__]
        assert f"| `{name}` | {state} |" in page


async def test_the_other_engine_has_the_same_rows_before_the_new_epoch(
    workspace: Workspace, own_url: str, other_url: str, tmp_path: Path, clock: Clock
) -> None:
    ada, bob, claim, context = await work_before(workspace)
    await workspace.store.write(
        lambda tx: add_api_key(
            tx, workspace.dispatcher.shared.keys, workspace.installation.id, "ada", "developer"
        )
    )
    path = tmp_path / "first.backup"
    made = await back_up(workspace, own_url, path, PASSPHRASE)
    assert path.stat().st_mode & 0o777 == 0o600
    before = await rows_of(own_url, clock)
    assert {name: each.rows for name, each in made.manifest.tables.items()} == {
        name: len(rows) for name, rows in before.items()
    }
    assert made.manifest.heads == {
        str(row["installation_id"]): row["seq"] for row in before["heads"]
    }

    # What happens after the backup is lost with the database: ada finishes, bob takes over.
    await ada.call("update_context", context_id=context, content=["dig"], expected_version=1)
    await ada.call("release_task", task=claim["task"]["id"], fence=claim["fence"])
    late = await bob.call("claim_task", task=claim["task"]["id"])
    place = await bob.call("wait_for_events", topics=["tasks"])
    await workspace.settle()

    done = await restore(workspace, other_url, path, PASSPHRASE)
    assert done.done["leases"] == 1
    after = await rows_of(other_url, clock)
    changed = {name for name, rows in before.items() if after[name][: len(rows)] != rows}
    assert changed <= {
        *("heads", "tasks", "leases", "contexts", "writes", "board_syncs", "facts", "events"),
        *("allowances", "pending_reads", "backfills", "context_versions", "audit", "agents"),
        *("head_checks", "notices", "receipts"),
    }
    assert after["messages"] == before["messages"]
    assert after["credentials"] == [
        row for row in before["credentials"] if row["kind"] == "api_key"
    ]

    async with going_on(workspace, other_url):
        ada, bob = (Agent(workspace.dispatcher, each.actor) for each in (ada, bob))
        # Neither the fence of the backup nor the one given after it is valid, or given again.
        for agent, fence in ((ada, claim["fence"]), (bob, late["fence"])):
            refused = await agent.refusal(
                "update_task_status", task=claim["task"]["id"], status="completed", fence=fence
            )
            assert refused.code == "stale_fence"
        again = await bob.call("claim_task", task=claim["task"]["id"])
        assert again["fence"] > late["fence"] + GAP
        # A cursor from after the backup: the agent hears that it missed something.
        news = await bob.call("wait_for_events", topics=["tasks"], cursor=place["cursor"])
        assert news["missed"]
        assert news["cursor"] != place["cursor"]
        # The version that ada made after the backup is not that of somebody else's content.
        refused = await ada.refusal(
            "update_context", context_id=context, content=["fill"], expected_version=2
        )
        assert refused.code == "version_conflict"
        found = await ada.call("get_context", context_id=context)
        assert (found["content"], found["context"]["version"] > 100) == (["draw"], True)
        assert (await ada.call("get_agent", agent_id="ada"))["checkpoint"]["state"] == {
            "at": "the first line"
        }
        await run_repair(workspace, repair_of(workspace))
        await workspace.settle()
        assert await whole(workspace)


async def test_a_task_whose_claim_is_lost_gets_no_fence_of_before_again(
    workspace: Workspace, own_url: str, other_url: str, tmp_path: Path
) -> None:
    """One task of the backup was claimed only afterwards, and one was made only afterwards."""
    bob = await workspace.agent("bob")
    known = await workspace.task("In the backup, never claimed")
    await back_up(workspace, own_url, tmp_path / "early.backup")
    lost = await workspace.task("Not in the backup")
    old = {
        each.number: (await bob.call("claim_task", task=workspace.name(each)))["fence"]
        for each in (known, lost)
    }
    await workspace.settle()
    await restore(workspace, other_url, tmp_path / "early.backup")
    async with going_on(workspace, other_url):
        bob = Agent(workspace.dispatcher, bob.actor)
        await run_repair(workspace, repair_of(workspace))
        await workspace.settle()
        # Nobody claimed them. So no bot posts a card on them, and their creator may cancel them.
        rows = await workspace.rows("SELECT fence FROM tasks WHERE installation_id = :i")
        assert [row["fence"] for row in rows] == [0, 0]
        for each in (known, lost):
            claim = await bob.call("claim_task", task=workspace.name(each))
            assert claim["fence"] > old[each.number] + GAP
            refused = await bob.refusal(
                "update_task_status",
                task=workspace.name(each),
                status="completed",
                fence=old[each.number],
            )
            assert refused.code == "stale_fence"


async def test_a_write_that_was_sent_after_the_backup_is_not_sent_again(
    workspace: Workspace, own_url: str, other_url: str, tmp_path: Path
) -> None:
    ada = await workspace.agent("ada")
    issue = await workspace.task()
    for body in ("Sent after the backup", "Still queued at the end"):
        await ada.call("github_comment_issue", issue=workspace.name(issue), body=body)
    await back_up(workspace, own_url, tmp_path / "queued.backup")
    comments = [each.body for each in issue.comments]
    while not any("Sent after" in each.body for each in issue.comments):
        wait = await workspace.sender.step(workspace.installation.id)
        workspace.clock.forward(wait or 0)
    assert len(issue.comments) == len(comments) + 1
    await restore(workspace, other_url, tmp_path / "queued.backup")
    async with going_on(workspace, other_url):
        states = await workspace.rows(
            "SELECT state, COUNT(*) AS n FROM writes WHERE installation_id = :i "
            "AND kind = 'comment' GROUP BY state"
        )
        assert states == [{"state": "unknown", "n": 2}]
        await workspace.settle()
        for body in ("Sent after", "Still queued"):
            assert sum(body in each.body for each in issue.comments) == 1
        states = await workspace.rows(
            "SELECT DISTINCT state FROM writes WHERE installation_id = :i AND kind = 'comment'"
        )
        assert states == [{"state": "sent"}]


async def test_a_person_keeps_the_task_that_agents_lose(
    workspace: Workspace, own_url: str, other_url: str, tmp_path: Path
) -> None:
    issue = await workspace.task()
    workspace.person.comment(issue, "/claim")
    await workspace.settle()
    await back_up(workspace, own_url, tmp_path / "person.backup")
    await restore(workspace, other_url, tmp_path / "person.backup")
    async with going_on(workspace, other_url):
        rows = await workspace.rows(
            "SELECT t.holder, t.fence = l.fence AS same FROM tasks t JOIN leases l "
            "ON l.installation_id = t.installation_id AND l.id = t.lease_id "
            "WHERE t.installation_id = :i"
        )
        assert rows == [{"holder": "@octocat", "same": 1}]


async def test_a_database_is_restored_only_where_nothing_is_lost_by_it(
    workspace: Workspace, own_url: str, other_url: str, tmp_path: Path
) -> None:
    await work_before(workspace)
    path = tmp_path / "here.backup"
    await back_up(workspace, own_url, path)
    with pytest.raises(WrongSettings, match=r"key id .* Set HUBBUB_SECRET_KEY to it"):
        await restore(workspace, other_url, path, secret_key="another secret of forty characters")
    await restore(workspace, other_url, path)

    async def serve(tx: Tx) -> None:
        q = "INSERT INTO senders (installation_id, holder, lease_until) VALUES (0, 'me', :until)"
        await tx.run(q, until=await tx.now() + 30_000_000)

    store = await open_store(other_url, workspace.clock)
    await keyring.check(store, workspace.dispatcher.shared.keys)
    with pytest.raises(WrongSettings, match=r"is not empty.*--replace"):
        await restore(workspace, other_url, path)
    await store.write(serve)
    with pytest.raises(WrongSettings, match=r"A server uses this database.* ends in 30 s"):
        await restore(workspace, other_url, path, replaces=True)
    await store.close()


async def test_a_restore_that_was_killed_continues_and_no_server_starts_meanwhile(
    workspace: Workspace,
    own_url: str,
    other_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await work_before(workspace)
    path = tmp_path / "killed.backup"
    made = await back_up(workspace, own_url, path)
    monkeypatch.setattr(content, "BATCH", 3)
    insert, batches = target.insert_rows, 0

    async def dying(tx: Tx, **given: Any) -> None:
        nonlocal batches
        batches += 1
        if batches == 12:
            raise Killed
        await insert(tx, **given)

    for _ in range(2):
        batches = 0
        monkeypatch.setattr(target, "insert_rows", dying)
        with pytest.raises(Killed):
            await restore(workspace, other_url, path)
        store = await open_store(other_url, workspace.clock)
        with pytest.raises(WrongSettings, match="a restore was interrupted"):
            await keyring.check(store, workspace.dispatcher.shared.keys)
        await store.close()
    other = tmp_path / "another.backup"
    await back_up(workspace, own_url, other)
    with pytest.raises(WrongSettings, match="a restore of another backup that was interrupted"):
        await restore(workspace, other_url, other)
    monkeypatch.setattr(target, "insert_rows", insert)
    await restore(workspace, other_url, path)
    after = await rows_of(other_url, workspace.clock)
    for name in ("messages", "credentials", "comments", "deliveries", "issues"):
        assert len(after[name]) == made.manifest.tables[name].rows
    store = await open_store(other_url, workspace.clock)
    await keyring.check(store, workspace.dispatcher.shared.keys)
    await store.close()


async def test_a_restore_that_was_killed_after_the_last_row_inserts_none_again(
    workspace: Workspace,
    own_url: str,
    other_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The schema may be newer than the backup by then, and have other columns."""
    await work_before(workspace)
    path = tmp_path / "loaded.backup"
    await back_up(workspace, own_url, path)

    async def dying(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(restoration, "_begin_epoch", dying)
        with pytest.raises(Killed):
            await restore(workspace, other_url, path)
    with monkeypatch.context() as patch:
        patch.setattr(target, "insert_rows", dying)
        patch.setattr(target, "columns_of", dying)
        assert (await restore(workspace, other_url, path)).done["leases"] == 1


async def test_a_restore_that_was_killed_while_it_emptied_the_database_goes_on(
    workspace: Workspace,
    own_url: str,
    other_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await work_before(workspace)
    path = tmp_path / "replaced.backup"
    made = await back_up(workspace, own_url, path)
    await restore(workspace, other_url, path)
    drop = migrate.drop

    def dying(url: str, tables: list[str]) -> None:
        drop(url, [each for each in tables if each not in ("facts", "alembic_version")])
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(migrate, "drop", dying)
        with pytest.raises(Killed):
            await restore(workspace, other_url, path, replaces=True)
    store = await open_store(other_url, workspace.clock)
    with pytest.raises(WrongSettings, match="a restore was interrupted"):
        await keyring.check(store, workspace.dispatcher.shared.keys)
    await store.close()
    await restore(workspace, other_url, path)
    after = await rows_of(other_url, workspace.clock)
    assert len(after["messages"]) == made.manifest.tables["messages"].rows


async def test_a_backup_of_a_newer_schema_is_refused(
    workspace: Workspace, own_url: str, other_url: str, tmp_path: Path
) -> None:
    async def upgrade(tx: Tx) -> None:
        await tx.run("UPDATE alembic_version SET version_num = '9999'")

    path = tmp_path / "newer.backup"
    await keyring.check(workspace.store, workspace.dispatcher.shared.keys)
    await workspace.store.write(upgrade)
    with pytest.MonkeyPatch.context() as newer:
        newer.setattr(schema_version, "newest", lambda: "9999")
        await back_up(workspace, own_url, path)
    with pytest.raises(UnusableBackup, match="schema 9999, and this version of Hubbub knows no"):
        await restore(workspace, other_url, path)


def test_code_is_in_a_backup_only_if_asked_for() -> None:
    with_code = {table.name for table, _ in in_backup(code=True)}
    without = {table.name for table, _ in in_backup(code=False)}
    assert with_code - without == {"code_objects"}
    assert {name for name, each in CONTENTS.items() if isinstance(each, Nothing)} == {
        *("search_texts", "permissions", "code_objects", "senders", "flag_counts", "tool_cache")
    }
