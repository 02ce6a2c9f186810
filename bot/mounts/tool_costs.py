"""What calls of tools with a price cost, as people set the prices."""

from pydantic import BaseModel, Field

from bot.identity.actors import Actor
from bot.mounts import tool_limits
from bot.quotas.money import amount
from bot.tools import tool_access, tool_names
from store.engine.transaction import Tx
from store.mounts import mounts, tool_calls

# The most expensive tools of a day.
MOST = 20


class ToolCost(BaseModel):
    tool: str
    calls: int
    cost: str = Field(description="by the price that people set, in the currency of the caps")


class CallerCost(BaseModel):
    caller: str
    calls: int
    cost: str = Field(description="of tools with a price, called for the task")


async def of_today(tx: Tx, actor: Actor) -> list[ToolCost]:
    """The tools of servers within reach that cost something today."""
    i = actor.installation_id
    rows = await tool_calls.costs_of_day(tx, i, tool_limits.day_of(await tx.now()), MOST)
    if not rows:
        return []
    known = {row["id"]: row for row in await mounts.all_of(tx, i)}
    return [
        ToolCost(
            tool=tool_names.public_name(known[row["mount_id"]]["name"], row["tool"]),
            calls=row["calls"],
            cost=amount(int(row["cost"])),
        )
        for row in rows
        if row["mount_id"] in known
        and tool_access.reaches(actor, known[row["mount_id"]]["repositories"])
    ]


async def of_task(tx: Tx, installation_id: int, task_id: str) -> list[CallerCost]:
    rows = await tool_calls.costs_of_task(tx, installation_id, task_id)
    return [
        CallerCost(caller=row["caller"], calls=row["calls"], cost=amount(int(row["cost"])))
        for row in rows
    ]
