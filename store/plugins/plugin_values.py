"""The values that plug-ins keep, each with a version that grows with every change."""

from store.engine.transaction import Tx
from store.tables.plugins import PluginValueRow


async def get(tx: Tx, installation_id: int, plugin: str, name: str) -> PluginValueRow | None:
    q = "SELECT * FROM plugin_values WHERE installation_id = :i AND plugin = :p AND name = :n"
    return await tx.one(q, i=installation_id, p=plugin, n=name)


async def names(tx: Tx, installation_id: int, plugin: str, prefix: str, most: int) -> list[str]:
    """The names that begin with `prefix`, in their order. They are ASCII."""
    rows = await tx.all(
        "SELECT name FROM plugin_values WHERE installation_id = :i AND plugin = :p "
        "AND name >= :first AND name < :last ORDER BY name LIMIT :n",
        i=installation_id,
        p=plugin,
        first=prefix,
        last=prefix + "\x7f",
        n=most,
    )
    return [row["name"] for row in rows]


async def count(tx: Tx, installation_id: int, plugin: str) -> int:
    q = "SELECT COUNT(*) AS n FROM plugin_values WHERE installation_id = :i AND plugin = :p"
    row = await tx.one(q, i=installation_id, p=plugin)
    return row["n"] if row else 0


async def add(tx: Tx, row: PluginValueRow) -> bool:
    """Add the first version. False if there is one."""
    before = await tx.one(
        "SELECT version FROM plugin_values WHERE installation_id = :i AND plugin = :p "
        "AND name = :n FOR UPDATE",
        i=row["installation_id"],
        p=row["plugin"],
        n=row["name"],
    )
    if before is not None:
        return False
    await tx.run(
        "INSERT INTO plugin_values (installation_id, plugin, name, version, sealed, updated_at) "
        "VALUES (:installation_id, :plugin, :name, :version, :sealed, :updated_at)",
        **row,
    )
    return True


async def change(tx: Tx, row: PluginValueRow) -> bool:
    """Replace the version before. False if that is not there any more."""
    q = (
        "UPDATE plugin_values SET version = :version, sealed = :sealed, updated_at = :updated_at "
        "WHERE installation_id = :installation_id AND plugin = :plugin AND name = :name "
        "AND version = :before"
    )
    return bool(await tx.run(q, **row, before=row["version"] - 1))


async def remove(tx: Tx, installation_id: int, plugin: str, name: str, version: int) -> bool:
    """Remove it. False if it has another version."""
    q = (
        "DELETE FROM plugin_values WHERE installation_id = :i AND plugin = :p AND name = :n "
        "AND version = :v"
    )
    return bool(await tx.run(q, i=installation_id, p=plugin, n=name, v=version))
