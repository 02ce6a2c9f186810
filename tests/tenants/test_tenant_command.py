"""`hubbub tenant`: its output, its exit status, and the audit. Each engine runs the same code."""

import json
from pathlib import Path
from typing import Any

from store.engine.database import open_store
from tests.support.command_line import hubbub
from tests.support.server_process import rows, settings

ADD = (
    "INSERT INTO installations (installation_id, account, account_id, account_type, "
    "repository_selection, permissions, version, deleted) VALUES "
    "({i}, '{account}', {i}, 'Organization', 'all', '{{}}', '1', {deleted})"
)


async def run(url: str, folder: Path, *words: str) -> tuple[int, str, str]:
    return await hubbub("tenant", *words, folder=folder, **settings(url))


async def change(url: str, sql: str) -> None:
    store = await open_store(url)
    await store.write(lambda tx: tx.run(sql))
    await store.close()


async def add_account(url: str, i: int, account: str, *, removed: bool = False) -> None:
    await change(url, ADD.format(i=i, account=account, deleted=int(removed)))


async def listed(url: str, folder: Path) -> list[dict[str, Any]]:
    code, out, err = await run(url, folder, "list", "--json")
    assert (code, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


async def test_what_is_set_for_an_account_is_listed_and_audited(
    sqlite_url: str, tmp_path: Path
) -> None:
    await add_account(sqlite_url, 42, "acme")
    await add_account(sqlite_url, 43, "globex", removed=True)
    words = ("set", "ACME", "agents=20", "calls_a_minute=600/2000", "spend.task=3", "name=Acme")
    said = (
        "ACME has of its own: agents=20 calls_a_minute=600/2000 spend.task=3 name=Acme. Every "
        "server knows it within 5 seconds.\n"
    )
    assert await run(sqlite_url, tmp_path, *words) == (0, said, "")
    assert await listed(sqlite_url, tmp_path) == [
        {
            "installation": 42,
            "account": "acme",
            "name": "Acme",
            "color": None,
            "own_quotas": "agents=20, calls_a_minute=600/2000",
            "own_caps": "task=3",
            "state": "active",
        },
        {
            "installation": 43,
            "account": "globex",
            "name": None,
            "color": None,
            "own_quotas": None,
            "own_caps": None,
            "state": "removed",
        },
    ]
    audit = await rows(sqlite_url, "SELECT installation_id, operation, actor FROM audit")
    assert [tuple(each.values()) for each in audit] == [(42, "tenant set", "operator")]


async def test_one_wrong_value_changes_nothing(sqlite_url: str, tmp_path: Path) -> None:
    await add_account(sqlite_url, 42, "acme")
    for words, problem in (
        (("set", "acme", "agents=3", "color=red"), "Nothing was changed: a colour is written"),
        (("set", "acme", "agent=3"), "Nothing was changed: 'agent' is none of"),
        (("set", "nobody", "agents=3"), "knows no installation"),
        (("set", "acme", "agents=3,open_tasks=2"), "others as arguments of their own"),
        (("set", "acme", "spend.tsk="), "'tsk' is no cap on spend"),
        (("usage", "acme", "--month", "november"), "Write the month as 2026-11"),
        (("usage", "acme", "--month", "9999-12"), "Write the month as 2026-11"),
        (("usage", "9" * 30), "knows no installation"),
        (("set", "77", "agents=2"), "knows no installation with the number 77"),
        # What belongs to the whole server, such as its plug-ins and its audit log.
        (("delete", "0", "--yes"), "No account has the number 0"),
    ):
        code, out, err = await run(sqlite_url, tmp_path, *words)
        assert (code, out) == (2, "")
        assert problem in " ".join(err.split())
    assert await rows(sqlite_url, "SELECT * FROM tenants") == []


async def test_what_an_account_may_use_is_shown_with_what_it_has(
    sqlite_url: str, tmp_path: Path
) -> None:
    await add_account(sqlite_url, 42, "acme")
    await run(sqlite_url, tmp_path, "set", "acme", "agents=20", "spend.task=3")
    code, out, _ = await run(sqlite_url, tmp_path, "show", "acme", "--json")
    found = {each.pop("limit"): each for each in map(json.loads, out.splitlines())}
    nothing = {"of_task": None, "of_agent": None, "of_account": None, "in_use": None}
    own, of_all = {"set_for": "this account"}, {"set_for": "all accounts"}
    assert code == 0
    assert found["agents"] == {**nothing, "of_account": 20, "in_use": 0, **own}
    assert found["open_tasks"] == {**nothing, "in_use": 0, **of_all}
    assert found["queued_writes"] == {**nothing, "of_agent": 200, "of_account": 4000, **of_all}
    assert found["spend.task"] == {**nothing, "of_task": "3.00 USD", **own}
    assert found["spend.installation"] == {**nothing, "in_use": "0.00 USD", **of_all}
    code, out, _ = await run(sqlite_url, tmp_path, "show", "acme")
    assert (code, "file_bytes" in out, "hubbub tenant set acme" in out) == (0, True, True)


async def test_usage_of_a_month_has_a_line_for_each_day_and_the_sum(
    sqlite_url: str, tmp_path: Path
) -> None:
    await add_account(sqlite_url, 42, "acme")
    for day, n in ((20_757, 1), (20_758, 3), (20_759, 4), (20_788, 9)):
        q = f"INSERT INTO tenant_counts VALUES (42, {day}, 'calls', {n})"
        await change(sqlite_url, q)
    code, out, _ = await run(sqlite_url, tmp_path, "usage", "acme", "--month", "2026-11", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(each["day"], each["calls"]) for each in found] == [
        ("2026-11-01", 3),
        ("2026-11-02", 4),
        ("total", 7),
    ]
    assert found[-1]["in_use"] == {"agents": 0, "open_tasks": 0, "file_bytes": 0}
    code, out, _ = await run(sqlite_url, tmp_path, "usage", "acme")
    held = "0 registered agents, 0 open tasks, 0 of 17,179,869,184 bytes of files"
    assert out.splitlines()[-1] == f"In use now: {held}."


async def test_an_account_is_deleted_only_when_it_is_gone_and_the_operator_insists(
    sqlite_url: str, tmp_path: Path
) -> None:
    await add_account(sqlite_url, 42, "acme")
    code, _, err = await run(sqlite_url, tmp_path, "delete", "acme", "--yes")
    assert (code, "Uninstall it there first" in " ".join(err.split())) == (2, True)
    await change(sqlite_url, "UPDATE installations SET deleted = 1")
    # By its login too, unless that had several.
    await add_account(sqlite_url, 43, "ACME", removed=True)
    code, _, err = await run(sqlite_url, tmp_path, "delete", "acme", "--yes")
    assert (code, "Pass one of 42, 43" in " ".join(err.split())) == (2, True)
    await change(sqlite_url, "DELETE FROM installations WHERE installation_id = 43")
    code, out, err = await run(sqlite_url, tmp_path, "delete", "acme")
    assert (code, json.loads(out), "pass --yes" in " ".join(err.split())) == (
        2,
        {"installations": 1},
        True,
    )
    code, out, _ = await run(sqlite_url, tmp_path, "delete", "42", "--yes")
    assert (code, out) == (0, "All 1 rows of 42 are deleted. Backups may still have them.\n")
    assert await rows(sqlite_url, "SELECT * FROM installations") == []
