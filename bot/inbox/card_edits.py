"""What people do on a card: each box that they tick is a command, and their edits are undone.

The marker of the write that drew the card last is its revision. A tick counts only on the newest
revision, so that nobody decides on a card that no longer shows how things are.
"""

from collections.abc import Collection, Sequence
from typing import cast

from bot.comments import authorship, card, card_boxes, markers, replies, slash_commands
from bot.identity.keyring import Keys
from bot.inbox import command_answers
from bot.inbox.command_answers import Reply
from bot.mirror.changes import BotCommentEdit
from bot.tasks import publishing
from store.engine.transaction import Tx
from store.inbox import commands
from store.inbox.commands import FoundCommand
from store.outbox import write_history
from store.tables.inbox import CommandRow
from store.tasks import tasks
from store.tasks.tasks import FullTask

# No card has more boxes. Somebody can write thousands into it, which do not count.
MOST_TICKS = 10


async def apply(tx: Tx, keys: Keys, installation_id: int, edit: BotCommentEdit) -> None:
    """Store the commands that the edit ticked. Without any, draw the card again at once.

    With some it is drawn again when they are answered.
    """
    task = await _task_of(tx, installation_id, edit)
    if task is None:
        return
    revision = _revision(keys, edit.body)
    removed = card_boxes.removed_ticks(edit.before, edit.body)
    for row in _commands(edit, revision, removed[:MOST_TICKS]).values():
        await commands.withdraw(tx, installation_id, row)
    valid = await _valid_labels(tx, keys, task, edit)
    ticked = _that_count(card_boxes.new_ticks(edit.before, edit.body), valid)
    ticks = _commands(edit, revision, ticked)
    if not ticks:
        await publishing.redraw(tx, task)
        return
    await commands.add(tx, installation_id, [*ticks.values()])
    for label, row in ticks.items():
        if label not in valid:
            await _refuse(tx, installation_id, row)


async def _task_of(tx: Tx, installation_id: int, edit: BotCommentEdit) -> FullTask | None:
    """The task, if the comment is its card."""
    if not authorship.is_ours(edit.author, edit.author_id, await authorship.bot_id(tx)):
        return None
    task = await tasks.by_number(tx, installation_id, edit.repository_id, edit.number)
    return task if task and task["card_comment_id"] == edit.comment_id else None


def _revision(keys: Keys, body: str) -> str:
    """The write that drew the card. Empty if somebody changed or removed its marker."""
    found = markers.find(keys, body, ours=True)
    return next((each.id for each in found if each.kind == "write"), "")


async def _valid_labels(tx: Tx, keys: Keys, task: FullTask, edit: BotCommentEdit) -> set[str]:
    """The boxes that count: none on an old revision, else those that the task has now."""
    here = (tx, task["installation_id"], publishing.card_target(task["id"]))
    newest = await write_history.newest_attempt(*here, "card")
    if newest is None or {_revision(keys, edit.before), _revision(keys, edit.body)} != {newest}:
        return set()
    return {each.label for each in await card.boxes(tx, task)}


def _that_count(ticked: Sequence[str], valid: Collection[str]) -> list[str]:
    """The labels to look at: the valid ones, and some others, in the order of the card."""
    kept = {*valid, *[each for each in ticked if each not in valid][:MOST_TICKS]}
    return [each for each in ticked if each in kept]


def _commands(
    edit: BotCommentEdit, revision: str, labels: Sequence[str]
) -> dict[str, FoundCommand]:
    """The commands of these boxes by label. A box that the card never has is none."""
    found: dict[str, FoundCommand] = {}
    for n, label in enumerate(labels, 1):
        if command := card_boxes.command_of(label):
            (one,) = slash_commands.find(command)
            found[label] = {
                "source_kind": card_boxes.SOURCE,
                "source_id": edit.comment_id,
                "text_hash": card_boxes.key(revision, label),
                "nth": 0,
                "repository_id": edit.repository_id,
                "number": edit.number,
                "line": n,
                "verb": one.verb[:80],
                "words": list(one.words),
                "text": one.text,
                "asker": edit.editor,
                "asker_id": edit.editor_id,
                "written_at": edit.edited_at,
            }
    return found


async def _refuse(tx: Tx, installation_id: int, tick: FoundCommand) -> None:
    """Refuse a tick that does not count, unless it was answered before."""
    if await commands.withdraw(tx, installation_id, tick):
        row = cast("CommandRow", {"installation_id": installation_id, **tick})
        why = replies.outdated_card(row["asker"], row["text"])
        await command_answers.answer(tx, row, Reply("refused", "confused", why, "card_changed"))
