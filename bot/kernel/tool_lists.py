"""Tells clients that follow the list of tools that it changed."""

from bot.kernel import event_recorder
from bot.kernel.notice_rules import Happening
from store.engine.transaction import Tx

CHANGED = "tools.changed"
# The event is about the whole list.
SUBJECT = "tools"


async def note_change(tx: Tx, installation_id: int, by: str) -> None:
    """Record that other tools are pinned now, or that a pinned one changed."""
    await event_recorder.append(tx, installation_id, Happening(CHANGED, SUBJECT, SUBJECT, by))
