"""Messages that answer a consultation, and what readers see of one."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.messages import consultations as rules
from bot.operations.messages.views import Message
from store.messages import consultations, messages
from store.messages.mailbox import HIGH
from store.tables.consultations import ConsultationRow
from store.tables.messages import MessageRow

# How an agent answers, or votes.
ANSWER = "send_message with `to` {0} and `reply_to` {1} answers"
VOTE = "send_message with `to` {0}, `reply_to` {1} and a `body` that begins with one of these votes"


@dataclass(frozen=True)
class Answered:
    """The open question that a message answers. `choice`: the vote."""

    row: ConsultationRow
    choice: str | None
    task_id: str | None


async def answered_by(ctx: Context, reply_to: str | None, to: str, body: str) -> Answered | None:
    """The open question that the message answers, if it does. Raise Refused."""
    if reply_to is None:
        return None
    here = (ctx.tx, ctx.installation_id)
    row = await rules.of_reply(*here, reply_to, to, ctx.actor.name)
    if row is None:
        return None
    choice = None
    if row["options"]:
        choice = rules.choice_of(body, row["options"])
        if choice is None:
            raise Refused(
                "invalid_arguments",
                f"`body` must begin with the option that you vote for: "
                f"{', '.join(row['options'])}. Reasons may follow after a colon.",
            )
    asked = await messages.get(*here, row["id"])
    return Answered(row, choice, asked["task_id"] if asked else None)


async def withdraw(ctx: Context, message_id: str) -> None:
    """End the consultation whose question the asker takes back."""
    row = await consultations.get(ctx.tx, ctx.installation_id, message_id, lock=True)
    if row is not None and row["state"] == "open":
        await rules.finish(ctx.tx, row, "withdrawn", None, ctx.actor.name)


async def with_hints(
    ctx: Context, rows: Sequence[MessageRow], shown: Sequence[Message]
) -> list[Message]:
    """The messages, where one is an open question with how to answer it."""
    first = [row["id"] for row in rows if row["id"] == row["thread_id"] and row["priority"] == HIGH]
    found = await consultations.several(ctx.tx, ctx.installation_id, first)
    return [
        each.model_copy(update={"hint": _hint(found[each.id])}) if each.id in found else each
        for each in shown
    ]


def _hint(row: ConsultationRow) -> str:
    if row["options"]:
        return f"{VOTE.format(row['asker'], row['id'])}: {', '.join(row['options'])}"
    which = f"{row['asker']} takes one answer" if row["judged"] else "the first answer counts"
    return f"{ANSWER.format(row['asker'], row['id'])}; {which}"


async def with_outcomes(ctx: Context, shown: Sequence[Message]) -> list[Message]:
    """The messages, where one is the question of a consultation with what came of it."""
    found = await consultations.several(ctx.tx, ctx.installation_id, [each.id for each in shown])
    outcomes = {each: await _outcome(ctx, row) for each, row in found.items()}
    return [
        each.model_copy(update={"consultation": outcomes[each.id]}) if each.id in found else each
        for each in shown
    ]


async def _outcome(ctx: Context, row: ConsultationRow) -> str:
    answers = await consultations.answers(ctx.tx, ctx.installation_id, row["id"])
    if row["state"] != "open":
        return rules.over(row, answers)
    asked = len(await consultations.askees(ctx.tx, ctx.installation_id, row["id"]))
    whom = f"{asked} agent{'' if asked == 1 else 's'}"
    if row["options"]:
        votes = rules.votes_text(rules.count(row, answers))
        return f"Vote of {whom}, open: {votes}; {row['quorum']} must agree."
    return f"Question to {whom}, open: {len(answers)} answered."
