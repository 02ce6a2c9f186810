"""Notices: what an agent should know now, attached to the answer of whichever operation it calls.

What happened is stored as rows, see `bot.kernel.notice_rules`. Other notices follow from the state
of the database. Some of these are true for a while, and `bot.dispatch.sent_notices` repeats them
only after some minutes.

A notice is marked as received when the agent calls again, because only then it is sure that the
answer arrived. A repeat of the same call may be a retry after a lost answer, so it gets the same
notices again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bot.identity.actors import Actor
from bot.kernel.event_stream import reaches
from bot.kernel.operation import Notice
from bot.messages import notice_parts
from bot.messages.notice_parts import LATELY, MOST, Asker
from bot.messages.notice_sources import SOURCES, source_of
from store import events
from store.agents import call_state
from store.agents.call_state import CallState
from store.engine.transaction import Tx
from store.messages import stored_notices
from store.tables.messages import NoticeRow

# After so many repeats of the same call, its notices count as received.
MOST_TIMES = 2


async def call_state_of(tx: Tx, actor: Actor, now: int) -> CallState:
    """What a call of the actor needs to know, with the kinds of notices that are due."""
    return await call_state.of(
        tx,
        actor.installation_id,
        actor.name,
        now - LATELY,
        leads=actor.may("tech-lead"),
        repositories=actor.repositories,
    )


async def current(tx: Tx, actor: Actor, now: int, named: Collection[str] = ()) -> list[Notice]:
    """The notices for an agent now, as `of_kinds` has them."""
    if actor.is_person:
        return []
    state = await call_state_of(tx, actor, now)
    return await of_kinds(Asker(tx, actor, now, named), state["due"])


async def of_kinds(asker: Asker, due: Sequence[str]) -> list[Notice]:
    """The notices of these kinds for an agent, most urgent first. People get none."""
    found: list[Notice] = []
    for kind in () if asker.actor.is_person else due:
        found += await SOURCES[kind].find(asker)
    return sorted(found, key=lambda each: notice_parts.rank(each.kind))[:MOST]


async def past(tx: Tx, actor: Actor, limit: int) -> list[NoticeRow]:
    """The newest notices that the agent may see, with the names of their tasks as subjects."""
    here = (tx, actor.installation_id)
    rows = await stored_notices.newest(*here, actor.name, limit)
    about = [row for row in rows if row["repository_id"] is not None]
    names = await events.names(*here, {row["subject"] for row in about})
    visible = await events.visible(*here, {row["repository_id"] or 0 for row in about})
    return [
        {**row, "subject": names.get(row["subject"], row["subject"])}
        for row in rows
        if (row["repository_id"] in visible and reaches(actor, row["repository_id"]))
        or (row["repository_id"] is None and not _may_name_one(actor, row["kind"]))
    ]


def _may_name_one(actor: Actor, kind: str) -> bool:
    """Whether the text may name a repository out of reach: older rows do not say which one."""
    return kind == "write_failed" and actor.repositories is not None


@dataclass(frozen=True)
class Unconfirmed:
    """Notices in an answer that may be lost. `call` is the digest of the call."""

    call: str
    notices: Sequence[Notice]
    # How many times in a row the agent made this call.
    times: int = 1

    def may_be_retried_by(self, call: str) -> bool:
        return call == self.call and self.times < MOST_TIMES


def comes_once(notice: Notice) -> bool:
    """Whether a row remembers that the agent got it."""
    return source_of(notice.kind).mark_notified is not None


def sent_again(found: Sequence[Notice], call: str, before: Unconfirmed | None) -> Unconfirmed:
    """What to confirm at the next call. `before`: what was sent with the answer before."""
    return Unconfirmed(call, found, before.times + 1 if before and before.call == call else 1)


async def mark_notified(tx: Tx, actor: Actor, received: Sequence[Notice]) -> None:
    here = (tx, actor.installation_id, actor.name)
    for each in received:
        if mark := source_of(each.kind).mark_notified:
            await mark(*here, each)
    await stored_notices.drop_old(*here)
