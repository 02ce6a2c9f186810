"""Where agents are reached that do not connect to Hubbub themselves."""

from collections.abc import Collection, Sequence
from typing import Any, TypedDict

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.protocols import AgentEndpointRow, EndpointState, Protocol

COLUMNS = tuple(AgentEndpointRow.__annotations__)
# Of one installation.
MOST = 200
# The due endpoints that one look reads, of which it takes a share for each installation.
WINDOW = 2000


class Key(TypedDict):
    installation_id: int
    agent_id: str


async def get(
    tx: Tx, installation_id: int, agent_id: str, *, lock: bool = False
) -> AgentEndpointRow | None:
    q = "SELECT * FROM agent_endpoints WHERE installation_id = :i AND agent_id = :a"
    row = await tx.one(f"{q} FOR UPDATE" if lock else q, i=installation_id, a=agent_id)
    return _decode(row) if row else None


async def all_of(tx: Tx, installation_id: int) -> list[AgentEndpointRow]:
    q = "SELECT * FROM agent_endpoints WHERE installation_id = :i ORDER BY agent_id LIMIT :n"
    return [_decode(row) for row in await tx.all(q, i=installation_id, n=MOST)]


async def put(tx: Tx, row: AgentEndpointRow) -> None:
    """Add it in place of the one that the agent had."""
    await remove(tx, row["installation_id"], row["agent_id"])
    encoded = {**row, "options": json_text.text(row["options"])}
    await tx.run(sql.insert("agent_endpoints", COLUMNS), **encoded)


async def remove(tx: Tx, installation_id: int, agent_id: str) -> None:
    q = "DELETE FROM agent_endpoints WHERE installation_id = :i AND agent_id = :a"
    await tx.run(q, i=installation_id, a=agent_id)


async def protocols(
    tx: Tx, installation_id: int, agent_ids: Collection[str]
) -> dict[str, tuple[Protocol, EndpointState]]:
    """How those of the agents are reached that have an endpoint."""
    if len(agent_ids) > MOST:
        wanted = set(agent_ids)
        every = [r for r in await all_of(tx, installation_id) if r["agent_id"] in wanted]
        return {row["agent_id"]: (row["protocol"], row["state"]) for row in every}
    q = (
        "SELECT agent_id, protocol, state FROM agent_endpoints WHERE installation_id = :i "
        "AND agent_id IN :agents"
    )
    rows = await tx.all(q, i=installation_id, agents=sorted(agent_ids)) if agent_ids else []
    return {row["agent_id"]: (row["protocol"], row["state"]) for row in rows}


async def due(tx: Tx, protocol: Protocol, limit: int, each: int) -> list[Key]:
    """Endpoints of all installations with something due: at most `each` of one installation."""
    index = sql.by_index(tx.dialect, "agent_endpoints", "ix_agent_endpoints_due")
    rows: Sequence[Any] = await tx.all(
        f"SELECT installation_id, agent_id FROM {index} WHERE protocol = :p AND due_at <= :now "
        "AND taken_until <= :now AND state <> 'off' ORDER BY due_at LIMIT :n",
        p=protocol,
        now=await tx.now(),
        n=WINDOW,
    )
    found: list[Key] = []
    taken: dict[int, int] = {}
    for row in rows:
        i = row["installation_id"]
        taken[i] = taken.get(i, 0) + 1
        if taken[i] <= each:
            found.append(Key(installation_id=i, agent_id=row["agent_id"]))
    return found[:limit]


async def take(tx: Tx, installation_id: int, agent_id: str, until: int) -> None:
    """Keep other processes from a locked endpoint until then."""
    q = "UPDATE agent_endpoints SET taken_until = :t WHERE installation_id = :i AND agent_id = :a"
    await tx.run(q, t=until, i=installation_id, a=agent_id)


async def let_go(tx: Tx, installation_id: int, agent_id: str) -> None:
    """Let a process take it when the first of its waiting deliveries is due."""
    await tx.run(
        "UPDATE agent_endpoints SET taken_until = 0, due_at = (SELECT MIN(not_before) "
        "FROM endpoint_deliveries d WHERE d.installation_id = :i AND d.agent_id = :a "
        "AND d.state IN ('waiting', 'sending')) WHERE installation_id = :i AND agent_id = :a",
        i=installation_id,
        a=agent_id,
    )


async def record_success(tx: Tx, installation_id: int, agent_id: str) -> None:
    await tx.run(
        "UPDATE agent_endpoints SET state = CASE WHEN state = 'off' THEN state ELSE 'active' END, "
        "why = NULL, failures = 0, last_success_at = :now "
        "WHERE installation_id = :i AND agent_id = :a",
        now=await tx.now(),
        i=installation_id,
        a=agent_id,
    )


async def record_failure(
    tx: Tx, installation_id: int, agent_id: str, why: str, *, gives_up: bool
) -> None:
    """Record a failed attempt. `gives_up`: the delivery failed with it, so it is failing."""
    state = "CASE WHEN state = 'off' THEN state ELSE 'failing' END, failures = failures + 1"
    await tx.run(
        f"UPDATE agent_endpoints SET {f'state = {state}, ' if gives_up else ''}why = :why, "
        "last_failure_at = :now WHERE installation_id = :i AND agent_id = :a",
        why=why[:300],
        now=await tx.now(),
        i=installation_id,
        a=agent_id,
    )


async def set_state(tx: Tx, installation_id: int, agent_id: str, state: EndpointState) -> None:
    await tx.run(
        "UPDATE agent_endpoints SET state = :s, why = NULL, failures = 0, updated_at = :now "
        "WHERE installation_id = :i AND agent_id = :a",
        s=state,
        now=await tx.now(),
        i=installation_id,
        a=agent_id,
    )


def _decode(row: Any) -> AgentEndpointRow:
    row = row | {"options": json_text.value(row["options"])}
    found: AgentEndpointRow = row
    return found
