"""Consultations: one agent's question to several, with their answers or votes."""

from collections.abc import Sequence
from typing import TypedDict, cast

from store.engine import json_text, sql
from store.engine.transaction import Row, Tx
from store.tables.consultations import ConsultationAnswerRow, ConsultationRow, ConsultationState

ROW = tuple(ConsultationRow.__annotations__)
ANSWER = tuple(ConsultationAnswerRow.__annotations__)
ANSWER_KEY = ("installation_id", "consultation_id", "agent_id")
ONE = "installation_id = :i AND id = :c"
ANSWERS = "installation_id = :i AND consultation_id = :c"


class Due(TypedDict):
    installation_id: int
    id: str


async def add(tx: Tx, row: ConsultationRow) -> None:
    given = {**row, "options": row["options"] and json_text.text(row["options"])}
    await tx.run(sql.insert("consultations", ROW), **given)


def _decode(row: Row | None) -> ConsultationRow | None:
    if row is None:
        return None
    options = row["options"]
    found = {**row, "options": None if options is None else json_text.value(options)}
    return cast("ConsultationRow", found)


async def get(
    tx: Tx, installation_id: int, consultation_id: str, *, lock: bool = False
) -> ConsultationRow | None:
    q = f"SELECT * FROM consultations WHERE {ONE}"
    if lock:
        q += " FOR UPDATE"
    return _decode(await tx.one(q, i=installation_id, c=consultation_id))


async def several(tx: Tx, installation_id: int, ids: Sequence[str]) -> dict[str, ConsultationRow]:
    """Those of the messages that are questions of a consultation."""
    q = "SELECT * FROM consultations WHERE installation_id = :i AND id IN :ids"
    rows = await tx.all(q, i=installation_id, ids=list(ids)) if ids else []
    decoded = (_decode(row) for row in rows)
    return {row["id"]: row for row in decoded if row is not None}


async def end(
    tx: Tx,
    installation_id: int,
    consultation_id: str,
    state: ConsultationState,
    outcome: str | None,
) -> None:
    """End it. Its question is valid no longer, so agents that register later do not get it."""
    now = await tx.now()
    await tx.run(
        f"UPDATE consultations SET state = :state, outcome = :outcome, ended_at = :now WHERE {ONE}",
        state=state,
        outcome=outcome,
        now=now,
        i=installation_id,
        c=consultation_id,
    )
    q = f"UPDATE messages SET expires_at = :now WHERE {ONE} AND expires_at > :now"
    await tx.run(q, now=now, i=installation_id, c=consultation_id)


async def put_answer(tx: Tx, row: ConsultationAnswerRow) -> None:
    await tx.run(sql.upsert(tx.dialect, "consultation_answers", ANSWER, ANSWER_KEY), **row)


async def answers(
    tx: Tx, installation_id: int, consultation_id: str
) -> list[ConsultationAnswerRow]:
    """The answers or votes, the oldest first."""
    q = f"SELECT * FROM consultation_answers WHERE {ANSWERS} ORDER BY at, agent_id"
    return await tx.all(q, i=installation_id, c=consultation_id)


async def mark_seen(tx: Tx, installation_id: int, consultation_id: str) -> None:
    """Mark that the asker got all answers."""
    q = f"UPDATE consultation_answers SET seen_at = :now WHERE {ANSWERS} AND seen_at IS NULL"
    await tx.run(q, now=await tx.now(), i=installation_id, c=consultation_id)


async def has_unseen(tx: Tx, installation_id: int, consultation_id: str) -> bool:
    q = f"SELECT 1 AS n FROM consultation_answers WHERE {ANSWERS} AND seen_at IS NULL LIMIT 1"
    return await tx.one(q, i=installation_id, c=consultation_id) is not None


async def busy_with(tx: Tx, installation_id: int, message_id: str) -> list[str]:
    """The agents that got the question and may be at work on an answer."""
    rows = await tx.all(
        f"SELECT agent_id FROM {sql.by_index(tx.dialect, 'receipts', 'ix_receipts_message')} "
        "WHERE installation_id = :i AND message_id = :m "
        "AND (attempts > 0 OR read_at IS NOT NULL) AND state <> 'dead' ORDER BY agent_id",
        i=installation_id,
        m=message_id,
    )
    return [row["agent_id"] for row in rows]


async def withdraw_unread(tx: Tx, installation_id: int, message_id: str) -> None:
    """Take the question out of the mailboxes of those who have not read it."""
    await tx.run(
        "UPDATE receipts SET state = 'deleted', ended_at = :now WHERE installation_id = :i "
        "AND message_id = :m AND state IN ('pending', 'delivered', 'dead')",
        now=await tx.now(),
        i=installation_id,
        m=message_id,
    )


async def was_asked(tx: Tx, installation_id: int, consultation_id: str, agent_id: str) -> bool:
    q = (
        "SELECT 1 AS n FROM receipts WHERE installation_id = :i AND agent_id = :a "
        "AND message_id = :c"
    )
    return await tx.one(q, i=installation_id, a=agent_id, c=consultation_id) is not None


async def askees(tx: Tx, installation_id: int, consultation_id: str) -> list[str]:
    q = (
        f"SELECT agent_id FROM {sql.by_index(tx.dialect, 'receipts', 'ix_receipts_message')} "
        "WHERE installation_id = :i AND message_id = :c ORDER BY agent_id"
    )
    rows = await tx.all(q, i=installation_id, c=consultation_id)
    return [row["agent_id"] for row in rows]


async def open_of(tx: Tx, installation_id: int, asker: str) -> int:
    """How many questions of the agent are open."""
    row = await tx.one(
        "SELECT COUNT(*) AS n FROM consultations WHERE installation_id = :i AND asker = :a "
        "AND state = 'open'",
        i=installation_id,
        a=asker,
    )
    return int(row["n"]) if row else 0


async def overdue(tx: Tx, limit: int) -> list[Due]:
    """Open consultations whose time is over."""
    q = (
        f"SELECT installation_id, id FROM {_by_expiry(tx)} "
        "WHERE state = 'open' AND expires_at <= :now ORDER BY expires_at LIMIT :n"
    )
    return await tx.all(q, now=await tx.now(), n=limit)


async def without_agent(tx: Tx, limit: int) -> list[Due]:
    """Open consultations whose asker has left, or the only agent that was asked."""
    q = (
        f"SELECT c.installation_id, c.id FROM {_by_expiry(tx, 'c')} "
        "JOIN agents a ON a.installation_id = c.installation_id AND a.id = c.asker "
        "LEFT JOIN agents s ON s.installation_id = c.installation_id AND s.id = c.sole "
        "WHERE c.state = 'open' AND (a.left_at IS NOT NULL OR s.left_at IS NOT NULL) LIMIT :n"
    )
    return await tx.all(q, n=limit)


async def is_without_agent(tx: Tx, installation_id: int, row: ConsultationRow) -> bool:
    q = (
        "SELECT 1 AS n FROM agents WHERE installation_id = :i AND id IN :ids "
        "AND left_at IS NOT NULL LIMIT 1"
    )
    names = [each for each in (row["asker"], row["sole"]) if each]
    return await tx.one(q, i=installation_id, ids=names) is not None


def _by_expiry(tx: Tx, alias: str = "") -> str:
    return sql.by_index(tx.dialect, f"consultations {alias}".strip(), "ix_consultations_expiry")
