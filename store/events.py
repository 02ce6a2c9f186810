"""The event log of an installation, in order. New events wake the callers that wait."""

from collections.abc import Collection, Mapping
from typing import Any, TypedDict

from store.engine import json_text, key_values, sequences, sql
from store.engine.transaction import Tx
from store.mirror.stored_repositories import PRESENT, VISIBLE
from store.tables.events import EventRow

# Above every number of an event.
LAST = 2**63 - 1
# The name of the number up to which old events may have been deleted.
FLOOR = "events forgotten"


class LoggedEvent(TypedDict):
    seq: int
    at: int
    kind: str
    subject: str
    actor: str
    data: dict[str, Any]
    audience: str | None
    repository_id: int | None


async def append(
    tx: Tx,
    installation_id: int,
    kind: str,
    subject: str,
    actor: str,
    data: Mapping[str, object],
    *,
    audience: str | None = None,
    repository_id: int | None = None,
) -> None:
    """Append an event. `kind` is `<topic>.<what>`, such as task.claimed.

    `audience`: the only agent that sees it. An event with a `repository_id` is visible only to
    those who may see that repository.
    """
    event = {
        "at": await tx.now(),
        "kind": kind,
        "subject": subject,
        "actor": actor,
        "data": json_text.text(dict(data)),
        "audience": audience,
        "repository_id": repository_id,
    }
    sequences.append(tx, "events", installation_id, event)
    tx.rings.add(f"installation {installation_id}")


async def since(
    tx: Tx, installation_id: int, after: int, upto: int, limit: int
) -> list[LoggedEvent]:
    """The events after one number up to another, in order."""
    rows = await tx.all(
        "SELECT seq, at, kind, subject, actor, data, audience, repository_id FROM events "
        "WHERE installation_id = :i AND seq > :after AND seq <= :upto ORDER BY seq LIMIT :n",
        i=installation_id,
        after=after,
        upto=upto,
        n=limit,
    )
    return [row | {"data": json_text.value(row["data"])} for row in rows]


async def newest(tx: Tx, installation_id: int, subject: str, kind: str) -> EventRow | None:
    """The newest event of a kind about a subject."""
    return await tx.one(
        "SELECT * FROM events WHERE installation_id = :i AND subject = :s AND kind = :k "
        "ORDER BY seq DESC LIMIT 1",
        i=installation_id,
        s=subject,
        k=kind,
    )


async def of_subject(
    tx: Tx, installation_id: int, subject: str, limit: int, before: int = LAST
) -> list[LoggedEvent]:
    """The newest events about a subject that everybody may see, the newest first.

    `before`: only those with a smaller number.
    """
    rows = await tx.all(
        "SELECT seq, at, kind, subject, actor, data, audience, repository_id "
        f"FROM {sql.by_index(tx.dialect, 'events', 'ix_events_subject')} "
        "WHERE installation_id = :i AND subject = :s AND audience IS NULL AND seq < :before "
        "ORDER BY seq DESC LIMIT :n",
        i=installation_id,
        s=subject,
        before=before,
        n=limit,
    )
    return [row | {"data": json_text.value(row["data"])} for row in rows]


async def floor(tx: Tx, installation_id: int) -> int:
    """Old events up to this number may have been deleted."""
    return int(await key_values.get_of(tx, installation_id, FLOOR) or 0)


async def set_floor(tx: Tx, installation_id: int, upto: int) -> None:
    await key_values.put_of(tx, installation_id, FLOOR, str(upto))


async def names(tx: Tx, installation_id: int, task_ids: Collection[str]) -> dict[str, str]:
    """The names, `owner/repo#12`, of those tasks that have a number."""
    if not task_ids:
        return {}
    rows = await tx.all(
        "SELECT t.id, t.number, r.full_name FROM tasks t JOIN repositories r "
        "ON r.installation_id = t.installation_id AND r.id = t.repository_id "
        "WHERE t.installation_id = :i AND t.id IN :ids AND t.number IS NOT NULL",
        i=installation_id,
        ids=tuple(task_ids),
    )
    return {row["id"]: f"{row['full_name']}#{row['number']}" for row in rows}


async def visible(tx: Tx, installation_id: int, repository_ids: Collection[int]) -> set[int]:
    """The repositories among these that the installation covers now."""
    if not repository_ids:
        return set()
    rows = await tx.all(
        f"SELECT r.id FROM repositories r WHERE r.installation_id = :i AND r.id IN :ids "
        f"AND {VISIBLE} AND {PRESENT}",
        i=installation_id,
        ids=tuple(repository_ids),
    )
    return {row["id"] for row in rows}
