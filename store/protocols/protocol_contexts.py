"""Which tasks were made in which context of a client of A2A."""

from collections.abc import Sequence

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.protocols import ProtocolContextRow

COLUMNS = tuple(ProtocolContextRow.__annotations__)
KEY = ("installation_id", "task_id")


async def add(
    tx: Tx, installation_id: int, owner: str, context_id: str, message: str, task_id: str
) -> None:
    """Put a new task into a context, unless it is there."""
    await tx.run(
        sql.insert_new(tx.dialect, "protocol_contexts", COLUMNS, KEY),
        installation_id=installation_id,
        task_id=task_id,
        owner=owner,
        context_id=context_id,
        message=message,
        at=await tx.now(),
    )


async def of_tasks(
    tx: Tx, installation_id: int, owner: str, task_ids: Sequence[str]
) -> dict[str, str]:
    """The contexts of those of the tasks that the owner made in one, by task."""
    if not task_ids:
        return {}
    rows = await tx.all(
        "SELECT task_id, context_id FROM protocol_contexts "
        "WHERE installation_id = :i AND task_id IN :ids AND owner = :o",
        i=installation_id,
        ids=list(task_ids),
        o=owner,
    )
    return {row["task_id"]: row["context_id"] for row in rows}


async def newest(
    tx: Tx, installation_id: int, owner: str, context_id: str, limit: int
) -> list[tuple[str, str]]:
    """The tasks of a context, the newest first, each with the key of its message."""
    rows = await tx.all(
        "SELECT task_id, message FROM protocol_contexts WHERE installation_id = :i AND owner = :o "
        "AND context_id = :c ORDER BY at DESC, task_id DESC LIMIT :n",
        i=installation_id,
        o=owner,
        c=context_id,
        n=limit,
    )
    return [(row["task_id"], row["message"]) for row in rows]
