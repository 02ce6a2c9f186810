"""Dependency cycles of issues. Issues in a cycle do not block each other.

An issue waits for its blockers and, as a parent, for its sub-issues. Only open issues
block, so a cycle consists of open issues.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from store.engine import key_values
from store.engine.transaction import Row, Tx

# How many issues one search visits. A real plan has fewer; the rest is searched when it changes.
MOST = 2_000
# By kind of relation: the end that waits, and the end that it waits for.
ENDS = {"blocked_by": ("source", "target"), "parent": ("target", "source")}


def _edges(kind: str, *named: str) -> str:
    """SQL for the relations of a kind with these ends."""
    waits, awaited = ENDS[kind]
    end = {"waits": waits, "awaited": awaited}
    among = "".join(f" AND b.{end[each]}_id IN :{each}" for each in named)
    return (
        f"SELECT b.kind, b.{waits}_id AS waits, b.{awaited}_id AS awaited, b.cyclic, "
        "CASE WHEN COALESCE(i.deleted, 0) = 1 THEN 'closed' "
        f"ELSE COALESCE(i.state, b.{awaited}_state) END AS state FROM relations b "
        f"LEFT JOIN issues i ON i.installation_id = b.installation_id AND i.id = b.{awaited}_id "
        f"WHERE b.installation_id = :i AND b.kind = '{kind}'{among}"
    )


WAITS = " UNION ALL ".join(_edges(kind, "waits") for kind in ENDS)


@dataclass(frozen=True)
class Edge:
    """The issue `waits` waits for the issue `awaited` while that is `open`."""

    kind: str
    waits: int
    awaited: int
    cyclic: bool
    open: bool

    @property
    def is_blocking(self) -> bool:
        """Whether `waits` is blocked: `awaited` is open, and they are not in one cycle."""
        return self.open and not self.cyclic


async def edges(tx: Tx, installation_id: int, kind: str, **ends: Collection[int]) -> list[Edge]:
    """The relations of a kind. `ends`: the ids that `waits`, `awaited` or both must be among."""
    if not all(ends.values()):
        return []
    named = {name: tuple(sorted(ids)) for name, ids in ends.items()}
    return _edges_of(await tx.all(_edges(kind, *named), i=installation_id, **named))


def _edges_of(rows: Sequence[Row]) -> list[Edge]:
    return [
        Edge(r["kind"], r["waits"], r["awaited"], bool(r["cyclic"]), r["state"] == "open")
        for r in rows
    ]


async def lock(tx: Tx, installation_id: int) -> None:
    """Lock the installation's dependencies until the transaction ends.

    Without it two transactions could close one cycle and neither would see it.

    It is locked after repositories and before all other rows, which prevents deadlocks.
    """
    await key_values.lock_of(tx, installation_id, "cycles")


async def may_change_cycles(tx: Tx, installation_id: int, issues: Sequence[Row]) -> bool:
    """Whether one of these issues is opened or closed, so that a cycle may form or end."""
    if not issues:
        return False
    rows = await tx.all(
        "SELECT id FROM issues WHERE installation_id = :i AND id IN :ids AND state = 'open' "
        "AND deleted = 0",
        i=installation_id,
        ids=sorted({row["id"] for row in issues}),
    )
    known = {row["id"] for row in rows}
    other = {row["id"] for row in issues if _is_open(row) != (row["id"] in known)}
    return bool(other) and await has_dependencies(tx, installation_id, other)


def _is_open(issue: Row) -> bool:
    return issue["state"] == "open" and not issue["deleted"]


async def update_cycles(tx: Tx, installation_id: int, starts: Collection[int]) -> set[int]:
    """Mark the issues in cycles after a change of these issues. Return those newly in one."""
    if not starts:
        return set()
    await lock(tx, installation_id)
    reached = await reachable(tx, installation_id, starts)
    living = {edge.awaited for edge in reached if edge.open}
    cycles = _cycles([edge for edge in reached if edge.open and edge.waits in living])
    newly: set[int] = set()
    for edge in reached:
        cycle = cycles.get(edge.waits)
        cyclic = cycle is not None and cycle == cycles.get(edge.awaited)
        if cyclic != edge.cyclic:
            await _mark(tx, installation_id, edge, cyclic=cyclic)
            newly |= {edge.waits} if cyclic else set()
    return newly


async def has_dependencies(tx: Tx, installation_id: int, issue_ids: Collection[int]) -> bool:
    """Whether one of the issues blocks another or is blocked."""
    q = (
        "SELECT 1 AS found FROM relations WHERE installation_id = :i "
        "AND kind IN ('blocked_by', 'parent') AND {end}_id IN :ids"
    )
    both = f"{q.format(end='source')} UNION ALL {q.format(end='target')} LIMIT 1"
    return await tx.one(both, i=installation_id, ids=sorted(issue_ids)) is not None


async def with_dependencies(tx: Tx, installation_id: int, issue_ids: Collection[int]) -> set[int]:
    """Which of the issues block others or are blocked."""
    q = (
        "SELECT {end}_id AS id FROM relations WHERE installation_id = :i "
        "AND kind IN ('blocked_by', 'parent') AND {end}_id IN :ids"
    )
    both = f"{q.format(end='source')} UNION {q.format(end='target')}"
    rows = await tx.all(both, i=installation_id, ids=sorted(issue_ids))
    return {row["id"] for row in rows}


async def reachable(tx: Tx, installation_id: int, starts: Collection[int]) -> list[Edge]:
    """All that these issues wait for, directly or not. It contains every cycle through them."""
    reached: list[Edge] = []
    seen, ahead = set(starts), set(starts)
    while ahead and len(seen) < MOST:
        found = _edges_of(await tx.all(WAITS, i=installation_id, waits=tuple(sorted(ahead))))
        reached += found
        ahead = {edge.awaited for edge in found} - seen
        seen |= ahead
    return reached


def _cycles(edges: Iterable[Edge]) -> dict[int, int]:
    """The cycle of each issue that is in one, by Kosaraju's strong components."""
    onward: dict[int, list[int]] = {}
    back: dict[int, list[int]] = {}
    for edge in edges:
        onward.setdefault(edge.waits, []).append(edge.awaited)
        back.setdefault(edge.awaited, []).append(edge.waits)
    order: list[int] = []
    seen: set[int] = set()
    for node in onward:
        order += _after(node, onward, seen)
    cycles: dict[int, int] = {}
    seen = set()
    for node in reversed(order):
        component = _after(node, back, seen)
        if len(component) > 1:
            cycles |= dict.fromkeys(component, node)
    return cycles


def _after(node: int, edges: dict[int, list[int]], seen: set[int]) -> list[int]:
    """The unseen nodes that can be reached from this node, in post-order."""
    if node in seen:
        return []
    seen.add(node)
    done: list[int] = []
    path = [(node, iter(edges.get(node, ())))]
    while path:
        here, rest = path[-1]
        following = next((each for each in rest if each not in seen), None)
        if following is None:
            done.append(here)
            path.pop()
        else:
            seen.add(following)
            path.append((following, iter(edges.get(following, ()))))
    return done


async def _mark(tx: Tx, installation_id: int, edge: Edge, *, cyclic: bool) -> None:
    waits, awaited = ENDS[edge.kind]
    await tx.run(
        "UPDATE relations SET cyclic = :cyclic WHERE installation_id = :i AND kind = :kind "
        f"AND {waits}_id = :waits AND {awaited}_id = :awaited",
        cyclic=int(cyclic),
        i=installation_id,
        kind=edge.kind,
        waits=edge.waits,
        awaited=edge.awaited,
    )
