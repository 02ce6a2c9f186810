"""Rows of tool servers that nobody connects to."""

from functools import partial
from typing import Any

from bot.identity.keyring import Keys
from bot.tool_servers.credentials import Credential, seal
from store.engine.transaction import Store, Tx
from store.mounts import mount_log, mounts, tools
from store.tables.mounts import MountRow, ToolRow
from tests.support.story import Workspace


def mount_row(keys: Keys, installation_id: int, name: str, **given: Any) -> MountRow:
    server_id = f"h_{name}"
    sealed = seal(keys, installation_id, server_id, Credential("bearer", "", "secret"))
    row: Any = {
        **mounts.new_row(installation_id, server_id, name, "mcp", sealed, "@octocat", 1),
        "url": f"https://{name}.example.com/mcp",
        "manifest_hash": "x",
        "listed_at": 1,
        "health": "known",
    }
    made: MountRow = row | given
    return made


def tool_row(mount: MountRow, name: str, **given: Any) -> ToolRow:
    row: Any = {
        "installation_id": mount["installation_id"],
        "mount_id": mount["id"],
        "name": name,
        "title": "",
        "description": "Looks for tickets.",
        "input_schema": {"type": "object"},
        "output_schema": None,
        "hints": {"read_only": True, "idempotent": False, "destructive": False},
        "hash": "x",
        "state": "active",
        "proposed": None,
        "policy": {},
        "pinned": 0,
        "version": 1,
        "changed_at": 1,
        "accepted_by": "@octocat",
    }
    made: ToolRow = row | given
    return made


async def put_mount(store: Store, row: MountRow, *names: str) -> None:
    """Store a server with these tools, unless it is there."""
    await store.write(partial(_put, row=row, names=names))


async def _put(tx: Tx, row: MountRow, names: tuple[str, ...]) -> None:
    i = row["installation_id"]
    if await mounts.get(tx, i, row["id"]):
        return
    await mounts.add(tx, row)
    await tools.add(tx, [tool_row(row, name) for name in names])
    await mount_log.add(tx, i, row["id"], await tx.now(), "info", "Added by @octocat.")


async def put_in(workspace: Workspace, name: str, *names: str) -> MountRow:
    keys, i = workspace.dispatcher.shared.keys, workspace.installation.id
    row = mount_row(keys, i, name)
    await put_mount(workspace.store, row, *names)
    return row
