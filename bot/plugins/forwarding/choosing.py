"""Which deliveries an app gets, and from where on. Pure."""

from collections.abc import Collection, Sequence

from bot.times import SECOND
from store.plugins.forwards import Accepted
from store.tables.plugins import PluginInstallationRow

# A delivery may be committed so much later than one that came after it, in microseconds.
LATE = 60 * SECOND


def place_of(before: PluginInstallationRow | None, now: int) -> int:
    """The place in the inbox from which on it gets deliveries: a time, `LATE` ahead of the look.

    Other settings do not change the place of a plug-in that is on.
    """
    is_on = before is not None and before["state"] == "on"
    return before["seq"] if before is not None and is_on else now + LATE


def is_wanted(each: Accepted, events: Sequence[str], repositories: Collection[int] | None) -> bool:
    """`events`: as the manifest has them. `repositories`: None for all."""
    if repositories is not None and each["repository_id"] not in repositories:
        return False
    names = ("*", each["event"], f"{each['event']}.{each['action']}")
    return any(name in events for name in names)
