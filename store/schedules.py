"""The things that start by Hubbub's clock, and when: for each kind a table of the same form."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from store.engine import sql
from store.engine.transaction import Row, Tx

RowT = TypeVar("RowT", bound=Row)


@dataclass(frozen=True)
class Schedules(Generic[RowT]):
    """`name`: the column that names what starts, unique in its repository.

    The other columns are `installation_id`, `repository_id`, `schedule` and `next_at`.
    """

    table: str
    name: str

    async def of(self, tx: Tx, installation_id: int, repository_id: int) -> dict[str, RowT]:
        """The schedules of a repository, by name."""
        q = f"SELECT * FROM {self.table} WHERE installation_id = :i AND repository_id = :r"
        rows: list[RowT] = await tx.all(q, i=installation_id, r=repository_id)
        return {row[self.name]: row for row in rows}

    async def put(self, tx: Tx, row: RowT) -> None:
        key = ("installation_id", "repository_id", self.name)
        columns = (*key, "schedule", "next_at")
        await tx.run(sql.upsert(tx.dialect, self.table, columns, key), **row)

    async def remove(self, tx: Tx, installation_id: int, repository_id: int, name: str) -> None:
        q = (
            f"DELETE FROM {self.table} WHERE installation_id = :i AND repository_id = :r "
            f"AND {self.name} = :n"
        )
        await tx.run(q, i=installation_id, r=repository_id, n=name)

    async def due(self, tx: Tx, limit: int) -> list[RowT]:
        """Those of all installations whose time has come."""
        q = f"SELECT * FROM {self.table} WHERE next_at <= :now ORDER BY next_at LIMIT :n"
        return await tx.all(q, now=await tx.now(), n=limit)

    async def all_after(self, tx: Tx, at: int) -> list[RowT]:
        """Those of all installations whose time comes later than this."""
        return await tx.all(f"SELECT * FROM {self.table} WHERE next_at > :at", at=at)

    async def advance(self, tx: Tx, row: RowT, next_at: int | None) -> bool:
        """Set the next time. False if another process has done so, or the schedule changed."""
        return bool(
            await tx.run(
                f"UPDATE {self.table} SET next_at = :next_at WHERE installation_id = :i "
                f"AND repository_id = :r AND {self.name} = :n AND schedule = :s "
                "AND next_at = :due",
                next_at=next_at,
                i=row["installation_id"],
                r=row["repository_id"],
                n=row[self.name],
                s=row["schedule"],
                due=row["next_at"],
            )
        )
