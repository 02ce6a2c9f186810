"""What happened in an installation, as the database has it."""

from collections.abc import Sequence
from dataclasses import replace

from bot import contexts, freshness, tasks
from bot.actor import Actor
from bot.errors import Refused
from bot.news import TOPICS, Cursor, News, Page, Topics, cut, needs_a_look, reaches, wants
from store import events, heads
from store.transaction import Row, Tx

# One look goes through so many events at most, whether or not they are wanted.
SCANNED = 1000


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
    found = [event for event in news.events if wants(actor, topics, event)]
    found = await _readable(tx, actor, found)
    # Last the floor: it may rise meanwhile.
    missed = cursor < await events.floor(*here)
    return replace(cut(news, found, limit), missed=missed)


async def _readable(tx: Tx, actor: Actor, found: Sequence[Row]) -> list[Row]:
    """Without those of contexts that the actor may not read."""
    asked = {event["subject"] for event in found if needs_a_look(actor, event)}
    if not asked:
        return list(found)
    may = await contexts.readable_ones(tx, actor, sorted(asked))
    return [each for each in found if not needs_a_look(actor, each) or each["subject"] in may]


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
