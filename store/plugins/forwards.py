"""Deliveries of GitHub that are forwarded to apps of others."""

from collections.abc import Collection, Sequence
from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.plugins import ForwardState, PluginForwardRow

COLUMNS = (
    "installation_id",
    "plugin",
    "guid",
    "event",
    "repository_id",
    "received_at",
    "state",
    "attempts",
    "not_before",
)
KEY = COLUMNS[:3]


class Accepted(TypedDict):
    """A delivery in the inbox, without its payload."""

    guid: str
    event: str
    action: str
    repository_id: int | None
    received_at: int


async def newer(tx: Tx, installation_id: int, after: tuple[int, str], limit: int) -> list[Accepted]:
    """The deliveries that came after a time and a GUID, in the order in which they came."""
    at, guid = after
    return await tx.all(
        "SELECT guid, event, action, repository_id, received_at FROM deliveries "
        "WHERE installation_id = :i AND state IN ('received', 'processed', 'failed', 'dead') "
        "AND received_at >= :at AND (received_at > :at OR guid > :guid) "
        "ORDER BY received_at, guid LIMIT :n",
        i=installation_id,
        at=at,
        guid=guid,
        n=limit,
    )


async def add(tx: Tx, installation_id: int, plugin: str, wanted: Sequence[Accepted]) -> None:
    """Have deliveries forwarded, each once."""
    now = await tx.now()
    await tx.many(
        sql.insert_new(tx.dialect, "plugin_forwards", COLUMNS, KEY),
        [
            {
                "installation_id": installation_id,
                "plugin": plugin,
                "guid": each["guid"],
                "event": each["event"],
                "repository_id": each["repository_id"] or 0,
                "received_at": each["received_at"],
                "state": "waiting",
                "attempts": 0,
                "not_before": now,
            }
            for each in wanted
        ],
    )


async def waiting(
    tx: Tx, installation_id: int, plugin: str, but_not: Collection[int], limit: int
) -> list[PluginForwardRow]:
    """The oldest that wait, without those of some repositories."""
    but = "AND repository_id NOT IN :but_not " if but_not else ""
    return await tx.all(
        "SELECT * FROM plugin_forwards WHERE installation_id = :i AND plugin = :p "
        f"AND state = 'waiting' {but}ORDER BY received_at, guid LIMIT :n",
        i=installation_id,
        p=plugin,
        n=limit,
        **({"but_not": tuple(but_not)} if but_not else {}),
    )


async def end_attempt(
    tx: Tx, row: PluginForwardRow, state: ForwardState, not_before: int, why: str | None
) -> None:
    q = (
        "UPDATE plugin_forwards SET state = :state, attempts = attempts + 1, "
        "not_before = :at, why = :why WHERE installation_id = :i AND plugin = :p AND guid = :g "
        "AND state = 'waiting'"
    )
    here = {"i": row["installation_id"], "p": row["plugin"], "g": row["guid"]}
    await tx.run(q, **here, state=state, at=not_before, why=why and why[:300])


async def counts(tx: Tx, installation_id: int, plugin: str) -> dict[str, int]:
    """How many there are, by state."""
    rows = await tx.all(
        "SELECT state, COUNT(*) AS n FROM plugin_forwards WHERE installation_id = :i "
        "AND plugin = :p GROUP BY state",
        i=installation_id,
        p=plugin,
    )
    return {row["state"]: row["n"] for row in rows}


async def dead(tx: Tx, installation_id: int, plugin: str, limit: int) -> list[PluginForwardRow]:
    """The newest that were given up."""
    return await tx.all(
        "SELECT * FROM plugin_forwards WHERE installation_id = :i AND plugin = :p "
        "AND state = 'dead' ORDER BY received_at DESC, guid LIMIT :n",
        i=installation_id,
        p=plugin,
        n=limit,
    )


async def revive(tx: Tx, installation_id: int, plugin: str) -> int:
    """Try those again that were given up. Return how many there are."""
    q = (
        "UPDATE plugin_forwards SET state = 'waiting', attempts = 0, not_before = :now, "
        "why = NULL WHERE installation_id = :i AND plugin = :p AND state = 'dead'"
    )
    return await tx.run(q, i=installation_id, p=plugin, now=await tx.now())
