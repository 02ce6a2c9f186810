"""Answers to commands: a reaction to their text, and one reply to it, which is edited in place.

A tick on a card is answered on the card. A reply that only shows how things are takes the place of
the older ones like it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.comments import card_boxes, history, replies
from bot.comments.limits import MOST_ANSWERS_AN_HOUR, MOST_COMMENTS
from bot.github import rate_limit_store, rate_limits
from bot.identity.actors import BOT
from bot.inbox import command_reactions
from bot.inbox.command_finder import VERBS
from bot.mirror import board_effects
from bot.outbox import fairness
from bot.tasks import publishing
from bot.times import SECOND
from store.audit import records
from store.engine.origins import Origin
from store.engine.transaction import Tx
from store.inbox import commands
from store.inbox.commands import Answered
from store.mirror import stored_issues, stored_repositories
from store.outbox import queued_replies, writes
from store.tables.inbox import CommandRow
from store.tables.outbox import WriteRow
from store.tasks import tasks

# Of the commands about who works on a task and how it ended, the last one written counts. A move on
# a board is one of them.
STEERING = frozenset({"claim", "release", "assign", "retry", "cancel", "done", board_effects.VERB})
# Replies that say how things are when they are written. A newer one outdates them.
OUTDATED_BY_NEWER = frozenset({"why", "status", "plan", "spend", "help", "agents"})
# So long after the reply its predecessors are minimized: nothing waits for that.
MINIMIZE_AFTER = 60 * SECOND
# A reply does not grow beyond this.
LONGEST = 20_000


@dataclass(frozen=True)
class Reply:
    """How a command ended. `text` is for a comment; without it the answer is only a reaction.

    `code`: of a refusal.
    """

    state: str
    reaction: str
    text: str | None = None
    code: str = ""


def origin_of(row: CommandRow) -> Origin:
    """Where the command stands, for the audit."""
    place = f"{row['source_kind']}/{row['source_id']}/{row['line']}"
    return Origin("comment", request=place, actor=f"@{row['asker']}")


async def answer(tx: Tx, row: CommandRow, reply: Reply) -> None:
    """Queue the reaction, and the comment's reply if the answer has a text."""
    await commands.answer(tx, row, reply.state, reply.text)
    if reply.state == "refused":
        await record_refusal(tx, row, reply.code)
    if row["source_kind"] == card_boxes.SOURCE:
        await _answer_on_card(tx, row)
        return
    await command_reactions.show_outcome(tx, row, reply.reaction)
    if reply.text is not None:
        await _reply(tx, row, writes.on_issue(row["repository_id"], row["number"]))


async def end_silently(tx: Tx, row: CommandRow, state: str) -> None:
    """End a command that does not run and gets no answer: it was removed, or came too late."""
    await commands.answer(tx, row, state, None)
    await command_reactions.show_outcome(tx, row, None)


async def answer_too_late(tx: Tx, row: CommandRow) -> None:
    """End a command that came too late. Only a card shows that."""
    await end_silently(tx, row, "expired")
    await record_refusal(tx, row, "too_late")
    if row["source_kind"] == card_boxes.SOURCE:
        await _answer_on_card(tx, row)


async def _answer_on_card(tx: Tx, row: CommandRow) -> None:
    """Draw the card again, without the tick and with its answer."""
    here = (tx, row["installation_id"], row["repository_id"], row["number"])
    if task := await tasks.by_number(*here):
        await publishing.redraw(tx, task)


async def record_refusal(tx: Tx, row: CommandRow, code: str) -> None:
    """Record in the audit that the command was refused."""
    is_move = row["verb"] in (board_effects.VERB, board_effects.CHANGE)
    verb = row["verb"] if row["verb"] in VERBS or is_move else "unknown command"
    i, about = row["installation_id"], f"{row['repository_id']}#{row['number']}"
    await records.append(
        tx,
        i,
        f"@{row['asker']}",
        f"/{verb}" if verb in VERBS else verb,
        about,
        outcome="refused",
        code=code,
        origin=origin_of(row),
    )


async def _for_this_place(tx: Tx, row: CommandRow, text: str) -> str:
    """The text with issues of this repository named as people name them there."""
    here = (tx, row["installation_id"], row["repository_id"])
    where = await stored_repositories.repository_by_id(*here)
    return replies.with_short_names(text, where["full_name"]) if where else text


async def _reply(tx: Tx, row: CommandRow, target: str) -> None:
    """Queue the reply to the text: posted once, and edited when more of its commands end.

    Above the limit on answers there is none.
    """
    here, source = (tx, row["installation_id"]), f"{row['source_kind']} {row['source_id']}"
    earlier = await queued_replies.newest(*here, target, BOT)
    queued = [
        each
        for each in queued_replies.to_source(earlier, source)
        if (each["kind"], each["state"]) == ("reply", "queued")
    ]
    if not queued and not await _may_comment(tx, row, target):
        return
    await writes.supersede_these(*here, queued)
    answered = await commands.answered_in(tx, row)
    verbs = {each["verb"] for each in answered}
    arguments = {
        "number": row["number"],
        "body": await _for_this_place(tx, row, _together(answered)),
        "answers": source,
        "verb": row["verb"] if verbs == {row["verb"]} else None,
    }
    await _queue(tx, row, "reply", target, arguments)
    if row["verb"] in OUTDATED_BY_NEWER:
        await _minimize_older(tx, row, target, queued_replies.to_source(earlier, source))


def _together(answered: Sequence[Answered]) -> str:
    """The answers of a text, in the order of its lines. Of too many the oldest are left out."""
    texts = list(dict.fromkeys(each["answer"] for each in answered))
    oldest = sorted(answered, key=lambda each: each["answered_at"])
    for each in oldest[:-1]:
        if sum(map(len, texts)) <= LONGEST:
            break
        if each["answer"] in texts:
            texts.remove(each["answer"])
    return "\n\n".join(texts)


async def _minimize_older(tx: Tx, row: CommandRow, target: str, same: Sequence[WriteRow]) -> None:
    """Minimize the older replies to this command, unless the limits are short.

    `same`: earlier writes of this reply, whose comment is edited instead.
    """
    here = (tx, row["installation_id"])
    kept = {(each["result"] or {}).get("comment_id") for each in same}
    found = [
        (each["result"] or {}).get("comment_id")
        for each in await queued_replies.newest(*here, target, BOT)
        if each["state"] == "sent" and each["arguments"].get("verb") == row["verb"]
    ]
    older = [each for each in dict.fromkeys(found) if each not in kept]
    done = await queued_replies.hidden_comment_ids(*here, target) if older else set()
    for comment_id in older:
        if comment_id is None or comment_id in done or not await _has_spare_budget(*here):
            continue
        arguments = {
            "number": row["number"],
            "comment_id": comment_id,
            "classifier": "OUTDATED",
        }
        await _queue(
            tx, row, "comment_minimize", target, arguments, lane=writes.AGENTS, wait=MINIMIZE_AFTER
        )


async def _has_spare_budget(tx: Tx, installation_id: int) -> bool:
    """Whether more is left of the limits than what is reserved for people."""
    limits = await rate_limit_store.of(tx, installation_id)
    now = await tx.now()
    costs = [fairness.cost_of(kind, writes.AGENTS) for kind in ("reply", "comment_minimize")]
    # The distance between two writes is no shortage.
    return all(
        rate_limits.ready_at(limits, each, now) <= now + rate_limits.LONG_WAIT for each in costs
    )


async def _queue(
    tx: Tx,
    row: CommandRow,
    kind: str,
    target: str,
    arguments: dict[str, Any],
    *,
    lane: int = writes.PEOPLE,
    wait: int = 0,
) -> None:
    await writes.queue(
        tx,
        row["installation_id"],
        kind=kind,
        repository_id=row["repository_id"],
        target=target,
        arguments=arguments,
        author=BOT,
        lane=lane,
        wait=wait,
    )


async def _may_comment(tx: Tx, row: CommandRow, target: str) -> bool:
    """Above the limit, the answer is only a reaction. Nobody can fill an issue with answers."""
    here = (tx, row["installation_id"])
    lately = await history.bot_answers_last_hour(*here, target)
    in_all = await stored_issues.count_comments(*here, row["repository_id"], row["number"])
    return lately < MOST_ANSWERS_AN_HOUR and in_all < MOST_COMMENTS
