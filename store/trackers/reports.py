"""What is to be reported to foreign trackers, and what was."""

from typing import Any

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.trackers import ReportState, TrackerReportRow

COLUMNS = tuple(TrackerReportRow.__annotations__)
OPEN: tuple[ReportState, ...] = ("queued", "sending", "unknown")


async def add(tx: Tx, row: TrackerReportRow) -> None:
    await tx.run(sql.insert("tracker_reports", COLUMNS), **row)


async def next_of(tx: Tx, installation_id: int, tracker_id: str) -> TrackerReportRow | None:
    """The first that is due. One whose outcome is unknown comes before those that wait."""
    index = sql.by_index(tx.dialect, "tracker_reports", "ix_tracker_reports_next")
    for states in (("sending", "unknown"), ("queued",)):
        found: TrackerReportRow | None = await tx.one(
            f"SELECT * FROM {index} WHERE installation_id = :i AND tracker_id = :t "
            "AND state IN :states AND not_before <= :now ORDER BY not_before, id LIMIT 1",
            i=installation_id,
            t=tracker_id,
            states=states,
            now=await tx.now(),
        )
        if found is not None:
            return found
    return None


async def next_at(tx: Tx, installation_id: int, tracker_id: str) -> int | None:
    row = await tx.one(
        "SELECT MIN(not_before) AS at FROM tracker_reports WHERE installation_id = :i "
        "AND tracker_id = :t AND state IN :states",
        i=installation_id,
        t=tracker_id,
        states=OPEN,
    )
    return row["at"] if row else None


async def change(tx: Tx, row: TrackerReportRow, **values: Any) -> bool:
    """Set columns, unless another attempt was made since the row was read."""
    sets = ", ".join(f"{c} = :{c}" for c in values)
    done = await tx.run(
        f"UPDATE tracker_reports SET {sets} WHERE installation_id = :i AND id = :r "
        "AND state = :was AND attempts = :tried AND looks = :looked",
        i=row["installation_id"],
        r=row["id"],
        was=row["state"],
        tried=row["attempts"],
        looked=row["looks"],
        **values,
    )
    return bool(done)


async def has(tx: Tx, installation_id: int, tracker_id: str, foreign_id: str, about: str) -> bool:
    """Whether this was reported, or will be."""
    row = await tx.one(
        "SELECT id FROM tracker_reports WHERE installation_id = :i AND tracker_id = :t "
        "AND foreign_id = :f AND state <> 'dropped' AND about = :a LIMIT 1",
        i=installation_id,
        t=tracker_id,
        f=foreign_id,
        a=about,
    )
    return row is not None


async def drop_queued(tx: Tx, installation_id: int, tracker_id: str, foreign_id: str) -> int:
    """Drop the comments that were not begun, because something newer is reported."""
    return await tx.run(
        "UPDATE tracker_reports SET state = 'dropped', ended_at = :now WHERE installation_id = :i "
        "AND tracker_id = :t AND foreign_id = :f AND state = 'queued' "
        "AND kind = 'comment'",
        now=await tx.now(),
        i=installation_id,
        t=tracker_id,
        f=foreign_id,
    )


async def counts(tx: Tx, installation_id: int) -> dict[str, dict[str, int]]:
    """By tracker, how many reports there are in each state."""
    q = (
        "SELECT tracker_id, state, COUNT(*) AS n FROM tracker_reports WHERE installation_id = :i "
        "GROUP BY tracker_id, state"
    )
    found: dict[str, dict[str, int]] = {}
    for row in await tx.all(q, i=installation_id):
        found.setdefault(row["tracker_id"], {})[row["state"]] = row["n"]
    return found


async def newest(
    tx: Tx, installation_id: int, tracker_id: str, limit: int
) -> list[TrackerReportRow]:
    """The newest first. Ids grow with time."""
    found: list[TrackerReportRow] = await tx.all(
        "SELECT * FROM tracker_reports WHERE installation_id = :i AND tracker_id = :t "
        "ORDER BY id DESC LIMIT :n",
        i=installation_id,
        t=tracker_id,
        n=limit,
    )
    return found
