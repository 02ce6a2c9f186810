"""The caps on reported spend that are near or reached, and what they hold."""

from typing import Any, TypedDict

from store.engine import sql
from store.engine.origins import BOT
from store.engine.transaction import Tx
from store.tables.usage import DRAIN, STOP, SpendHoldRow

COLUMNS = tuple(SpendHoldRow.__annotations__)
KEY = ("installation_id", "repository_id", "agent_id", "task_id")


class HoldKey(TypedDict):
    """What a cap is about: see `SpendHoldRow`."""

    installation_id: int
    repository_id: int
    agent_id: str
    task_id: str


def _exists(installation: str, repository: str, agent: str, task: str, level: int) -> str:
    return (
        f"EXISTS (SELECT 1 FROM spend_holds h WHERE h.installation_id = {installation} "
        f"AND h.repository_id IN (0, {repository}) AND h.agent_id IN ('', {agent}) "
        f"AND h.task_id IN ('', {task}) AND h.level >= {level})"
    )


def is_drained(me: str) -> str:
    """SQL: whether the agent in the parameter `me` may not claim the task `t` because of a cap."""
    return _exists("t.installation_id", "t.repository_id", f":{me}", "t.id", DRAIN)


def is_stopped(write: str) -> str:
    """SQL: whether a write of an agent waits because of a cap.

    What Hubbub itself writes, such as the card, says why the rest waits.
    """
    task = f"COALESCE({write}.task_id, '')"
    where = (f"{write}.installation_id", f"{write}.repository_id", f"{write}.author", task)
    return f"({write}.lane = 1 AND {write}.author <> '{BOT}' AND {_exists(*where, STOP)})"


async def put(tx: Tx, row: SpendHoldRow) -> None:
    await tx.run(sql.upsert(tx.dialect, "spend_holds", COLUMNS, KEY), **row)


async def remove(tx: Tx, key: HoldKey) -> None:
    await tx.run(
        "DELETE FROM spend_holds WHERE installation_id = :installation_id "
        "AND repository_id = :repository_id AND agent_id = :agent_id AND task_id = :task_id",
        **key,
    )


async def get(tx: Tx, key: HoldKey) -> SpendHoldRow | None:
    found: SpendHoldRow | None = await tx.one(
        "SELECT * FROM spend_holds WHERE installation_id = :installation_id "
        "AND repository_id = :repository_id AND agent_id = :agent_id AND task_id = :task_id",
        **key,
    )
    return found


async def matching(
    tx: Tx, installation_id: int, *, repository_id: int, agent_id: str, task_id: str | None
) -> list[SpendHoldRow]:
    """The caps that are about work of the agent on the task, the strictest first."""
    return await tx.all(
        "SELECT * FROM spend_holds WHERE installation_id = :i AND repository_id IN (0, :r) "
        "AND agent_id IN ('', :a) AND task_id IN ('', :t) ORDER BY level DESC, task_id DESC, "
        "agent_id DESC",
        i=installation_id,
        r=repository_id,
        a=agent_id,
        t=task_id or "",
    )


def key_of(row: SpendHoldRow) -> HoldKey:
    return {
        "installation_id": row["installation_id"],
        "repository_id": row["repository_id"],
        "agent_id": row["agent_id"],
        "task_id": row["task_id"],
    }


async def page(tx: Tx, today: int, after: HoldKey | None, limit: int) -> list[SpendHoldRow]:
    """A page of what holds something, or is of an earlier day, in all installations by key."""
    more, given = "", dict[str, Any]()
    if after is not None:
        # Row by row, because the engines do not all use the key for a comparison of rows.
        more = (
            "AND (installation_id > :installation_id OR (installation_id = :installation_id "
            "AND (repository_id > :repository_id OR (repository_id = :repository_id "
            "AND (agent_id > :agent_id OR (agent_id = :agent_id AND task_id > :task_id)))))) "
        )
        given = dict(after)
    q = (
        f"SELECT * FROM spend_holds WHERE (level >= {DRAIN} OR (day > 0 AND day < :today)) {more}"
        f"ORDER BY {', '.join(KEY)} LIMIT :n"
    )
    return await tx.all(q, today=today, n=limit, **given)
