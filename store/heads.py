"""The order of what happens in an installation.

An auto-increment id is no cursor: a reader misses rows that commit late. So a row that needs
a place in the order is kept back until its transaction ends, and numbered from the `heads` row
of its installation, whose lock then lasts until the commit: numbers appear in their order.
"""

from collections.abc import Sequence
from itertools import groupby

from store import sql
from store.transaction import Numbered, Row, Tx


def append(tx: Tx, table: str, installation_id: int, row: Row) -> None:
    """Insert `row` into `table` at the end of the transaction, with the next `seq`."""
    tx.numbered.append(
        Numbered(installation_id, table, {"installation_id": installation_id, **row})
    )


async def number(tx: Tx) -> None:
    """Called by the engines before a commit. Installations in sorted order: no deadlock."""
    rows = sorted(tx.numbered, key=lambda n: n.installation_id)
    for installation_id, group in groupby(rows, key=lambda n: n.installation_id):
        await _number(tx, installation_id, list(group))
    tx.numbered.clear()


async def _number(tx: Tx, installation_id: int, rows: Sequence[Numbered]) -> None:
    bump = "UPDATE heads SET seq = seq + :n WHERE installation_id = :i"
    if not await tx.run(bump, n=len(rows), i=installation_id):
        await tx.run(
            sql.insert_new(tx.dialect, "heads", ("installation_id", "seq"), ("installation_id",)),
            installation_id=installation_id,
            seq=0,
        )
        await tx.run(bump, n=len(rows), i=installation_id)
    last = await tx.one("SELECT seq FROM heads WHERE installation_id = :i", i=installation_id)
    first = (last["seq"] if last else 0) - len(rows) + 1
    for seq, each in enumerate(rows, first):
        row = each.row | {"seq": seq}
        await tx.run(sql.insert(each.table, tuple(row)), **row)
