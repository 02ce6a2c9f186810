"""The servers whose tools agents may call."""

from collections.abc import Collection, Sequence
from typing import Any, TypedDict

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.mounts import MountHealth, MountKind, MountRow, MountState

COLUMNS = tuple(MountRow.__annotations__)
JSON = ("options", "document", "repositories")
# Of one installation, those of repositories' settings not counted.
MOST = 200
# A call needs the document of a service only for a new connection, and it may have megabytes.
FOR_CALL = ", ".join("NULL AS document" if c == "document" else c for c in COLUMNS)
COMPOSED = "composed"


def new_row(
    installation_id: int,
    mount_id: str,
    name: str,
    kind: MountKind,
    sealed: bytes,
    by: str,
    now: int,
) -> MountRow:
    """A server that runs, and that nobody has looked at. `sealed`: its credential."""
    return {
        "installation_id": installation_id,
        "id": mount_id,
        "name": name,
        "kind": kind,
        "url": "",
        "sealed": sealed,
        "options": {},
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
        "probe_at": None,
        "created_by": by[:120],
        "created_at": now,
        "updated_at": now,
    }


def repository_of(mount_id: str) -> int:
    """Of the mount of a repository's composed tools."""
    return int(mount_id.rpartition("-")[2])


async def add(tx: Tx, row: MountRow) -> None:
    await tx.run(sql.insert("mounts", COLUMNS), **_encode(row))


async def replace(tx: Tx, row: MountRow) -> None:
    """Store what a change or a listing made of it."""
    sets = ", ".join(f"{c} = :{c}" for c in COLUMNS if c not in ("installation_id", "id"))
    await tx.run(
        f"UPDATE mounts SET {sets} WHERE installation_id = :installation_id AND id = :id",
        **_encode(row),
    )


async def get(tx: Tx, installation_id: int, mount_id: str) -> MountRow | None:
    q = "SELECT * FROM mounts WHERE installation_id = :i AND id = :m"
    row = await tx.one(q, i=installation_id, m=mount_id)
    return _decode(row) if row else None


async def lock(tx: Tx, installation_id: int, mount_id: str) -> MountRow | None:
    q = "SELECT * FROM mounts WHERE installation_id = :i AND id = :m FOR UPDATE"
    row = await tx.one(q, i=installation_id, m=mount_id)
    return _decode(row) if row else None


async def by_name(tx: Tx, installation_id: int, name: str) -> MountRow | None:
    q = "SELECT * FROM mounts WHERE installation_id = :i AND name = :n"
    row = await tx.one(q, i=installation_id, n=name)
    return _decode(row) if row else None


async def get_for_call(tx: Tx, installation_id: int, mount_id: str) -> MountRow | None:
    """Without its document."""
    q = f"SELECT {FOR_CALL} FROM mounts WHERE installation_id = :i AND id = :m"
    row = await tx.one(q, i=installation_id, m=mount_id)
    return _decode(row) if row else None


async def by_name_for_call(tx: Tx, installation_id: int, name: str) -> MountRow | None:
    """Without its document."""
    q = f"SELECT {FOR_CALL} FROM mounts WHERE installation_id = :i AND name = :n"
    row = await tx.one(q, i=installation_id, n=name)
    return _decode(row) if row else None


async def document(tx: Tx, installation_id: int, mount_id: str, version: int) -> Any | None:
    """The document of this version of a service."""
    q = "SELECT document FROM mounts WHERE installation_id = :i AND id = :m AND version = :v"
    row = await tx.one(q, i=installation_id, m=mount_id, v=version)
    return json_text.value(row["document"]) if row and row["document"] else None


async def all_of(tx: Tx, installation_id: int) -> list[MountRow]:
    """All servers by name, and then those of repositories' settings; without their documents."""
    q = (
        f"SELECT {FOR_CALL} FROM mounts WHERE installation_id = :i "
        "ORDER BY CASE WHEN kind = :composed THEN 1 ELSE 0 END, name LIMIT :n"
    )
    rows = await tx.all(q, i=installation_id, composed=COMPOSED, n=2 * MOST)
    return [_decode(row) for row in rows]


class InUse(TypedDict):
    id: str
    version: int
    state: MountState


async def in_use(tx: Tx, installation_id: int, ids: Collection[str]) -> list[InUse]:
    """What becomes of the connections to these servers."""
    q = "SELECT id, version, state FROM mounts WHERE installation_id = :i AND id IN :ids"
    return await tx.all(q, i=installation_id, ids=tuple(ids))


async def set_version(tx: Tx, installation_id: int, mount_id: str, version: int) -> None:
    """Connections of older versions are closed, in all processes."""
    q = "UPDATE mounts SET version = :v WHERE installation_id = :i AND id = :m"
    await tx.run(q, v=version, i=installation_id, m=mount_id)


async def set_state(
    tx: Tx, installation_id: int, mount_id: str, state: MountState, probe_at: int | None
) -> None:
    await tx.run(
        "UPDATE mounts SET state = :s, probe_at = :p, updated_at = :now "
        "WHERE installation_id = :i AND id = :m",
        s=state,
        p=probe_at,
        now=await tx.now(),
        i=installation_id,
        m=mount_id,
    )


async def set_health(
    tx: Tx,
    row: MountRow,
    health: MountHealth,
    why: str | None,
    failures: int,
    probe_at: int | None,
) -> None:
    """Record a success, or a failure if there is a `why`. A stopped one is not looked at."""
    time = "last_success_at" if why is None else "last_failure_at"
    await tx.run(
        f"UPDATE mounts SET health = :h, health_why = :why, failures = :f, {time} = :now, "
        "probe_at = CASE WHEN state = 'running' THEN :p ELSE NULL END "
        "WHERE installation_id = :i AND id = :m",
        h=health,
        why=why and why[:600],
        f=failures,
        now=await tx.now(),
        p=probe_at,
        i=row["installation_id"],
        m=row["id"],
    )


async def due(tx: Tx, now: int, limit: int) -> list[tuple[int, str, int]]:
    """Those to look at, over all installations: installation, id, and since when it is due."""
    q = (
        "SELECT installation_id, id, probe_at FROM mounts WHERE probe_at <= :now "
        "ORDER BY probe_at LIMIT :n"
    )
    rows = await tx.all(q, now=now, n=limit)
    return [(row["installation_id"], row["id"], row["probe_at"]) for row in rows]


async def take(
    tx: Tx, installation_id: int, mount_id: str, probe_at: int, until: int
) -> MountRow | None:
    """Take it for a look until this time, unless another process did."""
    q = (
        "UPDATE mounts SET probe_at = :until WHERE installation_id = :i AND id = :m "
        "AND probe_at = :p AND state = 'running'"
    )
    taken = await tx.run(q, until=until, i=installation_id, m=mount_id, p=probe_at)
    return await get(tx, installation_id, mount_id) if taken else None


async def look_soon(tx: Tx, installation_id: int, mount_id: str, at: int) -> None:
    """Have the loop list its tools at this time, if it would not do so earlier."""
    await tx.run(
        "UPDATE mounts SET probe_at = :at WHERE installation_id = :i AND id = :m "
        "AND state = 'running' AND (probe_at IS NULL OR probe_at > :at)",
        at=at,
        i=installation_id,
        m=mount_id,
    )


async def remove(tx: Tx, installation_id: int, mount_id: str) -> None:
    """Remove it with its tools and its log."""
    here = {"i": installation_id, "m": mount_id}
    await tx.run("DELETE FROM tools WHERE installation_id = :i AND mount_id = :m", **here)
    await tx.run("DELETE FROM mount_log WHERE installation_id = :i AND mount_id = :m", **here)
    await tx.run("DELETE FROM mounts WHERE installation_id = :i AND id = :m", **here)


async def by_health(tx: Tx) -> Sequence[dict[str, Any]]:
    """How many servers run, by kind and health, over all installations."""
    q = (
        "SELECT kind, health, COUNT(*) AS n FROM mounts WHERE state = 'running' "
        "AND kind <> :composed GROUP BY kind, health"
    )
    return await tx.all(q, composed=COMPOSED)


def _encode(row: MountRow) -> dict[str, Any]:
    values: dict[str, Any] = dict(row)
    return values | {c: json_text.text(values[c]) for c in JSON if values[c] is not None}


def _decode(row: Any) -> MountRow:
    found: MountRow = row | {c: json_text.value(row[c]) for c in JSON if row[c] is not None}
    return found
