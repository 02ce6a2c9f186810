"""A message that shows a person whether a target gets its notifications."""

from bot.notifications.entries import Entry
from store.engine import ids
from store.engine.transaction import Tx
from store.notifications import notifications
from store.tables.notifications import NotificationRow, NotificationTargetRow

TRIAL = Entry(
    key="test",
    kind="test",
    change="test",
    severity="info",
    title="This is a test. Notifications from Hubbub arrive here.",
    action="Nothing has to be done.",
)


async def row_of(tx: Tx, target: NotificationTargetRow) -> NotificationRow:
    """A message with the trial alone. It passes quiet hours."""
    now = await tx.now()
    return {
        "installation_id": target["installation_id"],
        "id": ids.new("n", now),
        "target_id": target["id"],
        "urgent": 1,
        "state": "waiting",
        "entries": [TRIAL.model_dump()],
        "more": 0,
        "not_before": now,
        "attempts": 0,
        "created_at": now,
        "ended_at": None,
        "error": None,
    }


async def queue(tx: Tx, target: NotificationTargetRow) -> None:
    await notifications.add(tx, await row_of(tx, target))
