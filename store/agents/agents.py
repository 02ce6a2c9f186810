"""Agents: who is registered, and what is known of each."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, TypedDict, TypeVar

from store.engine import json_text, reach, sql
from store.engine.reach import Reach
from store.engine.transaction import Row, Tx
from store.mirror.stored_repositories import PRESENT, VISIBLE
from store.tables.agents import AgentRow, Role

COLUMNS = (
    "installation_id",
    "id",
    "name",
    "system_name",
    "role",
    "capabilities",
    "parent_id",
    "registered_at",
    "last_active_at",
)

T = TypeVar("T", bound=AgentRow)
Status: TypeAlias = Literal["active", "idle", "inactive", "paused", "left"]
HERE = "left_at IS NULL AND paused_at IS NULL"
# None: every agent that has not left.
BY_STATUS: dict[Status | None, str] = {
    None: "left_at IS NULL",
    "active": f"{HERE} AND last_active_at > :idle",
    "idle": f"{HERE} AND last_active_at <= :idle AND last_active_at > :inactive",
    "inactive": f"{HERE} AND last_active_at <= :inactive",
    "paused": "left_at IS NULL AND paused_at IS NOT NULL",
    "left": "left_at IS NOT NULL",
}
# The values of an agent that registered with only its name.
DEFAULTS: Row = {"system_name": "", "capabilities": [], "parent_id": None}
# How many agents are read for one page of matches.
WINDOW = 1000
# How many names one statement has.
NAMES = 1000


@dataclass(frozen=True)
class Sought:
    """Filters of a list of agents; None matches all. `capability` lists all spellings that match.

    An agent last active at `idle` or before is idle; at `inactive` or before, inactive.
    """

    idle: int
    inactive: int
    status: Status | None = None
    system: str | None = None
    role: str | None = None
    parent: str | None = None
    capability: Sequence[str] | None = None


class Done(NamedTuple):
    """How many calls an agent made, and the bytes that it sent to be kept."""

    calls: int
    stored: int


class Holding(TypedDict):
    """A task that an agent holds."""

    holder: str
    id: str
    number: int | None
    repository_id: int
    full_name: str


class Member(TypedDict):
    """An agent of a team."""

    id: str
    parent_id: str | None
    spent_of: str | None


class Report(TypedDict):
    """The health that an agent reported."""

    installation_id: int
    id: str
    health: dict[str, Any]


class Standing(TypedDict):
    """What decides whether the writes of an agent may go out."""

    paused_at: int | None
    paused_by: str | None
    left_at: int | None
    # Since when it has had valid tokens, and when its last invalid one was revoked.
    live_since: int | None
    revoked_at: int | None


async def lock_or_add(tx: Tx, row: Row) -> AgentRow:
    """Lock the agent's row and return it. A new agent is added as one that has left."""
    # If two calls come at once, only the first one to change `left_at` sees that it had left.
    new = sql.insert_new(tx.dialect, "agents", (*COLUMNS, "left_at"), ("installation_id", "id"))
    await tx.run(new, **_encode({**DEFAULTS, **row}), left_at=row["registered_at"])
    (found,) = await lock(tx, row["installation_id"], [row["id"]])
    return found


async def get(tx: Tx, installation_id: int, agent_id: str) -> AgentRow | None:
    q = "SELECT * FROM agents WHERE installation_id = :i AND id = :a"
    row = await tx.one(q, i=installation_id, a=agent_id)
    return decode(row) if row else None


async def roles(tx: Tx, installation_id: int, agent_ids: Collection[str]) -> dict[str, Role]:
    """The roles of these agents, by id."""
    q = "SELECT id, role FROM agents WHERE installation_id = :i AND id IN :ids"
    rows = await tx.all(q, i=installation_id, ids=sorted(agent_ids))
    return {row["id"]: row["role"] for row in rows}


async def paused_among(tx: Tx, installation_id: int, agent_ids: Collection[str]) -> set[str]:
    """Those of these agents that are paused."""
    q = "SELECT id FROM agents WHERE installation_id = :i AND id IN :ids AND paused_at IS NOT NULL"
    rows = await tx.all(q, i=installation_id, ids=sorted(agent_ids))
    return {row["id"] for row in rows}


async def of_roles(
    tx: Tx, installation_id: int, roles: Sequence[Role], limit: int, active_since: int = 0
) -> list[str]:
    """The agents with one of these roles that are here, the most active first."""
    q = (
        f"SELECT id FROM agents WHERE installation_id = :i AND role IN :roles AND {HERE} "
        "AND last_active_at >= :since ORDER BY last_active_at DESC, id LIMIT :n"
    )
    given = {"i": installation_id, "roles": tuple(roles), "since": active_since, "n": limit}
    return [row["id"] for row in await tx.all(q, **given)]


async def with_roles(
    tx: Tx, installation_id: int, agent_ids: Sequence[str], roles: Sequence[Role]
) -> list[str]:
    """Those of the agents that have one of the roles."""
    q = "SELECT id FROM agents WHERE installation_id = :i AND id IN :ids AND role IN :roles"
    rows = await tx.all(q, i=installation_id, ids=tuple(agent_ids), roles=tuple(roles))
    return [row["id"] for row in rows]


async def present_among(
    tx: Tx,
    installation_id: int,
    agent_ids: Sequence[str],
    roles: Sequence[Role],
    active_since: int,
) -> list[str]:
    """Those of the agents that have one of the roles, are at work, and called since then."""
    q = (
        "SELECT id FROM agents WHERE installation_id = :i AND id IN :ids AND role IN :roles "
        f"AND {HERE} AND last_active_at >= :since ORDER BY id"
    )
    given = {"ids": tuple(agent_ids), "roles": tuple(roles), "since": active_since}
    rows = await tx.all(q, i=installation_id, **given) if agent_ids else []
    return [row["id"] for row in rows]


async def lock(tx: Tx, installation_id: int, agent_ids: Sequence[str]) -> list[AgentRow]:
    """Lock the agents that exist, in order of id, and return them.

    Tasks are locked first, then leases, then agents.
    """
    q = "SELECT * FROM agents WHERE installation_id = :i AND id IN :ids ORDER BY id FOR UPDATE"
    return [decode(r) for r in await tx.all(q, i=installation_id, ids=tuple(agent_ids))]


async def change(tx: Tx, installation_id: int, agent_ids: Sequence[str], **values: Any) -> None:
    """Set columns of agents."""
    encoded = _encode(values)
    sets = ", ".join(f"{c} = :{c}" for c in encoded)
    q = f"UPDATE agents SET {sets} WHERE installation_id = :i AND id IN :ids"
    await tx.run(q, i=installation_id, ids=tuple(agent_ids), **encoded)


async def page(
    tx: Tx, installation_id: int, sought: Sought, after: str, limit: int
) -> tuple[list[AgentRow], str | None]:
    """A page by id, and the id to continue after. A short page is not always the last."""
    end = None if sought.parent else await _window(tx, installation_id, after)
    where, given = _conditions(sought)
    if end is not None:
        where, given["end"] = [*where, "id <= :end"], end
    index = "ix_agents_parent" if sought.parent else "PRIMARY"
    rows = await tx.all(
        f"SELECT * FROM {sql.by_index(tx.dialect, 'agents', index)} "
        "WHERE installation_id = :i AND id > :after "
        f"AND {' AND '.join(where)} ORDER BY id LIMIT :n",
        i=installation_id,
        after=after,
        n=limit + 1,
        **given,
    )
    found = [decode(row) for row in rows[:limit]]
    return found, found[-1]["id"] if len(rows) > limit else end


async def _window(tx: Tx, installation_id: int, after: str) -> str | None:
    """The id at the end of the next window of rows, or None if fewer are left."""
    row = await tx.one(
        "SELECT id FROM agents WHERE installation_id = :i AND id > :after ORDER BY id "
        "LIMIT 1 OFFSET :n",
        i=installation_id,
        after=after,
        n=WINDOW - 1,
    )
    return row["id"] if row else None


def _conditions(sought: Sought) -> tuple[list[str], dict[str, Any]]:
    where = [BY_STATUS[sought.status]]
    given: dict[str, Any] = {"idle": sought.idle, "inactive": sought.inactive}
    for column, value in (
        ("system_name", sought.system),
        ("role", sought.role),
        ("parent_id", sought.parent),
    ):
        if value is not None:
            where.append(f"{column} = :{column}")
            given[column] = value
    if sought.capability is not None:
        named = {f"can_{n}": json.dumps(each) for n, each in enumerate(sought.capability)}
        where.append(f"({' OR '.join(f'INSTR(capabilities, :{n}) > 0' for n in named)})")
        given |= named
    return where, given


async def at_work(tx: Tx, installation_id: int, limit: int) -> list[AgentRow]:
    """Agents that are registered and not paused, by id."""
    rows = await tx.all(
        "SELECT * FROM agents WHERE installation_id = :i AND left_at IS NULL "
        "AND paused_at IS NULL ORDER BY id LIMIT :n",
        i=installation_id,
        n=limit,
    )
    return [decode(row) for row in rows]


async def children(tx: Tx, installation_id: int, parents: Sequence[str], limit: int) -> list[str]:
    """Ids of the direct children, including agents that have left."""
    rows = await tx.all(
        f"SELECT id FROM {sql.by_index(tx.dialect, 'agents', 'ix_agents_parent')} "
        "WHERE installation_id = :i AND parent_id IN :parents ORDER BY id LIMIT :n",
        i=installation_id,
        parents=tuple(parents),
        n=limit,
    )
    return [row["id"] for row in rows]


async def team(tx: Tx, installation_id: int, root_id: str, most: int) -> list[Member]:
    """The agent and all below it on at most so many levels, each after its parent."""
    by_id = "SELECT id, parent_id, spent_of FROM agents WHERE installation_id = :i AND id IN :ids"
    table = sql.by_index(tx.dialect, "agents", "ix_agents_parent")
    by_parent = (
        f"SELECT id, parent_id, spent_of FROM {table} WHERE installation_id = :i "
        "AND parent_id IN :ids"
    )
    found: list[Member] = await tx.all(by_id, i=installation_id, ids=(root_id,))
    level, seen = [root_id], {root_id}
    for _ in range(most):
        below: list[Member] = []
        for n in range(0, len(level), NAMES):
            some = tuple(level[n : n + NAMES])
            below += await tx.all(by_parent, i=installation_id, ids=some)
        below = [each for each in below if each["id"] not in seen]
        level = [each["id"] for each in below]
        seen |= {*level}
        found += below
        if not level:
            break
    return found


async def lock_all(tx: Tx, installation_id: int, agent_ids: Sequence[str]) -> None:
    """Lock the agents, however many they are, in order of id."""
    ordered = sorted(agent_ids)
    for n in range(0, len(ordered), NAMES):
        await lock(tx, installation_id, ordered[n : n + NAMES])


async def levels_below(tx: Tx, installation_id: int, agent_id: str, most: int) -> int:
    """How many levels of agents are below the agent. It looks for at most `most`."""
    level = [agent_id]
    for n in range(most):
        level = await _children_of_all(tx, installation_id, level)
        if not level:
            return n
    return most


async def _children_of_all(tx: Tx, installation_id: int, parents: Sequence[str]) -> list[str]:
    q = "SELECT id FROM agents WHERE installation_id = :i AND parent_id IN :parents"
    found = []
    for n in range(0, len(parents), NAMES):
        some = tuple(parents[n : n + NAMES])
        found += await tx.all(q, i=installation_id, parents=some)
    return [row["id"] for row in found]


async def held_tasks(
    tx: Tx,
    installation_id: int,
    agent_ids: Sequence[str],
    limit: int,
    repositories: Reach = None,
) -> list[str]:
    """The ids of the tasks that any of them holds, in the order in which tasks are locked.

    `repositories`: those within reach.
    """
    rows = await tx.all(
        f"SELECT task_id FROM {sql.by_index(tx.dialect, 'leases', 'ix_leases_holder')} "
        "WHERE installation_id = :i AND holder IN :holders "
        "AND state IN ('held', 'parked')"
        f"{reach.of_task(repositories, 'task_id')} ORDER BY task_id LIMIT :n",
        i=installation_id,
        holders=tuple(agent_ids),
        n=limit,
        **reach.parameters(repositories),
    )
    return [row["task_id"] for row in rows]


async def work_outside(
    tx: Tx, installation_id: int, agent_ids: Sequence[str], repositories: Collection[int]
) -> bool:
    """Whether any of them has a task, or a write that is not sent, outside these repositories."""
    outside = "installation_id = :i AND repository_id NOT IN :reach"
    row = await tx.one(
        f"SELECT 1 AS yes FROM tasks WHERE {outside} AND holder IN :ids "
        f"UNION ALL SELECT 1 FROM tasks WHERE {outside} AND assigned_to IN :ids "
        f"UNION ALL SELECT 1 FROM writes WHERE {outside} AND author IN :ids "
        "AND state IN ('queued', 'sending', 'unknown') LIMIT 1",
        i=installation_id,
        ids=tuple(agent_ids),
        reach=tuple(repositories) or (0,),
    )
    return row is not None


async def holdings(
    tx: Tx, installation_id: int, agent_ids: Sequence[str], each: int
) -> list[Holding]:
    """The tasks that these agents hold, oldest first. `each`: at most this many for one agent."""
    return await tx.all(
        "SELECT held.holder, t.id, t.number, t.repository_id, r.full_name FROM ("
        "SELECT holder, task_id, ROW_NUMBER() OVER (PARTITION BY holder ORDER BY granted_at, id) "
        f"AS place FROM {sql.by_index(tx.dialect, 'leases', 'ix_leases_holder')} "
        "WHERE installation_id = :i AND holder IN :holders "
        "AND state IN ('held', 'parked') AND (expires_at IS NULL OR expires_at > :now)) held "
        f"{sql.IN_ORDER[tx.dialect]} tasks t ON t.installation_id = :i AND t.id = held.task_id "
        "JOIN repositories r ON r.installation_id = :i AND r.id = t.repository_id "
        f"WHERE held.place <= :each AND {VISIBLE} AND {PRESENT} "
        "ORDER BY held.holder, held.place",
        i=installation_id,
        holders=tuple(agent_ids),
        now=await tx.now(),
        each=each,
    )


async def requests_for(tx: Tx, installation_id: int, agent_id: str) -> int:
    """How many mutations were sent to GitHub for the agent within the retention."""
    row = await tx.one(
        "SELECT COALESCE(SUM(requests), 0) AS n FROM spending "
        "WHERE installation_id = :i AND author = :a",
        i=installation_id,
        a=agent_id,
    )
    return int(row["n"]) if row else 0


async def health_reports(tx: Tx, since: int, limit: int) -> list[Report]:
    """Agents of all installations that reported their health and were active since then."""
    rows = await tx.all(
        "SELECT installation_id, id, health FROM agents WHERE last_active_at > :since "
        "AND health IS NOT NULL AND left_at IS NULL ORDER BY installation_id, id LIMIT :n",
        since=since,
        n=limit,
    )
    return [row | {"health": json_text.value(row["health"])} for row in rows]


async def touch(tx: Tx, installation_id: int, agent_id: str, now: int, done: Done) -> Done | None:
    """Record that the agent is active, and what it did since the last time.

    Return what it did in all, in every process, or None if it is not registered.
    """
    await tx.run(
        "UPDATE agents SET last_active_at = :now, calls = calls + :calls, "
        "stored_bytes = stored_bytes + :stored WHERE installation_id = :i AND id = :a",
        now=now,
        calls=done.calls,
        stored=done.stored,
        i=installation_id,
        a=agent_id,
    )
    q = "SELECT calls, stored_bytes FROM agents WHERE installation_id = :i AND id = :a"
    row = await tx.one(q, i=installation_id, a=agent_id)
    return Done(row["calls"], row["stored_bytes"]) if row else None


def _encode(values: Row) -> Row:
    as_json = {c: json.dumps(values[c]) for c in ("capabilities", "health") if c in values}
    return {**values, **as_json}


def decode(row: T) -> T:
    row["health"] = row["health"] and json_text.value(row["health"])
    row["capabilities"] = json_text.value(row["capabilities"])
    return row


_OF_AGENT = (
    "k.installation_id = a.installation_id AND k.actor = a.id AND k.kind IN ('api_key', 'session')"
)
# In it, `k` is another row than around it.
_REVOKED = (
    f"(SELECT MAX(k.revoked_at) FROM credentials k WHERE {_OF_AGENT} AND k.revoked_at IS NOT NULL "
    "AND (k.expires_at IS NULL OR k.expires_at > k.revoked_at))"
)


async def standing(tx: Tx, installation_id: int, agent_id: str) -> Standing | None:
    """None for an agent that never registered, a person and the bot.

    Who revokes a token that has expired stops nobody. A token that expired before another one was
    revoked keeps nobody going.
    """
    return await tx.one(
        f"SELECT a.paused_at, a.paused_by, a.left_at, {_REVOKED} AS revoked_at, "
        f"(SELECT MIN(k.created_at) FROM credentials k WHERE {_OF_AGENT} AND k.revoked_at IS NULL "
        f"AND (k.expires_at IS NULL OR k.expires_at > COALESCE({_REVOKED}, 0))) AS live_since "
        "FROM agents a WHERE a.installation_id = :i AND a.id = :a",
        i=installation_id,
        a=agent_id,
    )


async def count_lease_end(tx: Tx, installation_id: int, agent_id: str, column: str) -> None:
    """Count one more lease that ended as the column says. Lock tasks and leases before."""
    q = f"UPDATE agents SET {column} = {column} + 1 WHERE installation_id = :i AND id = :a"
    await tx.run(q, i=installation_id, a=agent_id)
