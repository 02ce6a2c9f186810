"""The seals of the audit log: each covers a range of an installation's rows."""

from collections.abc import Sequence
from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.audit import AuditSealRow

COLUMNS = tuple(AuditSealRow.__annotations__)
KEY = ("installation_id", "number")


class Unsealed(TypedDict):
    """`sealed`: the last number that a seal covers."""

    installation_id: int
    head: int
    sealed: int | None


class LastSeal(TypedDict):
    installation_id: int
    number: int
    at: int
    hash: str


async def unsealed_numbers(tx: Tx) -> list[Unsealed]:
    """Installations that gave numbers after those of their last seal.

    A number is given under a lock until the commit, so all rows up to a head are there to read.
    The last seal has a statement of its own: in a subquery, MySQL would read all seals.
    """
    found: list[Unsealed] = []
    for each in await tx.all("SELECT installation_id, seq FROM heads ORDER BY installation_id"):
        seal = await last(tx, each["installation_id"])
        sealed = seal["to_seq"] if seal else None
        if each["seq"] > (sealed or 0):
            found.append(
                {"installation_id": each["installation_id"], "head": each["seq"], "sealed": sealed}
            )
    return found


async def last(tx: Tx, installation_id: int) -> AuditSealRow | None:
    return await tx.one(
        "SELECT * FROM audit_seals WHERE installation_id = :i ORDER BY number DESC LIMIT 1",
        i=installation_id,
    )


async def oldest_kept(tx: Tx, installation_id: int) -> AuditSealRow | None:
    """The first seal whose rows are still there. At most one before it has none."""
    return await tx.one(
        "SELECT * FROM audit_seals WHERE installation_id = :i AND dropped_at IS NULL "
        "ORDER BY number LIMIT 1",
        i=installation_id,
    )


async def add(tx: Tx, row: AuditSealRow) -> bool:
    """Add a seal. False if another process has added one with this number."""
    q = sql.insert_new(tx.dialect, "audit_seals", COLUMNS, KEY)
    await tx.run(q, **row)
    stored = await tx.one(
        "SELECT hash FROM audit_seals WHERE installation_id = :i AND number = :n FOR UPDATE",
        i=row["installation_id"],
        n=row["number"],
    )
    return bool(stored and stored["hash"] == row["hash"])


async def page(tx: Tx, installation_id: int, after: int, limit: int) -> Sequence[AuditSealRow]:
    """Seals with a number above `after`, the oldest first."""
    found: Sequence[AuditSealRow] = await tx.all(
        "SELECT * FROM audit_seals WHERE installation_id = :i AND number > :after "
        "ORDER BY number LIMIT :n",
        i=installation_id,
        after=after,
        n=limit,
    )
    return found


async def installations(tx: Tx) -> list[int]:
    """Installations that have rows or seals."""
    rows = await tx.all(
        "SELECT installation_id FROM audit_seals UNION SELECT installation_id FROM audit "
        "ORDER BY installation_id"
    )
    return [int(row["installation_id"]) for row in rows]


async def last_of_each(tx: Tx, limit: int) -> list[LastSeal]:
    """The newest seal of each installation, the most recently sealed first."""
    return await tx.all(
        "SELECT s.installation_id, s.number, s.at, s.hash FROM heads h JOIN audit_seals s "
        "ON s.installation_id = h.installation_id AND s.number = (SELECT MAX(q.number) "
        "FROM audit_seals q WHERE q.installation_id = h.installation_id) "
        "ORDER BY s.at DESC, s.installation_id LIMIT :n",
        n=limit,
    )


async def replace(tx: Tx, row: AuditSealRow) -> None:
    """Store the seal whose rows retention deletes, and delete the seals before it."""
    here = {"i": row["installation_id"], "n": row["number"]}
    await tx.run("DELETE FROM audit_seals WHERE installation_id = :i AND number <= :n", **here)
    await tx.run(sql.insert("audit_seals", COLUMNS), **row)
