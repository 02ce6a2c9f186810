"""Foreign trackers whose issues become tasks."""

from collections.abc import Sequence
from typing import Any

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.trackers import TrackerRow

COLUMNS = tuple(TrackerRow.__annotations__)
# Of one installation.
MOST = 50
# The bell that wakes the loop.
TOPIC = "trackers"


async def add(tx: Tx, row: TrackerRow) -> None:
    await tx.run(sql.insert("trackers", COLUMNS), **row)
    tx.rings.add(TOPIC)


async def get(
    tx: Tx, installation_id: int, tracker_id: str, *, lock: bool = False
) -> TrackerRow | None:
    q = "SELECT * FROM trackers WHERE installation_id = :i AND id = :t"
    found: TrackerRow | None = await tx.one(
        f"{q} FOR UPDATE" if lock else q, i=installation_id, t=tracker_id
    )
    return found


async def by_name(tx: Tx, installation_id: int, name: str) -> TrackerRow | None:
    q = "SELECT * FROM trackers WHERE installation_id = :i AND name = :n"
    found: TrackerRow | None = await tx.one(q, i=installation_id, n=name)
    return found


async def all_of(tx: Tx, installation_id: int) -> list[TrackerRow]:
    q = "SELECT * FROM trackers WHERE installation_id = :i ORDER BY name LIMIT :n"
    found: list[TrackerRow] = await tx.all(q, i=installation_id, n=MOST)
    return found


async def change(tx: Tx, installation_id: int, tracker_id: str, **values: Any) -> None:
    """Set columns of a tracker."""
    sets = ", ".join(f"{c} = :{c}" for c in values)
    await tx.run(
        f"UPDATE trackers SET {sets}, updated_at = :now WHERE installation_id = :i AND id = :t",
        now=await tx.now(),
        i=installation_id,
        t=tracker_id,
        **values,
    )
    tx.rings.add(TOPIC)


async def due(tx: Tx, limit: int) -> Sequence[tuple[int, str]]:
    """Those with something to do, over all installations, which no process works on."""
    rows = await tx.all(
        "SELECT installation_id, id FROM trackers WHERE due_at <= :now AND taken_until <= :now "
        "ORDER BY due_at LIMIT :n",
        now=await tx.now(),
        n=limit,
    )
    return [(row["installation_id"], row["id"]) for row in rows]


async def take(tx: Tx, installation_id: int, tracker_id: str, until: int) -> TrackerRow | None:
    """Take it for work until this time, unless another process did or a person paused it."""
    q = (
        "UPDATE trackers SET taken_until = :until WHERE installation_id = :i AND id = :t "
        "AND state = 'running' AND taken_until <= :now"
    )
    now = await tx.now()
    taken = await tx.run(q, until=until, i=installation_id, t=tracker_id, now=now)
    return await get(tx, installation_id, tracker_id) if taken else None


async def lock_own(tx: Tx, row: TrackerRow) -> TrackerRow | None:
    """Lock it. None if another process has it now, or a person changed it since it was taken."""
    found = await get(tx, row["installation_id"], row["id"], lock=True)
    if found is None or found["state"] != "running":
        return None
    same = (found["taken_until"], found["version"]) == (row["taken_until"], row["version"])
    return found if same else None


async def remove(tx: Tx, installation_id: int, tracker_id: str) -> None:
    """Remove it with its links and reports. Tasks and issues stay."""
    here = {"i": installation_id, "t": tracker_id}
    for table, column in (
        ("tracker_reports", "tracker_id"),
        ("tracker_links", "tracker_id"),
        ("trackers", "id"),
    ):
        await tx.run(f"DELETE FROM {table} WHERE installation_id = :i AND {column} = :t", **here)


async def by_health(tx: Tx) -> Sequence[dict[str, Any]]:
    """How many there are by state and health, over all installations."""
    return await tx.all("SELECT state, health, COUNT(*) AS n FROM trackers GROUP BY state, health")
