"""What happened in an installation: which topics there are, and who may see which event."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from bot import freshness, pages, tasks
from bot.actor import Actor
from bot.errors import Refused
from bot.freshness import Freshness
from store import events, heads
from store.transaction import Row, Tx

# What one can wait for: a topic to what its events' kinds begin with. In the singular, with a
# subject behind it, it is that one thing's: task:owner/repo#12.
TOPICS = {
    "tasks": "task",
    "messages": "message",
    "contexts": "context",
    "agents": "agent",
}
# One look goes through so many events at most, whether or not they are wanted.
SCANNED = 1000


@dataclass(frozen=True)
class Topics:
    """`kinds`: what kinds begin with. `subjects`: with such a beginning, single things."""

    kinds: frozenset[str]
    subjects: frozenset[tuple[str, str]] = frozenset()

    def name(self, event: Row) -> bool:
        kind = event["kind"].partition(".")[0]
        return kind in self.kinds or (kind, event["subject"]) in self.subjects


EVERYTHING = Topics(frozenset(TOPICS.values()))


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


def written(installation_id: int, cursor: int) -> str:
    return pages.encode(f"{installation_id} {cursor}")


def read(installation_id: int, cursor: str | None) -> Cursor:
    """The place; -1 for one of another installation. Raise Refused."""
    if cursor is None:
        return None
    where, _, place = pages.decode(cursor).partition(" ")
    if not (where.isdecimal() and place.isdecimal() and len(place) < 19):
        raise Refused("invalid_arguments", "`cursor` must be one that was given here, or left out.")
    return int(place) if int(where) == installation_id else -1


async def parsed(tx: Tx, actor: Actor, topics: Sequence[str]) -> Topics:
    """Raise Refused for what is no topic, or a task out of reach."""
    kinds = frozenset(TOPICS[each] for each in topics if each in TOPICS)
    single = [each for each in topics if each not in TOPICS]
    return Topics(kinds, frozenset([await _single(tx, actor, each) for each in single]))


async def _single(tx: Tx, actor: Actor, topic: str) -> tuple[str, str]:
    kind, _, subject = topic.partition(":")
    if kind not in TOPICS.values() or not subject:
        raise Refused(
            "invalid_arguments",
            f"{topic!r} is no topic. Topics are {', '.join(TOPICS)}, or one thing's: "
            "task:owner/repo#12, context:<id>, agent:<id>.",
        )
    if kind == "task":
        subject = await _task_id(tx, actor, subject)
    return kind, subject


async def _task_id(tx: Tx, actor: Actor, ref: str) -> str:
    task = await tasks.find(tx, actor.installation_id, ref)
    if not reaches(actor, task["repository_id"]):
        raise Refused("forbidden", f"Your reach does not cover {task['full_name']}.")
    return str(task["id"])


def reaches(actor: Actor, repository_id: int | None) -> bool:
    return actor.repositories is None or repository_id in (None, *actor.repositories)


def may_see(actor: Actor, event: Row) -> bool:
    """By what the event itself says; who may read a context stands elsewhere."""
    if event["audience"] is not None:
        return bool(event["audience"] == actor.name)
    return event["seen"] and reaches(actor, event["repository_id"])


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


def told(actor: Actor, topics: Topics, cursor: int, found: News, limit: int) -> Page | None:
    """What news are to one who was at `cursor`; None: only the database can say."""
    mine = [e for e in found.events if e["seq"] > cursor and wants(actor, topics, e)]
    if any(needs_a_look(actor, event) for event in mine):
        return None
    return cut(found, mine, limit)


async def page(tx: Tx, actor: Actor, topics: Topics, cursor: Cursor, limit: int) -> Page:
    """What the actor may see from there on; without a cursor nothing, but where it is now."""
    here = (tx, actor.installation_id)
    # First the head: what comes after it is for another time.
    head = await _head(*here)
    if cursor is None:
        return Page((), head)
    if not 0 <= cursor <= head:
        return Page((), head, missed=True)
    news = await between(*here, cursor, head)
    found = [
        event
        for event in news.events
        if wants(actor, topics, event)
        and (not needs_a_look(actor, event) or await _readable(tx, actor, event))
    ]
    # Last the floor: it may rise meanwhile.
    missed = cursor < await events.floor(*here)
    return replace(cut(news, found, limit), missed=missed)


async def _readable(_tx: Tx, _actor: Actor, _event: Row) -> bool:
    return False


async def _head(tx: Tx, installation_id: int) -> int:
    return (await heads.of(tx, [installation_id])).get(installation_id, 0)


async def between(tx: Tx, installation_id: int, after: int, head: int) -> News:
    """The next events, as many as one look may go through."""
    rows = await events.since(tx, installation_id, after, head, SCANNED)
    if not rows:
        return News((), head)
    more = len(rows) == SCANNED
    named = await _named(tx, installation_id, rows)
    return News(named, rows[-1]["seq"] if more else head, more=more)


async def look(tx: Tx, installation_id: int, after: int | None) -> News:
    """For all who wait: what is new, and how fresh the mirror is; without `after` from now on."""
    head = await _head(tx, installation_id)
    if after is None or after > head:
        return News((), head)
    news = await between(tx, installation_id, after, head)
    if not news.events:
        return news
    now = await tx.now()
    return replace(news, fresh=await freshness.of(tx, installation_id, now), now=now)


async def _named(tx: Tx, installation_id: int, rows: Sequence[Row]) -> list[Row]:
    about = {row["subject"] for row in rows if row["kind"].startswith("task.")}
    where = {row["repository_id"] for row in rows} - {None}
    names = await events.names(tx, installation_id, about)
    visible = await events.visible(tx, installation_id, where) | {None}
    return [
        row | {"task": names.get(row["subject"]), "seen": row["repository_id"] in visible}
        for row in rows
    ]
