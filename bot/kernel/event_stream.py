"""What happened in an installation, as values: which topics there are, who may see which event."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bot.identity.actors import Actor
from bot.kernel import pagination
from bot.kernel.freshness import Freshness
from store.engine.transaction import Row

# What one can wait for: a topic to what its events' kinds begin with. In the singular, with a
# subject behind it, it is that one thing's: task:owner/repo#12.
TOPICS = {
    "tasks": "task",
    "messages": "message",
    "contexts": "context",
    "agents": "agent",
}


@dataclass(frozen=True)
class Topics:
    """`kinds`: what kinds begin with. `subjects`: with such a beginning, single things."""

    kinds: frozenset[str]
    subjects: frozenset[tuple[str, str]] = frozenset()

    def name(self, event: Row) -> bool:
        kind = event["kind"].partition(".")[0]
        return kind in self.kinds or (kind, event["subject"]) in self.subjects


@dataclass(frozen=True)
class News:
    """Events up to `cursor`, with `task`, its name, and `seen`, whether its repository is.

    `more`: there are others after them. `fresh`, with `now`, where a look found events.
    """

    events: Sequence[Row]
    cursor: int
    more: bool = False
    fresh: Freshness | None = None
    now: int = 0


@dataclass(frozen=True)
class Page:
    """What one actor gets of it. `more`: come again at once. `missed`: some are kept no longer."""

    events: Sequence[Row]
    cursor: int
    more: bool = False
    missed: bool = False


Cursor: TypeAlias = int | None


def cursor_text(installation_id: int, cursor: int) -> str:
    return pagination.encode(f"{installation_id} {cursor}")


def parse_cursor(installation_id: int, cursor: str | None) -> Cursor:
    """The place; -1 for one of another installation. Raise Refused."""
    if cursor is None:
        return None
    where, _, place = pagination.decode(cursor).partition(" ")
    if not (where.isdecimal() and place.isdecimal() and len(place) < 19):
        raise pagination.not_ours()
    return int(place) if int(where) == installation_id else -1


def reaches(actor: Actor, repository_id: int | None) -> bool:
    return actor.repositories is None or repository_id in (None, *actor.repositories)


def may_see(actor: Actor, event: Row) -> bool:
    """By what the event itself says; who may read a context stands elsewhere."""
    there = event["seen"] and reaches(actor, event["repository_id"])
    if event["audience"] is None:
        return bool(there)
    # What one agent tells another it may know, wherever the task is now; of the task itself not.
    return event["audience"] == actor.name and (there or not event["kind"].startswith("task."))


def wants(actor: Actor, topics: Topics, event: Row) -> bool:
    return topics.name(event) and may_see(actor, event)


def needs_a_look(actor: Actor, event: Row) -> bool:
    """Who may read a context only the database knows."""
    return event["kind"].startswith("context.") and actor.name not in (
        event["actor"],
        event["audience"],
    )


def cut(news: News, found: Sequence[Row], limit: int) -> Page:
    """The first of what was found in it."""
    if len(found) <= limit:
        return Page(found, news.cursor, more=news.more)
    return Page(found[:limit], found[limit - 1]["seq"], more=True)


def page_of_news(actor: Actor, topics: Topics, cursor: int, found: News, limit: int) -> Page | None:
    """What news are to one who was at `cursor`; None: only the database can say."""
    mine = [e for e in found.events if e["seq"] > cursor and wants(actor, topics, e)]
    if any(needs_a_look(actor, event) for event in mine):
        return None
    return cut(found, mine, limit)
