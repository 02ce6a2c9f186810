"""Answers to commands: a reaction to each, one reply to each comment.

A tick on a card is answered on the card. A reply that only shows how things are takes the place of
the older ones like it.
"""

from dataclasses import dataclass
from typing import Any

from bot.comments import card_boxes, history, replies
from bot.comments.limits import MOST_ANSWERS_AN_HOUR, MOST_COMMENTS
from bot.github import rate_limit_store, rate_limits
from bot.identity.actors import BOT
from bot.inbox.command_finder import VERBS
from bot.outbox import fairness
from bot.tasks import publishing
from bot.times import SECOND
from store.audit import records
from store.engine.origins import Origin
from store.engine.transaction import Tx
from store.inbox import commands
from store.mirror import stored_issues, stored_repositories
from store.outbox import queued_replies, writes
from store.tables.inbox import CommandRow
from store.tasks import tasks

# The target of a reaction, by the source. A review can get none.
REACTABLE = {
    "comment": "comment",
    "review_comment": "review_comment",
    "issue": "issue",
    "pull_request": "issue",
}
# Replies that say how things are when they are written. A newer one outdates them.
OUTDATED_BY_NEWER = frozenset({"why", "status", "help", "agents"})
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
    """Queue the reaction, and a comment if the reply has a text."""
    await commands.answer(tx, row, reply.state, reply.text)
    if reply.state == "refused":
        await record_refusal(tx, row, reply.code)
    if row["source_kind"] == card_boxes.SOURCE:
        await _answer_on_card(tx, row)
        return
    on_issue = writes.on_issue(row["repository_id"], row["number"])
    replied = reply.text is not None and await _comment(tx, row, on_issue, reply.text)
    # A reply below a command that was done says so itself. That on a line of code is elsewhere.
    says_so = replied and reply.state == "done" and row["source_kind"] != "review_comment"
    if row["source_kind"] in REACTABLE and not says_so:
        arguments = {
            "source": REACTABLE[row["source_kind"]],
            "comment_id": row["source_id"],
            "number": row["number"],
            "content": reply.reaction,
        }
        target = f"{row['source_kind']} {row['source_id']}"
        await _queue(tx, row, "reaction", target, arguments)
    elif reply.text is None:
        await _comment(tx, row, on_issue, replies.confirmation(row["asker"], row["text"]))


async def answer_too_late(tx: Tx, row: CommandRow) -> None:
    """End a command that came too late. Only a card shows that."""
    await commands.answer(tx, row, "expired", None)
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
    verb = row["verb"] if row["verb"] in VERBS else "unknown command"
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


async def _comment(tx: Tx, row: CommandRow, target: str, text: str) -> bool:
    """Queue the reply, or add it to the one that waits. Return False above the limit."""
    text = await _for_this_place(tx, row, text)
    source = f"{row['source_kind']} {row['source_id']}"
    earlier = await queued_replies.newest(tx, row["installation_id"], target, BOT)
    for each in earlier:
        if each["state"] == "queued" and each["arguments"].get("answers") == source:
            body = each["arguments"]["body"]
            together = body if text in body else f"{body}\n\n{text}"
            if len(together) <= LONGEST and await queued_replies.append_to_queued(
                tx, each, together
            ):
                return True
    if not await _may_comment(tx, row, target):
        return False
    arguments = {"number": row["number"], "body": text, "answers": source, "verb": row["verb"]}
    await _queue(tx, row, "comment", target, arguments)
    if row["verb"] in OUTDATED_BY_NEWER:
        await _minimize_older(tx, row, target)
    return True


async def _minimize_older(tx: Tx, row: CommandRow, target: str) -> None:
    """Minimize the older replies to this command, unless the limits are short."""
    here = (tx, row["installation_id"])
    older = [
        (each["result"] or {}).get("comment_id")
        for each in await queued_replies.newest(*here, target, BOT)
        if each["state"] == "sent" and each["arguments"].get("verb") == row["verb"]
    ]
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
    costs = [fairness.cost_of(kind, writes.AGENTS) for kind in ("comment", "comment_minimize")]
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
