"""Slash commands. Each runs once, however often its text arrives."""

import json
from collections.abc import Sequence

from store.engine import sql
from store.engine.transaction import Row, Tx
from store.tables.inbox import CommandRow

COLUMNS = (
    "installation_id",
    "source_kind",
    "source_id",
    "text_hash",
    "nth",
    "repository_id",
    "number",
    "line",
    "verb",
    "words",
    "text",
    "asker",
    "state",
    "not_before",
    "written_at",
    "received_at",
)
KEY = ("installation_id", "source_kind", "source_id", "text_hash", "nth")
IS_KEY = " AND ".join(f"{k} = :{k}" for k in KEY)


def key(row: CommandRow) -> Row:
    return {k: v for k, v in row.items() if k in KEY}


async def add(tx: Tx, rows: Sequence[Row]) -> None:
    """Store the new commands to run."""
    now = await tx.now()
    for row in rows:
        await tx.run(
            sql.insert_new(tx.dialect, "commands", COLUMNS, KEY),
            **{
                **row,
                "words": json.dumps(row["words"]),
                "state": "waiting",
                "not_before": now,
                "received_at": now,
            },
        )
    tx.rings.add("inbox")


async def due(tx: Tx, limit: int) -> list[CommandRow]:
    q = (
        "SELECT * FROM commands WHERE state = 'waiting' AND not_before <= :now "
        "ORDER BY received_at, source_id, line LIMIT :n"
    )
    return await tx.all(q, now=await tx.now(), n=limit)


async def lock(tx: Tx, which: CommandRow) -> CommandRow | None:
    """Lock a waiting command and return it."""
    q = f"SELECT * FROM commands WHERE {IS_KEY} AND state = 'waiting' FOR UPDATE"
    row = await tx.one(q, **key(which))
    return row | {"words": json.loads(row["words"])} if row else None


async def answer(tx: Tx, which: CommandRow, state: str, text: str | None) -> None:
    """Record the answer. `state`: done, refused, ignored or expired. `text`: the reply."""
    await tx.run(
        f"UPDATE commands SET state = :state, answer = :text, answered_at = :now WHERE {IS_KEY}",
        state=state,
        text=text,
        now=await tx.now(),
        **key(which),
    )


async def put_off(tx: Tx, which: CommandRow, until: int) -> None:
    await tx.run(
        f"UPDATE commands SET not_before = :at, attempts = attempts + 1 WHERE {IS_KEY}",
        at=until,
        **key(which),
    )


async def wake(tx: Tx, installation_id: int, repository_id: int) -> None:
    """Retry the commands that waited for this person's permission."""
    await tx.run(
        "UPDATE commands SET not_before = :now WHERE installation_id = :i "
        "AND repository_id = :r AND state = 'waiting'",
        now=await tx.now(),
        i=installation_id,
        r=repository_id,
    )
    tx.rings.add("inbox")
