"""The inbox: GitHub's webhook deliveries by GUID, kept long after they are processed."""

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.inbox.fair_batch import fair_batch
from store.inbox.missed_deliveries import DeliveryInfo
from store.tables.inbox import DeliveryRow

COLUMNS = (
    "installation_id",
    "guid",
    "event",
    "action",
    "repository_id",
    "not_before",
    "received_at",
    "payload",
    "number",
    "text_at",
    "trace",
)
KEY = ("installation_id", "guid")
# What changes, with `not_before`, when a dead delivery is retried.
RENEWED = ("attempts", "error", "state")
DEAD = ("state", "dead")
ZLIB = b"\x78"
LARGE = 100_000
STATES = ("received", "processed", "failed", "dead")
# After each failed attempt: seconds until the next. Then the delivery is dead.
BACKOFF_S = (1, 5, 30, 120, 600)


class DeliveryKey(TypedDict):
    installation_id: int
    guid: str


class DueDelivery(DeliveryKey):
    """`size`: the bytes of the stored payload."""

    repository_id: int | None
    state: str
    size: int


class DeliveryCount(TypedDict):
    event: str
    action: str
    state: str
    outcome: str | None
    n: int


@dataclass(frozen=True)
class Delivery:
    """`number` and `text_at` are those of a text that may have commands."""

    installation_id: int
    guid: str
    event: str
    action: str
    repository_id: int | None
    payload: bytes
    number: int | None = None
    text_at: int | None = None
    # The trace that it belongs to, as a W3C traceparent.
    trace: str | None = None

    @property
    def key(self) -> DeliveryKey:
        return {"installation_id": self.installation_id, "guid": self.guid}


async def receive(tx: Tx, arrived: Sequence[Delivery]) -> None:
    """Store new deliveries. A dead delivery that comes again is retried."""
    now = await tx.now()
    await tx.many(
        sql.insert_or_renew(
            tx.dialect, "deliveries", (*COLUMNS, *RENEWED), KEY, (*RENEWED, "not_before"), DEAD
        ),
        [
            {
                **each.key,
                "event": each.event,
                "action": each.action,
                "repository_id": each.repository_id,
                "received_at": now,
                "payload": _as_received(each.payload),
                "number": each.number,
                "text_at": each.text_at,
                "trace": each.trace,
                "state": "received",
                "not_before": now,
                "attempts": 0,
                "error": None,
            }
            for each in sorted(arrived, key=lambda each: (each.installation_id, each.guid))
        ],
    )
    tx.rings.add("inbox")


async def revive(tx: Tx, installation_id: int, guids: Sequence[str]) -> int:
    """Retry dead deliveries. Return how many there were."""
    tx.rings.add("inbox")
    return await tx.run(
        "UPDATE deliveries SET state = 'received', attempts = 0, not_before = :now, error = NULL "
        "WHERE installation_id = :i AND guid IN :guids AND state = 'dead'",
        now=await tx.now(),
        i=installation_id,
        guids=tuple(guids),
    )


async def due(tx: Tx, limit: int) -> list[DueDelivery]:
    """The deliveries to process: new ones first, oldest first, then failed ones.

    No installation takes all places with new ones.
    """
    new = await fair_batch(limit, partial(_due, tx, "received"))
    return new if len(new) == limit else new + await _due(tx, "failed", limit - len(new))


async def _due(tx: Tx, state: str, limit: int, but_not: Collection[int] = ()) -> list[DueDelivery]:
    but = "AND installation_id NOT IN :but_not " if but_not else ""
    return await tx.all(
        "SELECT installation_id, guid, repository_id, state, LENGTH(payload) AS size "
        "FROM deliveries WHERE state = :state "
        f"AND not_before <= :now {but}ORDER BY not_before LIMIT :n",
        state=state,
        now=await tx.now(),
        n=limit,
        **({"but_not": tuple(but_not)} if but_not else {}),
    )


async def lock(tx: Tx, installation_id: int, guids: Sequence[str]) -> set[str]:
    """Lock deliveries for processing. Return those that were not processed yet."""
    rows = await tx.all(
        "SELECT guid FROM deliveries WHERE installation_id = :i AND guid IN :guids "
        "AND state IN ('received', 'failed') FOR UPDATE",
        i=installation_id,
        guids=tuple(guids),
    )
    return {row["guid"] for row in rows}


async def to_process(
    tx: Tx, installation_id: int, guids: Sequence[str]
) -> list[tuple[DeliveryRow, Delivery]]:
    """Those of the deliveries that were not processed yet, in the order of `guids`."""
    rows = await tx.all(
        "SELECT * FROM deliveries WHERE installation_id = :i AND guid IN :guids "
        "AND state IN ('received', 'failed')",
        i=installation_id,
        guids=tuple(guids),
    )
    by_guid = {row["guid"]: row for row in rows}
    return [(by_guid[guid], _delivery(by_guid[guid])) for guid in guids if guid in by_guid]


async def get(tx: Tx, installation_id: int, guid: str) -> tuple[DeliveryRow, Delivery] | None:
    q = "SELECT * FROM deliveries WHERE installation_id = :i AND guid = :g"
    row = await tx.one(q, i=installation_id, g=guid)
    return (row, _delivery(row)) if row else None


async def mark_processed(
    tx: Tx, installation_id: int, outcome: str, packed: Mapping[str, bytes]
) -> None:
    """`outcome`: mirrored, kept (we do nothing with such an event), or malformed.

    `packed`: by GUID, the payloads as `pack` returns them.
    """
    payloads = {f"payload_{n}": payload for n, payload in enumerate(packed.values())}
    guids = {f"guid_{n}": guid for n, guid in enumerate(packed)}
    cases = " ".join(f"WHEN :guid_{n} THEN :payload_{n}" for n in range(len(packed)))
    await tx.run(
        "UPDATE deliveries SET state = 'processed', outcome = :outcome, error = NULL, "
        f"payload = CASE guid {cases} END, processed_at = :now "
        f"WHERE installation_id = :i AND guid IN ({', '.join(f':{each}' for each in guids)})",
        outcome=outcome,
        now=await tx.now(),
        i=installation_id,
        **guids,
        **payloads,
    )


async def mark_failed(tx: Tx, installation_id: int, guid: str, error: str) -> str:
    """Record a failed attempt. Return the new state: failed or dead."""
    row = await tx.one(
        "SELECT attempts FROM deliveries WHERE installation_id = :i AND guid = :g "
        "AND state IN ('received', 'failed') FOR UPDATE",
        i=installation_id,
        g=guid,
    )
    if row is None:
        return "processed"
    attempts = row["attempts"]
    dead = attempts >= len(BACKOFF_S)
    wait = 0 if dead else BACKOFF_S[attempts] * 1_000_000
    await tx.run(
        "UPDATE deliveries SET state = :state, attempts = :attempts, not_before = :at, "
        "error = :error WHERE installation_id = :i AND guid = :g",
        state="dead" if dead else "failed",
        attempts=attempts + 1,
        at=await tx.now() + wait,
        error=error[:4000],
        i=installation_id,
        g=guid,
    )
    return "dead" if dead else "failed"


async def newest(tx: Tx, state: str | None, limit: int) -> list[DeliveryInfo]:
    """The newest deliveries, without their payloads."""
    q = (
        "SELECT installation_id, guid, event, action, repository_id, state, outcome, attempts, "
        "error, received_at, processed_at FROM deliveries "
        f"{'WHERE state = :state ' if state else ''}ORDER BY received_at DESC, guid LIMIT :n"
    )
    return await tx.all(q, n=limit, **({"state": state} if state else {}))


async def counts(tx: Tx) -> list[DeliveryCount]:
    """How many of each event and action, by state and outcome."""
    return await tx.all(
        "SELECT event, action, state, outcome, COUNT(*) AS n FROM deliveries "
        "GROUP BY event, action, state, outcome ORDER BY event, action, state, outcome"
    )


async def oldest(tx: Tx) -> int | None:
    """When the oldest delivery that is not in the mirror yet came in, of all installations."""
    by_state = sql.by_index(tx.dialect, "deliveries", "ix_deliveries_state")
    q = f"SELECT MIN(received_at) AS at FROM {by_state} WHERE state IN ('received', 'failed')"
    row = await tx.one(q)
    return row["at"] if row else None


async def installations_of(tx: Tx, guid: str) -> list[int]:
    """The installations that have this GUID."""
    rows = await tx.all("SELECT installation_id FROM deliveries WHERE guid = :g", g=guid)
    return [row["installation_id"] for row in rows]


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        installation_id=row["installation_id"],
        guid=row["guid"],
        event=row["event"],
        action=row["action"],
        repository_id=row["repository_id"],
        payload=_unpack(row["payload"]),
        trace=row["trace"],
    )


def _as_received(payload: bytes) -> bytes:
    """The payload as stored first: uncompressed, unless it is too large for a packet."""
    return payload if len(payload) < LARGE else pack(payload)


def pack(payload: bytes) -> bytes:
    """The payload as it is kept: compressed."""
    return zlib.compress(payload, 1)


def _unpack(payload: bytes) -> bytes:
    """The payload, decompressed if needed. No JSON begins like zlib's data."""
    return zlib.decompress(payload) if payload[:1] == ZLIB else payload
