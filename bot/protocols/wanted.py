"""Whether a delivery still has a purpose when its turn comes."""

from typing import Literal, TypeAlias

from store.engine.transaction import Tx
from store.messages import mailbox
from store.tables.protocols import AgentEndpointRow, EndpointDeliveryRow, Protocol
from store.tasks import tasks

# `done`: the agent has it by another way, such as a claim of its own. `gone`: nobody wants it.
Wanted: TypeAlias = Literal["yes", "done", "gone"]
# Agents that claim by themselves. For the others, Hubbub claims and goes on.
CLAIMING: frozenset[Protocol] = frozenset({"callback", "plugin"})


async def look(tx: Tx, endpoint: AgentEndpointRow, row: EndpointDeliveryRow) -> Wanted:
    if row["kind"] == "task":
        return await _task(tx, endpoint, row)
    if row["kind"] == "message":
        return await _message(tx, row)
    return "yes"


async def _task(tx: Tx, endpoint: AgentEndpointRow, row: EndpointDeliveryRow) -> Wanted:
    task = await tasks.get(tx, row["installation_id"], row["subject"])
    if task is None:
        return "gone"
    me = row["agent_id"]
    if task["state"] == "assigned" and task["assigned_to"] == me:
        return "yes"
    if task["holder"] == me and task["state"] == "in_progress":
        return "done" if endpoint["protocol"] in CLAIMING else "yes"
    return "done" if me in (task["holder"], task["last_holder"]) else "gone"


async def _message(tx: Tx, row: EndpointDeliveryRow) -> Wanted:
    found = await mailbox.lock_receipts(
        tx, row["installation_id"], row["agent_id"], [row["subject"]]
    )
    if not found or found[0]["state"] in ("deleted", "dead"):
        return "gone"
    return "done" if found[0]["state"] == "read" else "yes"
