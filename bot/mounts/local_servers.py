"""The servers of the operator's file, as tool servers of the accounts that it names."""

from collections.abc import Mapping
from functools import partial

from bot.identity.keyring import Keys
from bot.kernel import tool_lists
from bot.tool_servers.credentials import Credential, seal
from bot.tool_servers.operator_file import Process
from store.engine import ids
from store.engine.transaction import Store, Tx
from store.mirror import stored_installations
from store.mounts import mount_log, mounts, tool_lookup
from store.tables.mounts import MountRow

OPERATOR = "the operator's file"


async def follow(store: Store, keys: Keys, servers: Mapping[str, Process]) -> None:
    """Add, change and remove tool servers so that they are those of the file."""
    for each in await store.read(stored_installations.present_installations):
        await store.write(
            partial(_follow, installation_id=each, keys=keys, servers=servers),
        )


async def _follow(tx: Tx, installation_id: int, keys: Keys, servers: Mapping[str, Process]) -> None:
    known = await stored_installations.installation(tx, installation_id)
    account = known["account"].casefold() if known else ""
    wanted = {
        name: each
        for name, each in servers.items()
        if account in {login.casefold() for login in each.accounts}
    }
    rows = {row["name"]: row for row in await mounts.all_of(tx, installation_id)}
    for name, row in rows.items():
        if row["kind"] == "stdio" and name not in wanted:
            if await tool_lookup.has_pinned(tx, installation_id, row["id"]):
                await tool_lists.note_change(tx, installation_id, OPERATOR)
            await mounts.remove(tx, installation_id, row["id"])
    for name, process in wanted.items():
        row_of = rows.get(name)
        if row_of is None:
            await mounts.add(tx, await _new(tx, installation_id, keys, name, process))
        elif row_of["kind"] == "stdio" and row_of["options"].get("digest") != process.digest:
            await _change(tx, row_of, process)


async def _new(tx: Tx, installation_id: int, keys: Keys, name: str, process: Process) -> MountRow:
    now = await tx.now()
    server_id = ids.new("h", now)
    return {
        "installation_id": installation_id,
        "id": server_id,
        "name": name,
        "kind": "stdio",
        "url": "",
        "sealed": seal(keys, installation_id, server_id, Credential()),
        "options": {"server": name, "digest": process.digest},
        "document": None,
        "repositories": None,
        "state": "running",
        "version": 1,
        "manifest_hash": None,
        "listed_at": None,
        "health": "unknown",
        "health_why": None,
        "last_success_at": None,
        "last_failure_at": None,
        "failures": 0,
        # The loop starts it once, to list its tools.
        "probe_at": now,
        "created_by": OPERATOR,
        "created_at": now,
        "updated_at": now,
    }


async def _change(tx: Tx, row: MountRow, process: Process) -> None:
    stored = await mounts.lock(tx, row["installation_id"], row["id"])
    assert stored is not None
    now = await tx.now()
    changed: MountRow = {
        **stored,
        "options": {"server": row["name"], "digest": process.digest},
        "version": stored["version"] + 1,
        "probe_at": now if stored["state"] == "running" else None,
        "updated_at": now,
    }
    await mounts.replace(tx, changed)
    here = row["installation_id"], row["id"]
    await mount_log.add(tx, *here, now, "info", f"Changed in {OPERATOR}.")
