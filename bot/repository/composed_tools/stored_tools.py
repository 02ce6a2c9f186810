"""The composed tools of a repository, stored among the tools of servers.

They are those of a mount of their own, which is no server: `tools_` and the repository's name. No
server has such a name, because those have no underscore. The settings say what each tool does; the
rows say what it takes, and what people decided about it.
"""

import hashlib
import re
from collections.abc import Mapping

from bot.identity.keyring import Keys
from bot.kernel import tool_lists
from bot.repository.composed_tools.definition import ComposedTool
from bot.tool_servers.credentials import Credential, seal
from store.engine.transaction import Tx
from store.mirror import stored_repositories
from store.mounts import mounts, tools
from store.tables.mounts import MountRow, ToolRow

FILE = "the repository's settings"
BEGINNING, LONGEST = "tools_", 20
UNFIT = re.compile(r"[^a-z0-9]+")
HINTS = {"read_only": False, "idempotent": False, "destructive": True}


def mount_id(repository_id: int) -> str:
    return f"repository-{repository_id}"


async def follow(
    tx: Tx,
    keys: Keys | None,
    installation_id: int,
    repository_id: int,
    wanted: Mapping[str, ComposedTool],
) -> None:
    """Have the stored tools be those of the settings. `keys`: needed if there are any."""
    mount = await mounts.get(tx, installation_id, mount_id(repository_id))
    if mount is None and not wanted:
        return
    if mount is None:
        assert keys is not None
        mount = await _new_mount(tx, keys, installation_id, repository_id)
    rows = {each["name"]: each for each in await tools.of_mount(tx, installation_id, mount["id"])}
    now, has_changed = await tx.now(), False
    for name, definition in wanted.items():
        made = _tool(mount, name, definition, rows.get(name), now)
        if name not in rows:
            await tools.add(tx, [made])
        elif made != rows[name]:
            await tools.replace(tx, made)
            has_changed = has_changed or bool(made["pinned"])
    gone = [row for name, row in rows.items() if name not in wanted and row["state"] == "active"]
    for row in gone:
        has_changed = has_changed or bool(row["pinned"])
        await _remove(tx, row, now)
    if has_changed:
        await tool_lists.note_change(tx, installation_id, FILE)


async def _remove(tx: Tx, row: ToolRow, now: int) -> None:
    """What people decided about it stays, in case it comes back."""
    if row["policy"] or row["pinned"]:
        await tools.replace(tx, {**row, "state": "removed", "changed_at": now})
    else:
        await tools.drop(tx, row["installation_id"], row["mount_id"], [row["name"]])


def _tool(
    mount: MountRow, name: str, definition: ComposedTool, row: ToolRow | None, now: int
) -> ToolRow:
    """The row as it should be. A change of the file is accepted with the file."""
    text = definition.model_dump_json()
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()
    if row is not None and row["hash"] == digest and row["state"] == "active":
        return row
    return {
        "installation_id": mount["installation_id"],
        "mount_id": mount["id"],
        "name": name,
        "title": "",
        "description": definition.description,
        "input_schema": definition.input_schema(),
        "output_schema": None,
        "hints": HINTS,
        "hash": digest,
        "state": "active",
        "proposed": None,
        "policy": row["policy"] if row else {},
        "pinned": row["pinned"] if row else 0,
        "version": row["version"] + 1 if row else 1,
        "changed_at": now,
        "accepted_by": FILE,
    }


async def _new_mount(tx: Tx, keys: Keys, installation_id: int, repository_id: int) -> MountRow:
    now, id_ = await tx.now(), mount_id(repository_id)
    name = await _free_name(tx, installation_id, repository_id)
    sealed = seal(keys, installation_id, id_, Credential())
    row: MountRow = {
        **mounts.new_row(installation_id, id_, name, "composed", sealed, FILE, now),
        "repositories": [repository_id],
        "health": "known",
    }
    await mounts.add(tx, row)
    return row


async def _free_name(tx: Tx, installation_id: int, repository_id: int) -> str:
    """It keeps this name also if the repository is renamed: callers know it."""
    full_name = await stored_repositories.repository_name(tx, installation_id, repository_id) or ""
    short = UNFIT.sub("-", full_name.rpartition("/")[2].lower())[:LONGEST].strip("-")
    name = f"{BEGINNING}{short or repository_id}"
    taken = await mounts.by_name(tx, installation_id, name)
    return f"{name}-{repository_id}" if taken else name
