"""Sequence numbers that order the events of an installation.

An auto-increment id is not a safe cursor, because a reader misses rows that commit late. So a row
that needs a number is inserted at the end of its transaction. Its number comes from the `heads`
row of its installation, which stays locked until the commit, so numbers appear in order. Before
that no query finds the row; its own transaction reads it with `pending`.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Any

from store.engine import sql, wakeups
from store.engine.transaction import Numbered, Row, Tx

# Greater than every number that was given, so that pending rows sort after all others.
UNNUMBERED = 1 << 62
FIRST = "INSERT INTO heads (installation_id, seq) VALUES (:i, :n)"


def append(tx: Tx, table: str, installation_id: int, row: Row, hashed: str = "") -> None:
    """Insert `row` into `table` at the end of the transaction, with the next `seq`.

    `hashed`: a column that becomes the hash of its text and of that number, see `hash_of`.
    """
    row = {"installation_id": installation_id, **row}
    tx.numbered.append(Numbered(installation_id, table, row, hashed))


def hash_of(text: str, seq: int) -> str:
    """The hash of a text and of the number of its row."""
    return hashlib.sha256(f"{text}:{seq}".encode()).hexdigest()


def pending(tx: Tx, table: str, installation_id: int) -> list[Any]:
    """The rows that this transaction appended to `table`, in order, with a provisional `seq`."""
    here = (table, installation_id)
    rows = [each.row for each in tx.numbered if (each.table, each.installation_id) == here]
    return [{**row, "seq": UNNUMBERED + n} for n, row in enumerate(rows)]


def withdraw(tx: Tx, table: str, installation_id: int, ids: Collection[str]) -> None:
    """Drop pending rows by their `id`: they are never inserted."""
    here = (table, installation_id)
    tx.numbered = [
        each
        for each in tx.numbered
        if (each.table, each.installation_id) != here or each.row["id"] not in ids
    ]


def change(tx: Tx, table: str, installation_id: int, id_: str, values: Row) -> None:
    """Change columns of a pending row."""
    here = (table, installation_id, id_)
    tx.numbered = [
        Numbered(installation_id, table, {**each.row, **values}, each.hashed)
        if (each.table, each.installation_id, each.row.get("id")) == here
        else each
        for each in tx.numbered
    ]


def by_installation(tx: Tx) -> list[tuple[int, list[Numbered]]]:
    """The pending rows of each installation, in sorted order, which prevents deadlocks.

    A wake-up without rows also advances the head, so that other processes notice it.
    """
    rows = sorted(tx.numbered, key=lambda n: n.installation_id)
    groups = {i: list(group) for i, group in groupby(rows, key=lambda n: n.installation_id)}
    every = sorted(groups.keys() | wakeups.installations(tx.rings))
    return [(installation_id, groups.get(installation_id, [])) for installation_id in every]


def alike(
    rows: Sequence[Numbered],
) -> dict[tuple[str, tuple[str, ...], str], list[tuple[int, Row]]]:
    """The rows by table, columns and hashed column, each with how many follow it.

    `seq` is the last column.

    Other transactions of the installation wait for its head, so they are inserted together.
    """
    found: dict[tuple[str, tuple[str, ...], str], list[tuple[int, Row]]] = defaultdict(list)
    for n, each in enumerate(rows, 1):
        found[each.table, (*each.row, "seq"), each.hashed].append((len(rows) - n, each.row))
    return found


async def number(tx: Tx) -> None:
    """Number and insert the pending rows; the engines call this before a commit."""
    for installation_id, rows in by_installation(tx):
        last = await _advance(tx, installation_id, len(rows) or 1)
        for (table, columns, hashed), found in alike(rows).items():
            numbered = [_with_number(row, last - before_last, hashed) for before_last, row in found]
            await tx.many(sql.insert(table, columns), numbered)
    tx.numbered.clear()


def _with_number(row: Row, seq: int, hashed: str) -> Row:
    if hashed:
        return {**row, hashed: hash_of(row[hashed], seq), "seq": seq}
    return {**row, "seq": seq}


async def _advance(tx: Tx, installation_id: int, n: int) -> int:
    """Advance the head of an installation. Return its new number."""
    here = {"i": installation_id, "n": n}
    if tx.dialect == "sqlite":
        advance = f"{FIRST} ON CONFLICT (installation_id) DO UPDATE SET seq = seq + :n"
        row = await tx.one(f"{advance} RETURNING seq", **here)
        return int(row["seq"]) if row else n
    await tx.run(f"{FIRST} ON DUPLICATE KEY UPDATE seq = heads.seq + :n", **here)
    return (await of(tx, [installation_id]))[installation_id]


async def of(tx: Tx, installation_ids: Sequence[int]) -> dict[int, int]:
    """The last number of each installation; installations without any are left out."""
    q = "SELECT installation_id, seq FROM heads WHERE installation_id IN :ids"
    rows = await tx.all(q, ids=tuple(installation_ids))
    return {row["installation_id"]: row["seq"] for row in rows}
