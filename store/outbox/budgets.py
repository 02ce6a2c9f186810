"""The rate-limit budgets of each installation, and who used how much."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.outbox import BudgetRow

HOUR = 3600 * 1_000_000

COLUMNS = (
    "installation_id",
    "resource",
    "limit_",
    "remaining",
    "used",
    "reset_at",
    "blocked_until",
    "failures",
    "recorded_at",
)

# Authors that one statement looks up.
AT_ONCE = 100


class NewBudget(TypedDict):
    installation_id: int
    resource: str
    limit_: int | None
    remaining: int | None
    used: int | None
    reset_at: int | None
    blocked_until: int
    failures: int


class Spent(TypedDict):
    author: str
    requests: int


async def all_of(tx: Tx, installation_id: int) -> list[BudgetRow]:
    return await tx.all("SELECT * FROM budgets WHERE installation_id = :i", i=installation_id)


async def put(tx: Tx, row: NewBudget) -> None:
    statement = sql.upsert(tx.dialect, "budgets", COLUMNS, ("installation_id", "resource"))
    await tx.run(statement, **{**row, "recorded_at": await tx.now()})


async def allowances(tx: Tx, installation_id: int) -> dict[str, int]:
    """When each token bucket will be full again, by name."""
    q = "SELECT name, full_at FROM allowances WHERE installation_id = :i"
    return {row["name"]: row["full_at"] for row in await tx.all(q, i=installation_id)}


async def put_allowances(tx: Tx, installation_id: int, full_at: Mapping[str, int]) -> None:
    key = ("installation_id", "name")
    statement = sql.upsert(tx.dialect, "allowances", (*key, "full_at"), key)
    for name, at in full_at.items():
        await tx.run(statement, installation_id=installation_id, name=name, full_at=at)


async def spend(tx: Tx, installation_id: int, author: str, n: int = 1) -> None:
    """Count a mutation of its author; pass -1 if it was not sent after all."""
    now = await tx.now()
    here = {"i": installation_id, "h": now // HOUR, "a": author, "now": now, "n": n}
    counted = await tx.run(
        "UPDATE spending SET requests = requests + :n, last_at = :now "
        "WHERE installation_id = :i AND hour = :h AND author = :a",
        **here,
    )
    if not counted:
        await tx.run(
            "INSERT INTO spending (installation_id, hour, author, requests, last_at) "
            "VALUES (:i, :h, :a, :n, :now)",
            **here,
        )


async def last_turns(tx: Tx, installation_id: int, authors: Sequence[str]) -> dict[str, int]:
    """When each author last had a turn; authors without a turn are left out."""
    found: dict[str, int] = {}
    for n in range(0, len(authors), AT_ONCE):
        some = {f"author_{m}": author for m, author in enumerate(authors[n : n + AT_ONCE])}
        # Of one author the index gives the last row. A GROUP BY would read all rows of each.
        parts = (
            f"SELECT :{name} AS author, MAX(last_at) AS at FROM spending "
            f"WHERE installation_id = :i AND author = :{name}"
            for name in some
        )
        rows = await tx.all(" UNION ALL ".join(parts), i=installation_id, **some)
        found |= {row["author"]: row["at"] for row in rows if row["at"] is not None}
    return found


async def spent_this_hour(tx: Tx, installation_id: int, author: str) -> tuple[int, int]:
    """The mutations of an author, and those of all, since the last full hour."""
    row = await tx.one(
        "SELECT SUM(CASE WHEN author = :a THEN requests ELSE 0 END) AS own, "
        "SUM(requests) AS total FROM spending WHERE installation_id = :i AND hour = :h",
        a=author,
        i=installation_id,
        h=await tx.now() // HOUR,
    )
    return (int(row["own"] or 0), int(row["total"] or 0)) if row else (0, 0)


async def top_spenders(tx: Tx, installation_id: int, since: int, limit: int) -> list[Spent]:
    """The authors with the most requests since then."""
    return await tx.all(
        "SELECT author, SUM(requests) AS requests FROM "
        f"{sql.by_index(tx.dialect, 'spending', 'PRIMARY')} WHERE installation_id = :i "
        "AND hour >= :h GROUP BY author ORDER BY requests DESC, author LIMIT :n",
        i=installation_id,
        h=since // HOUR,
        n=limit,
    )
