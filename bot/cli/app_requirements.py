"""The permissions and events that the App needs, by what Hubbub asks of GitHub and handles."""

from bot.fetch.backfill import PARTS
from bot.fetch.kinds import KINDS as READS
from bot.mirror.webhooks import EVENTS
from bot.outbox.kinds import KINDS as WRITES

# GitHub sends these events only with a permission that no request of Hubbub needs.
SENT_WITH = dict.fromkeys(("member", "membership", "organization", "team"), "members: read")
# GitHub sends these to each App, and refuses a subscription to them.
UNASKED = ("github_app_authorization", "installation", "installation_repositories", "ping")
LEVELS = ("read", "write", "admin")


def permissions() -> dict[str, str]:
    needed = [kind.permission for kinds in (WRITES, READS, PARTS) for kind in kinds.values()]
    needed += [SENT_WITH[name] for name in EVENTS if name in SENT_WITH]
    # In this order, so that write is what stays of read and write.
    return dict(each.split(": ", 1) for each in sorted(needed))


def events() -> list[str]:
    return sorted(EVENTS.keys() - set(UNASKED))


def missing_permissions(granted: dict[str, str]) -> list[str]:
    """Those that are not granted, or only at a lower level, as `issues: write`."""
    return [
        f"{name}: {level}"
        for name, level in permissions().items()
        if _rank(granted.get(name)) < _rank(level)
    ]


def missing_events(subscribed: list[str]) -> list[str]:
    return [each for each in events() if each not in subscribed]


def _rank(level: str | None) -> int:
    return LEVELS.index(level) if level in LEVELS else -1
