"""What happened to a mounted server: its newest entries."""

from store.engine.transaction import Tx
from store.tables.mounts import LogLevel, MountLogRow

# Of one server.
MOST = 300


async def add(
    tx: Tx, installation_id: int, mount_id: str, at: int, level: LogLevel, text: str
) -> None:
    """Add an entry. Call it only in a transaction that has changed the row of the mount.

    The lock of that row keeps the numbers apart.
    """
    here = {"i": installation_id, "m": mount_id}
    q = "SELECT MAX(seq) AS n FROM mount_log WHERE installation_id = :i AND mount_id = :m"
    newest = await tx.one(q, **here)
    seq = ((newest and newest["n"]) or 0) + 1
    await tx.run(
        "INSERT INTO mount_log (installation_id, mount_id, seq, at, level, text) "
        "VALUES (:i, :m, :seq, :at, :level, :text)",
        **here,
        seq=seq,
        at=at,
        level=level,
        text=text[:1000],
    )
    q = "DELETE FROM mount_log WHERE installation_id = :i AND mount_id = :m AND seq <= :old"
    await tx.run(q, **here, old=seq - MOST)


async def newest(tx: Tx, installation_id: int, mount_id: str, limit: int) -> list[MountLogRow]:
    """The newest entries first."""
    found: list[MountLogRow] = await tx.all(
        "SELECT * FROM mount_log WHERE installation_id = :i AND mount_id = :m "
        "ORDER BY seq DESC LIMIT :n",
        i=installation_id,
        m=mount_id,
        n=limit,
    )
    return found
