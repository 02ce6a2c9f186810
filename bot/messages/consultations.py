"""Consultations: how answers and votes count, and how a consultation ends."""

from collections.abc import Collection, Sequence

from bot.errors import Refused
from bot.identity.actors import BOT
from bot.kernel import event_recorder
from bot.kernel.notice_rules import Happening
from bot.messages import deadlocks, delivery
from store.engine.transaction import Tx
from store.messages import consultations, mailbox, receipts, wait_circles
from store.tables.consultations import (
    ConsultationAnswerRow,
    ConsultationRow,
    ConsultationState,
)
from store.tables.messages import MessageRow

# Agents that one question asks.
MOST_ASKED = 50
BATCH = 50


def count(row: ConsultationRow, answers: Sequence[ConsultationAnswerRow]) -> dict[str, int]:
    """The votes for each option, in the order of the options."""
    choices = [each["choice"] for each in answers]
    return {each: choices.count(each) for each in row["options"] or ()}


def votes_text(votes: dict[str, int]) -> str:
    return ", ".join(f"{option} {n}" for option, n in votes.items())


def choice_of(body: str, options: Collection[str]) -> str | None:
    """The option that a vote names: its first line, or what stands before a colon in it."""
    line = (body.strip().splitlines() or [""])[0].strip()
    for option in sorted(options, key=len, reverse=True):
        start, rest = line[: len(option)], line[len(option) :].strip()
        if start.casefold() == option.casefold() and (not rest or rest.startswith(":")):
            return option
    return None


async def of_reply(
    tx: Tx, installation_id: int, reply_to: str | None, to: str, sender: str
) -> ConsultationRow | None:
    """The open consultation that a message answers, locked. Raise Refused if it is over.

    A message answers one if it replies to the question itself, goes to the asker, and its sender
    was asked.
    """
    here = (tx, installation_id)
    row = await consultations.get(*here, reply_to) if reply_to else None
    if row is None or to != row["asker"]:
        return None
    if not await consultations.was_asked(*here, row["id"], sender):
        return None
    row = await consultations.get(*here, row["id"], lock=True)
    if row is None or (row["state"] == "answered" and row["outcome"] == sender):
        return None  # the winner goes on talking
    if row["state"] != "open" or row["expires_at"] <= await tx.now():
        raise await late_error(tx, row)
    return row


async def late_error(tx: Tx, row: ConsultationRow) -> Refused:
    answers = await consultations.answers(tx, row["installation_id"], row["id"])
    return Refused(
        "too_late",
        f"{over(row, answers)} Nothing was sent, and nothing more is needed. To write to "
        f"{row['asker']} anyway, send a message without `reply_to`.",
        state=row["state"],
        outcome=row["outcome"],
    )


def over(row: ConsultationRow, answers: Sequence[ConsultationAnswerRow]) -> str:
    """How the consultation ended, in one sentence."""
    asker, outcome = row["asker"], row["outcome"]
    what = f"{'vote' if row['options'] else 'question'} {row['id']}"
    votes = votes_text(count(row, answers))
    return {
        "answered": f"{outcome} answered the {what} of {asker}.",
        "decided": f"The {what} of {asker} is decided for {outcome}: {votes}.",
        "undecided": f"The {what} of {asker} ended without a decision: {votes}.",
        "withdrawn": f"{asker} took the {what} back.",
        "ended": f"The {what} of {asker} ended, because an agent that it needs has left.",
    }.get(row["state"], f"The time for the {what} of {asker} is over.")


async def record(tx: Tx, row: ConsultationRow, answer: MessageRow, choice: str | None) -> str:
    """Record an answer or a vote to the locked, open consultation. Return what came of it."""
    here, sender = (tx, row["installation_id"]), answer["sender"]
    await consultations.put_answer(
        tx,
        {
            "installation_id": row["installation_id"],
            "consultation_id": row["id"],
            "agent_id": sender,
            "message_id": answer["id"],
            "choice": choice,
            "at": answer["sent_at"],
            "seen_at": None,
        },
    )
    if await mailbox.lock_receipts(*here, sender, [row["id"]]):
        await mailbox.mark_read(*here, sender, [row["id"]])
    if choice is None and not row["judged"]:
        await finish(tx, row, "answered", sender, sender)
        return f"Your answer is the first, so {row['asker']} takes it."
    data = {"choice": choice} if choice else {}
    await delivery.notify_sender(tx, "answered", answer | {"sender": row["asker"]}, sender, **data)
    if choice is None:
        return f"{row['asker']} decides whether to take your answer."
    return await _decide(tx, row, choice, sender)


async def _decide(tx: Tx, row: ConsultationRow, choice: str, voter: str) -> str:
    here = (tx, row["installation_id"], row["id"])
    answers = await consultations.answers(*here)
    votes = count(row, answers)
    if votes[choice] >= row["quorum"]:
        await finish(tx, row, "decided", choice, voter)
        return f"Your vote decided it: {votes_text(votes)}."
    if len(answers) >= len(await consultations.askees(*here)):
        await finish(tx, row, "undecided", None, voter)
        return f"All have voted, and no option has {row['quorum']} votes: {votes_text(votes)}."
    return (
        f"So far: {votes_text(votes)}; {row['quorum']} must agree. Vote again to change your vote."
    )


async def finish(
    tx: Tx, row: ConsultationRow, state: ConsultationState, outcome: str | None, actor: str
) -> None:
    """End a locked, open consultation. Nobody gets its question any more."""
    installation_id, question = row["installation_id"], row["id"]
    here = (tx, installation_id)
    busy = await consultations.busy_with(*here, question)
    waiting = await receipts.waiting(*here, question)
    await consultations.end(*here, question, state, outcome)
    await consultations.withdraw_unread(*here, question)
    await delivery.record_mailbox_change(*here, waiting, actor)
    answers = await consultations.answers(*here, question)
    ended: ConsultationRow = {**row, "state": state, "outcome": outcome}
    about = {each["agent_id"] for each in answers}
    for each in sorted({row["asker"], *busy, *about}):
        await _tell(tx, ended, answers, each, actor)
    if row["sole"] is not None and await wait_circles.is_in_circle(*here, row["asker"]):
        await deadlocks.refresh(*here)


async def _tell(
    tx: Tx, row: ConsultationRow, answers: Sequence[ConsultationAnswerRow], to: str, actor: str
) -> None:
    is_asker = to == row["asker"]
    # The asker has the answer itself in its mailbox.
    quiet = (is_asker and row["state"] in ("answered", "withdrawn")) or to == row["outcome"]
    event = Happening(
        kind="message.decided",
        subject=row["id"],
        name=row["id"],
        actor=actor,
        data={
            "message": row["id"],
            "sender": row["asker"],
            "state": row["state"],
            "outcome": row["outcome"],
            "votes": count(row, answers),
            "to": None if quiet else to,
            "why": over(row, answers),
        },
    )
    await event_recorder.append(tx, row["installation_id"], event, audience=to)


async def end_if_over(tx: Tx, row: ConsultationRow) -> bool:
    """End a locked consultation whose time is over, or whose asker has left."""
    if row["state"] != "open":
        return False
    if row["expires_at"] <= await tx.now():
        await finish(tx, row, "undecided" if row["options"] else "expired", None, BOT)
        return True
    if await consultations.is_without_agent(tx, row["installation_id"], row):
        await finish(tx, row, "ended", None, BOT)
        return True
    return False


async def end_one(tx: Tx, which: consultations.Due) -> bool:
    row = await consultations.get(tx, which["installation_id"], which["id"], lock=True)
    return row is not None and await end_if_over(tx, row)


async def due(tx: Tx) -> list[consultations.Due]:
    """Consultations that may be over, of all installations."""
    return [*await consultations.overdue(tx, BATCH), *await consultations.without_agent(tx, BATCH)]
