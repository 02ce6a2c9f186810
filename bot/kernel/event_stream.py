"""Topics and events as values: which events an actor may see, and pages of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.identity.actors import Actor
from bot.kernel import pagination
from bot.kernel.freshness import Freshness
from store.events import LoggedEvent

# The topics, each with the first part of its events' kinds. That part with a subject, such as
# task:owner/repo#12, is the topic of one object.
TOPICS = {
    "tasks": "task",
    "messages": "message",
    "contexts": "context",
    "agents": "agent",
    "workflows": "workflow",
}


# What a reader does not get of its topics. `own`: its own acts, except those on an object that it
# names, whose whole story it reads. `no news`: what need not wake it, its own acts and receipts.
LeaveOut: TypeAlias = Literal["nothing", "own", "no news"]


# These come often and are for nobody to act on: only the topic of the one task has them.
MINOR = frozenset({"task.progress"})
# Begins the name of a grant to whoever holds a task.
OF_TASK = "task:"


class NamedEvent(LoggedEvent):
    """An event with its task's name, and whether its repository is visible."""

    task: str | None
    seen: bool


@dataclass(frozen=True)
class Topics:
    """`kinds`: first parts of kinds. `subjects`: pairs of such a part and a subject."""

    kinds: frozenset[str]
    subjects: frozenset[tuple[str, str]] = frozenset()
    leave_out: LeaveOut = "nothing"

    def include(self, event: NamedEvent) -> bool:
        kind = event["kind"].partition(".")[0]
        of_all = kind in self.kinds and event["kind"] not in MINOR
        return of_all or (kind, event["subject"]) in self.subjects

    def has_news(self, event: NamedEvent, me: str) -> bool:
        """Whether the event tells the reader something that it has not done itself."""
        if self.leave_out == "nothing":
            return True
        if self.leave_out == "own":
            names_it = (event["kind"].partition(".")[0], event["subject"]) in self.subjects
            return names_it or event["actor"] != me
        return event["actor"] != me and event["kind"] != "message.read"


@dataclass(frozen=True)
class News:
    """Events up to `cursor`, read once for all who wait. `more`: there are others after them.

    `fresh` and `now` are the freshness of the mirror at the time of the read, if there are events.
    """

    events: Sequence[NamedEvent]
    cursor: int
    more: bool = False
    fresh: Freshness | None = None
    now: int = 0


@dataclass(frozen=True)
class Page:
    """The events for one actor. `more`: read again at once. `missed`: some were deleted."""

    events: Sequence[NamedEvent]
    cursor: int
    more: bool = False
    missed: bool = False


Cursor: TypeAlias = int | None


def cursor_text(installation_id: int, cursor: int) -> str:
    return pagination.encode(f"{installation_id} {cursor}")


def parse_cursor(installation_id: int, cursor: str | None) -> Cursor:
    """The place; -1 if the cursor is of another installation. Raise Refused."""
    if cursor is None:
        return None
    where, _, place = pagination.decode(cursor).partition(" ")
    if not (where.isdecimal() and place.isdecimal() and len(place) < 19):
        raise pagination.wrong_cursor()
    return int(place) if int(where) == installation_id else -1


def reaches(actor: Actor, repository_id: int | None) -> bool:
    return actor.repositories is None or repository_id in (None, *actor.repositories)


def may_see(actor: Actor, event: NamedEvent) -> bool:
    """Whether the actor may see an event. For contexts, see also `needs_access_check`."""
    there = event["seen"] and reaches(actor, event["repository_id"])
    if event["audience"] is None:
        return bool(there)
    # A message stays visible to its reader wherever its task is now. What happens there does not.
    is_of_task = event["kind"].startswith(("task.", "context."))
    return event["audience"] == actor.name and (there or not is_of_task)


def wants(actor: Actor, topics: Topics, event: NamedEvent) -> bool:
    return topics.include(event) and topics.has_news(event, actor.name) and may_see(actor, event)


def needs_access_check(actor: Actor, event: NamedEvent) -> bool:
    """Whether only the database can say if the actor may see it: who may read a context."""
    return event["kind"].startswith("context.") and actor.name not in (
        event["actor"],
        event["audience"],
    )


def shown_to(actor: Actor, event: NamedEvent) -> NamedEvent:
    """The event without what its data names out of the actor's reach.

    A message reaches its readers wherever they work, and a context may be shared with the holder
    of any task.
    """
    if actor.repositories is None:
        return event
    data = event["data"]
    if event["kind"].startswith("message.") and "task" in data:
        where = event["repository_id"]
        if where is None or not reaches(actor, where):
            data = {**data, "task": None}
    elif event["kind"] == "context.shared" and str(data.get("to")).startswith(OF_TASK):
        data = {**data, "to": OF_TASK.rstrip(":")}
    return {**event, "data": data}


def first_page(news: News, found: Sequence[NamedEvent], limit: int) -> Page:
    """The first `limit` of the events that were selected from the news."""
    if len(found) <= limit:
        return Page(found, news.cursor, more=news.more)
    return Page(found[:limit], found[limit - 1]["seq"], more=True)


def page_of_news(actor: Actor, topics: Topics, cursor: int, found: News, limit: int) -> Page | None:
    """The page of an actor that has read up to `cursor`. None: it needs the database."""
    mine = [e for e in found.events if e["seq"] > cursor and wants(actor, topics, e)]
    if any(needs_access_check(actor, event) for event in mine):
        return None
    return first_page(found, [shown_to(actor, event) for event in mine], limit)
