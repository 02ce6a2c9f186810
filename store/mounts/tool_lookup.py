"""Finds tools of mounted servers for those who call them."""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from store.engine import json_text
from store.engine.transaction import Tx
from store.mirror import stored_repositories
from store.mounts import mounts
from store.tables.columns import Json

# Tools of an installation that a search looks through.
MOST = 5_000
# Characters of a description that a search reads.
READ = 1_000
# Tools in `tools/list`, for which every agent pays at each start.
MOST_PINNED = 40


class FoundTool(TypedDict):
    """A tool for a search. `description`: its beginning. `server`: the name of its mount."""

    mount_id: str
    server: str
    name: str
    title: str
    description: str
    policy: Json
    repositories: Json | None
    options: Json
    pinned: int


class PinnedTool(TypedDict):
    server: str
    name: str
    title: str
    description: str
    input_schema: Json
    hints: Json
    policy: Json
    repositories: Json | None


async def active(tx: Tx, installation_id: int, server: str | None) -> list[FoundTool]:
    """The tools that can be called, of one server or of all that run."""
    rows = await tx.all(
        "SELECT id, kind, name, repositories, options FROM mounts WHERE installation_id = :i "
        "AND state = 'running' ORDER BY name",
        i=installation_id,
    )
    named = [row for row in rows if server in (None, row["name"])]
    lost = await _without_repository(
        tx, installation_id, [row["id"] for row in named if _is_composed(row)]
    )
    wanted = {row["id"]: _mount(row) for row in named if row["id"] not in lost}
    rows = await tx.all(
        f"SELECT mount_id, name, title, SUBSTR(description, 1, {READ}) AS description, policy, "
        "pinned FROM tools WHERE installation_id = :i AND state = 'active' AND mount_id IN :mounts "
        "ORDER BY mount_id, name LIMIT :n",
        i=installation_id,
        mounts=tuple(wanted),
        n=MOST,
    )
    found: list[FoundTool] = [
        row | wanted[row["mount_id"]] | {"policy": json_text.value(row["policy"])} for row in rows
    ]
    return found


def _is_composed(row: Mapping[str, Any]) -> bool:
    return bool(row["kind"] == mounts.COMPOSED)


async def _without_repository(tx: Tx, installation_id: int, composed: Iterable[str]) -> set[str]:
    """Those of these mounts whose repository the App cannot see any more."""
    wanted = {each: mounts.repository_of(each) for each in composed}
    if not wanted:
        return set()
    visible = await stored_repositories.visible_ids(tx, installation_id, wanted.values())
    return {each for each, repository_id in wanted.items() if repository_id not in visible}


def _mount(row: dict[str, str]) -> dict[str, Json]:
    return {
        "server": row["name"],
        "repositories": row["repositories"] and json_text.value(row["repositories"]),
        "options": json_text.value(row["options"]),
    }


async def schemas(
    tx: Tx, installation_id: int, tools: list[tuple[str, str]]
) -> dict[tuple[str, str], Json]:
    """The input schemas of a few tools, each named by its mount and name."""
    found = {}
    for mount_id, name in tools:
        q = (
            "SELECT input_schema FROM tools WHERE installation_id = :i AND mount_id = :m "
            "AND name = :t"
        )
        row = await tx.one(q, i=installation_id, m=mount_id, t=name)
        if row:
            found[mount_id, name] = json_text.value(row["input_schema"])
    return found


async def names(tx: Tx, installation_id: int, mount_id: str) -> list[str]:
    q = "SELECT name FROM tools WHERE installation_id = :i AND mount_id = :m ORDER BY name LIMIT :n"
    return [row["name"] for row in await tx.all(q, i=installation_id, m=mount_id, n=MOST)]


async def pinned_tools(tx: Tx, installation_id: int) -> list[PinnedTool]:
    """The tools that agents get in their list, by server and name."""
    rows = await tx.all(
        "SELECT m.id AS mount_id, m.kind, m.name AS server, m.repositories, t.name, t.title, "
        "t.description, t.input_schema, t.hints, t.policy FROM tools t "
        "JOIN mounts m ON m.installation_id = :i "
        "AND m.id = t.mount_id WHERE t.installation_id = :i AND t.pinned = 1 "
        "AND t.state = 'active' AND m.state = 'running' ORDER BY m.name, t.name LIMIT :n",
        i=installation_id,
        n=MOST_PINNED,
    )
    decoded = ("repositories", "input_schema", "hints", "policy")
    composed = {row["mount_id"] for row in rows if _is_composed(row)}
    lost = await _without_repository(tx, installation_id, composed)
    found: list[PinnedTool] = [
        row | {c: row[c] and json_text.value(row[c]) for c in decoded}
        for row in rows
        if row["mount_id"] not in lost
    ]
    return found


async def has_pinned(tx: Tx, installation_id: int, mount_id: str) -> bool:
    """Whether a tool of this server is in the list of agents."""
    q = (
        "SELECT name FROM tools WHERE installation_id = :i AND mount_id = :m AND pinned = 1 "
        "AND state = 'active' LIMIT 1"
    )
    return await tx.one(q, i=installation_id, m=mount_id) is not None


async def count_pinned(tx: Tx, installation_id: int) -> int:
    q = "SELECT COUNT(*) AS n FROM tools WHERE installation_id = :i AND pinned = 1"
    row = await tx.one(q, i=installation_id)
    return row["n"] if row else 0
