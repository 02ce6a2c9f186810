"""Records who edits texts, so that agents learn when a text changed after they claimed its task."""

from typing import Any, cast

from bot.comments import authorship, markers
from bot.identity.keyring import Keys
from bot.mirror.changes import Sender, TextEdit
from store.engine.transaction import Row, Tx
from store.mirror import text_edits
from store.mirror.search_index import PARTS, THREADS
from store.mirror.text_edits import TextKey
from store.mirror.threads import TextKind

# The columns that people edit.
EDITABLE = ("title", "body")


async def record(tx: Tx, installation_id: int, edit: TextEdit) -> None:
    """Record an edit that a webhook reports."""
    if not await _is_ours(tx, edit.editor, edit.editor_id):
        await text_edits.put(tx, installation_id, edit.text, authorship.shown_author(edit.editor))


async def record_change(
    tx: Tx, keys: Keys, table: str, row: Row, before: Row | None, sender: Sender | None
) -> None:
    """Record an edit whose webhook was lost, when the mirror sees the text change."""
    if (table not in THREADS and table not in PARTS) or before is None:
        return
    if row["deleted"] or before["deleted"] or not _is_edited(row, before):
        return
    # A pull request has a row of its own; its row as an issue may be older.
    if row.get("is_pull_request"):
        return
    if sender is not None and sender.did == "edited":
        return  # the webhook reports the edit itself
    # Hubbub edits its own cards all the time.
    if await _is_ours(tx, row["author"], row["author_id"]):
        return
    # A text of a person with Hubbub's mark is an edit of an agent. An edit by a person who copied
    # the mark has its webhook.
    if markers.find(keys, row["body"], ours=True):
        return
    here = (tx, row["installation_id"], _key(table, row))
    # Of two edits in one second, a read tells which is the last. Their webhooks named the editor.
    is_tie = row["updated_at"] == before["updated_at"]
    if not (is_tie and await text_edits.touch(*here)):
        await text_edits.put(*here, "")


def _is_edited(row: Row, before: Row) -> bool:
    return any(row.get(name) != before.get(name) for name in EDITABLE)


def _key(table: str, row: Row) -> TextKey:
    is_opening = table in THREADS
    kind: Any = "opening" if is_opening else PARTS[table]
    text_id = 0 if is_opening else row["id"]
    return TextKey(row["repository_id"], row["number"], cast("TextKind", kind), text_id)


async def _is_ours(tx: Tx, login: str, user_id: int) -> bool:
    if not authorship.is_bot(login):
        return False
    return authorship.is_ours(login, user_id, await authorship.bot_id(tx))
