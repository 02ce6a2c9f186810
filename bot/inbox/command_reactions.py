"""The reaction to a text with commands: how they ended, or that they wait.

A text normally gets one reaction. Commands that end within a second get only their outcome. Where
one takes longer, for example because its author's permission must be read first, the text gets 👀,
which the outcome replaces.
"""

from collections.abc import Sequence
from typing import Any, TypedDict

from bot.identity.actors import BOT
from bot.times import SECOND
from store.engine.transaction import Tx
from store.outbox import queued_replies, writes
from store.outbox.write_order import REACTIONS
from store.tables.outbox import WriteRow

# Of a text that is a comment, what GitHub calls it in the path of a reaction.
REACTABLE = {
    "comment": "comment",
    "review_comment": "review_comment",
    "issue": "issue",
    "pull_request": "issue",
}
REVIEW = "review"
WAITS, DONE, REFUSED = "eyes", "+1", "confused"
# A command that takes longer than this gets 👀 first.
WAITS_AFTER = SECOND


class TextWithCommands(TypedDict):
    """A text in which somebody wrote commands."""

    installation_id: int
    repository_id: int
    number: int
    source_kind: str
    source_id: int


async def show_wait(tx: Tx, row: TextWithCommands) -> None:
    """Queue 👀 for a command that waits, unless its text has a reaction. It is sent in a second."""
    if _is_reactable(row) and not await _reactions(tx, row):
        await _queue(tx, row, _kind(row), _arguments(row, WAITS), wait=WAITS_AFTER)


async def show_outcome(tx: Tx, row: TextWithCommands, content: str | None) -> None:
    """Queue the reaction that says how a command ended, and remove 👀. None: no reaction.

    😕 wins over a 👍 that waits in the queue: the reply says which command was not done.
    """
    if not _is_reactable(row):
        return
    found = await _reactions(tx, row)
    outdated = [each for each in found if _is_outdated(each, content)]
    await writes.supersede_these(tx, row["installation_id"], outdated)
    given = [each for each in found if each not in outdated]
    if content and not any(_says(each, content) for each in given):
        await _queue(tx, row, _kind(row), _arguments(row, content))
    if waits := _standing_wait(given):
        taken_back = {**_arguments(row, WAITS), "after": waits["id"]}
        await _queue(tx, row, f"{_kind(row)}_removal", taken_back)


def _is_outdated(write: WriteRow, content: str | None) -> bool:
    """Whether the reaction still waits in the queue, and another one takes its place."""
    shows = write["arguments"]["content"]
    replaced = {WAITS} if content != REFUSED else {WAITS, DONE}
    return write["state"] == "queued" and shows in replaced and not _removes(write)


def _says(write: WriteRow, content: str) -> bool:
    """Whether the reaction is the same, or a 😕 in the queue, which a 👍 must not weaken."""
    shows = write["arguments"]["content"]
    is_stronger = write["state"] == "queued" and (shows, content) == (REFUSED, DONE)
    return not _removes(write) and (shows == content or is_stronger)


def _standing_wait(found: Sequence[WriteRow]) -> WriteRow | None:
    """The 👀 that stands on the text, or is being sent, and that nothing removes yet."""
    standing: WriteRow | None = None
    for each in found:
        if each["arguments"]["content"] == WAITS:
            standing = None if _removes(each) else each
    return standing


def _removes(write: WriteRow) -> bool:
    return write["kind"].endswith("_removal")


def _is_reactable(row: TextWithCommands) -> bool:
    return row["source_kind"] in REACTABLE or row["source_kind"] == REVIEW


def _kind(row: TextWithCommands) -> str:
    return "review_reaction" if row["source_kind"] == REVIEW else "reaction"


def _arguments(row: TextWithCommands, content: str) -> dict[str, Any]:
    if row["source_kind"] == REVIEW:
        return {"number": row["number"], "review_id": row["source_id"], "content": content}
    return {
        "source": REACTABLE[row["source_kind"]],
        "comment_id": row["source_id"],
        "number": row["number"],
        "content": content,
    }


def _target(row: TextWithCommands) -> str:
    return f"{row['source_kind']} {row['source_id']}"


async def _reactions(tx: Tx, row: TextWithCommands) -> list[WriteRow]:
    """The reactions to the text and their removals, the oldest first."""
    here = (tx, row["installation_id"])
    return await queued_replies.on_source(*here, _target(row), REACTIONS)


async def _queue(
    tx: Tx, row: TextWithCommands, kind: str, arguments: dict[str, Any], *, wait: int = 0
) -> None:
    await writes.queue(
        tx,
        row["installation_id"],
        kind=kind,
        repository_id=row["repository_id"],
        target=_target(row),
        arguments=arguments,
        author=BOT,
        lane=writes.PEOPLE,
        wait=wait,
    )
