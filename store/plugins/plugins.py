"""The plug-ins of a server, their packages, and whom the operator trusts. Few rows, id 0."""

from typing import Any

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.plugins import PluginPartRow, PluginRow, PluginTrustRow, TrustKind

# The installation id of what belongs to the whole server.
SERVER = 0
# Plug-ins of a server, and keys and revoked things.
# An index has at most some thousand of them, and a server at most 20 registries.
MOST, MOST_TRUST = 200, 100_000
LONGEST_DETAIL = 200
COLUMNS = tuple(PluginRow.__annotations__)
PART_COLUMNS = tuple(PluginPartRow.__annotations__)
TRUST_COLUMNS = tuple(PluginTrustRow.__annotations__)


async def all_of(tx: Tx) -> list[PluginRow]:
    """All plug-ins by name."""
    q = "SELECT * FROM plugins WHERE installation_id = :i ORDER BY name LIMIT :n"
    return [_decode(row) for row in await tx.all(q, i=SERVER, n=MOST)]


async def revisions(tx: Tx) -> dict[str, int]:
    """By this, a process notices what changed."""
    q = "SELECT name, revision FROM plugins WHERE installation_id = :i ORDER BY name LIMIT :n"
    return {row["name"]: row["revision"] for row in await tx.all(q, i=SERVER, n=MOST)}


async def get(tx: Tx, name: str) -> PluginRow | None:
    q = "SELECT * FROM plugins WHERE installation_id = :i AND name = :name"
    row = await tx.one(q, i=SERVER, name=name)
    return _decode(row) if row else None


async def digest_of(tx: Tx, name: str) -> str | None:
    """Of the version that is installed now. Nobody changes it before the transaction ends."""
    q = "SELECT digest FROM plugins WHERE installation_id = :i AND name = :name FOR UPDATE"
    row = await tx.one(q, i=SERVER, name=name)
    return row["digest"] if row else None


async def put(tx: Tx, row: PluginRow) -> None:
    """Add it, or replace it."""
    encoded = {
        **row,
        "manifest": json_text.text(row["manifest"]),
        "former": row["former"] and json_text.text(row["former"]),
    }
    await tx.run(sql.upsert(tx.dialect, "plugins", COLUMNS, ("installation_id", "name")), **encoded)


async def stop(tx: Tx, name: str, digest: str, why: str) -> bool:
    """Stop it, if it is still the same."""
    q = (
        "UPDATE plugins SET state = 'stopped', why = :why, revision = revision + 1, "
        "updated_at = :now WHERE installation_id = :i AND name = :name AND digest = :digest "
        "AND state = 'installed'"
    )
    now = await tx.now()
    return bool(await tx.run(q, i=SERVER, name=name, digest=digest, why=why[:300], now=now))


async def resume(tx: Tx, name: str, digest: str) -> None:
    """Have it run again, if it is still the same."""
    q = (
        "UPDATE plugins SET state = 'installed', why = NULL, revision = revision + 1, "
        "updated_at = :now WHERE installation_id = :i AND name = :name AND digest = :digest "
        "AND state = 'stopped'"
    )
    await tx.run(q, i=SERVER, name=name, digest=digest, now=await tx.now())


async def remove(tx: Tx, name: str) -> None:
    q = "DELETE FROM plugins WHERE installation_id = :i AND name = :name"
    await tx.run(q, i=SERVER, name=name)


def _decode(row: Any) -> PluginRow:
    former = row["former"] and json_text.value(row["former"])
    found: PluginRow = row | {"manifest": json_text.value(row["manifest"]), "former": former}
    return found


# --- Packages ------------------------------------------------------------------------------------


async def put_part(tx: Tx, digest: str, part: int, data: bytes) -> None:
    statement = sql.insert_new(
        tx.dialect, "plugin_parts", PART_COLUMNS, ("installation_id", "digest", "part")
    )
    row = {"installation_id": SERVER, "digest": digest, "part": part, "data": data}
    await tx.run(statement, **row, created_at=await tx.now())


async def part(tx: Tx, digest: str, number: int) -> bytes | None:
    q = "SELECT data FROM plugin_parts WHERE installation_id = :i AND digest = :d AND part = :p"
    row = await tx.one(q, i=SERVER, d=digest, p=number)
    return bytes(row["data"]) if row else None


async def digests(tx: Tx) -> list[str]:
    """The packages that the database has, whole or not."""
    q = "SELECT digest FROM plugin_parts WHERE installation_id = :i AND part = 0 ORDER BY digest"
    return [row["digest"] for row in await tx.all(q, i=SERVER)]


async def remove_parts(tx: Tx, digest: str, before: int) -> None:
    """Remove a package that nobody began to store after a time."""
    q = "DELETE FROM plugin_parts WHERE installation_id = :i AND digest = :d AND created_at < :b"
    await tx.run(q, i=SERVER, d=digest, b=before)


# --- Trust ---------------------------------------------------------------------------------------


async def trust_rows(tx: Tx) -> list[PluginTrustRow]:
    q = "SELECT * FROM plugin_trust WHERE installation_id = :i ORDER BY kind, subject LIMIT :n"
    return await tx.all(q, i=SERVER, n=MOST_TRUST)


async def trust_detail(tx: Tx, kind: TrustKind, subject: str) -> str | None:
    q = (
        "SELECT detail FROM plugin_trust WHERE installation_id = :i AND kind = :kind "
        "AND subject = :s"
    )
    row = await tx.one(q, i=SERVER, kind=kind, s=subject)
    return row["detail"] if row else None


async def put_trust(tx: Tx, kind: str, subject: str, detail: str) -> None:
    key = ("installation_id", "kind", "subject")
    await tx.run(
        sql.upsert(tx.dialect, "plugin_trust", TRUST_COLUMNS, key),
        installation_id=SERVER,
        kind=kind,
        subject=subject[:100],
        detail=detail[:LONGEST_DETAIL],
        added_at=await tx.now(),
    )


async def remove_trust(tx: Tx, kind: str, subject: str) -> bool:
    q = "DELETE FROM plugin_trust WHERE installation_id = :i AND kind = :kind AND subject = :s"
    return bool(await tx.run(q, i=SERVER, kind=kind, s=subject))
