"""The lines of a message: what began or ended, in the words that the target may have."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from bot import secret_formats
from bot.attention.items import Item
from bot.attention.wording import Severity
from bot.notifications.rules import Rules

# That a service gets in one message, and that a message keeps while it waits. More are only
# counted. A message may lose entries that are over before it is sent, and then shows others.
MOST, MOST_KEPT = 50, 500
# Characters of a title.
LONGEST = 400


class Entry(BaseModel):
    """`name`: owner/repo#12, which the message links. Empty if the target may not have it."""

    model_config = ConfigDict(frozen=True)

    key: str
    kind: str
    change: Literal["began", "ended", "test"]
    severity: Severity
    title: str
    action: str = ""
    name: str = ""
    since: str = ""


def entry_of(item: Item, rules: Rules, change: Literal["began", "ended"]) -> Entry:
    covers = rules.cover_text(item.repository_id, is_private=item.is_private)
    title, _ = secret_formats.mask(item.title if covers else item.plain)
    return Entry(
        key=item.key if covers else item.kind,
        kind=item.kind,
        change=change,
        severity=item.severity,
        title=title[:LONGEST],
        action="" if change == "ended" else item.action,
        name=(item.task or item.pull_request or "") if covers else "",
        since=item.since,
    )
