"""Reads events from the database, and finds the topics that a caller names."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from bot.contexts import access
from bot.errors import Refused
from bot.identity.actors import Actor
from bot.kernel import freshness
from bot.kernel.event_stream import (
    TOPICS,
    Cursor,
    NamedEvent,
    News,
    Page,
    Topics,
    first_page,
    needs_access_check,
    reaches,
    shown_to,
    wants,
)
from bot.tasks import lookup
from store import events
from store.agents import agents
from store.engine import sequences
from store.engine.transaction import Tx
from store.events import LoggedEvent
from store.workflows import workflows

# How many events one read looks at, whether the caller wants them or not.
MOST_SCANNED = 1000


async def find_topics(tx: Tx, actor: Actor, topics: Sequence[str]) -> Topics:
    """The named topics. Raise Refused for a wrong topic, or for one that the actor may not see."""
    kinds = frozenset(TOPICS[each] for each in topics if each in TOPICS)
    single = [each for each in topics if each not in TOPICS]
    subjects = [each for topic in single for each in await _single_topic(tx, actor, topic)]
    return Topics(kinds, frozenset(subjects))


async def _single_topic(tx: Tx, actor: Actor, topic: str) -> list[tuple[str, str]]:
    kind, _, subject = topic.partition(":")
    if not subject and "#" in topic:
        kind, subject = "task", topic
    if kind not in SINGLE or not subject:
        raise Refused(
            "invalid_arguments",
            f"There is no topic {topic!r}. Pass {', '.join(TOPICS)}, or the topic of one object: "
            "task:owner/repo#12, context:<id>, agent:<id>, workflow:<id>.",
        )
    return [(kind, each) for each in await SINGLE[kind](tx, actor, subject)]


async def _task_ids(tx: Tx, actor: Actor, ref: str) -> list[str]:
    """The task of an issue, or the tasks of a pull request."""
    try:
        found = [await lookup.find(tx, actor.installation_id, ref, reach=actor.repositories)]
    except Refused as exc:
        if exc.code != "unknown_task":
            raise _unknown_task(ref) from exc
        found = await lookup.of_pull(tx, actor.installation_id, ref, actor.repositories)
    if not found:
        raise _unknown_task(ref)
    return [str(task["id"]) for task in found]


def _unknown_task(ref: str) -> Refused:
    return Refused(
        "unknown_task",
        f"There is no task {ref!r} that you may see, nor a pull request of one. Pass "
        "owner/repo#12 or a task's id; list_tasks lists them.",
    )


async def _context_id(tx: Tx, actor: Actor, context_id: str) -> list[str]:
    if not await access.readable_ones(tx, actor, [context_id]):
        raise access.unknown(context_id)
    return [context_id]


async def _agent_id(tx: Tx, actor: Actor, agent_id: str) -> list[str]:
    if await agents.get(tx, actor.installation_id, agent_id) is None:
        raise Refused(
            "unknown_agent",
            f"No agent {agent_id!r} has registered. list_agents lists the agents; the topic "
            "`agents` has new ones.",
        )
    return [agent_id]


async def _workflow_id(tx: Tx, actor: Actor, workflow_id: str) -> list[str]:
    found = await workflows.get(tx, actor.installation_id, workflow_id)
    if found is None or not reaches(actor, found["repository_id"]):
        raise Refused(
            "unknown_workflow",
            f"There is no workflow {workflow_id!r} that you may see. list_workflows lists them.",
        )
    return [workflow_id]


# For the topics of one object: the function that finds its id. A pull request may have two tasks.
SINGLE: dict[str, Callable[[Tx, Actor, str], Awaitable[list[str]]]] = {
    "task": _task_ids,
    "context": _context_id,
    "agent": _agent_id,
    "workflow": _workflow_id,
}


async def read_page(tx: Tx, actor: Actor, topics: Topics, cursor: Cursor, limit: int) -> Page:
    """The next events that the actor may see. Without a cursor: none, and the newest place."""
    here = (tx, actor.installation_id)
    # Read the head first: events after it belong to the next page.
    head = await _head(*here)
    if cursor is None:
        return Page((), head)
    if not 0 <= cursor <= head:
        return Page((), head, missed=True)
    news = await between(*here, cursor, head)
    found = [event for event in news.events if wants(actor, topics, event)]
    found = await _readable(tx, actor, found)
    # Read the floor last: it may rise during the read.
    missed = cursor < await events.floor(*here)
    shown = [shown_to(actor, event) for event in found]
    return replace(first_page(news, shown, limit), missed=missed)


async def _readable(tx: Tx, actor: Actor, found: Sequence[NamedEvent]) -> list[NamedEvent]:
    """The events without those of contexts that the actor may not read."""
    asked = {event["subject"] for event in found if needs_access_check(actor, event)}
    if not asked:
        return list(found)
    may = await access.readable_ones(tx, actor, sorted(asked))
    return [each for each in found if not needs_access_check(actor, each) or each["subject"] in may]


async def _head(tx: Tx, installation_id: int) -> int:
    return (await sequences.of(tx, [installation_id])).get(installation_id, 0)


async def between(tx: Tx, installation_id: int, after: int, head: int) -> News:
    """The next events, as many as one read looks at."""
    rows = await events.since(tx, installation_id, after, head, MOST_SCANNED)
    if not rows:
        return News((), head)
    more = len(rows) == MOST_SCANNED
    named = await _with_names(tx, installation_id, rows)
    return News(named, rows[-1]["seq"] if more else head, more=more)


async def changes_since(tx: Tx, installation_id: int, after: int | None) -> News:
    """New events. Without `after`: none, and the newest place."""
    head = await _head(tx, installation_id)
    if after is None or after > head:
        return News((), head)
    return await between(tx, installation_id, after, head)


async def read_news(tx: Tx, installation_id: int, after: int | None) -> News:
    """New events and the mirror's freshness, for all who wait. Without `after`: from now on."""
    news = await changes_since(tx, installation_id, after)
    if not news.events:
        return news
    now = await tx.now()
    return replace(news, fresh=await freshness.of(tx, installation_id, now), now=now)


async def _with_names(
    tx: Tx, installation_id: int, rows: Sequence[LoggedEvent]
) -> list[NamedEvent]:
    about = {row["subject"] for row in rows if row["kind"].startswith("task.")}
    where = {row["repository_id"] for row in rows if row["repository_id"] is not None}
    names = await events.names(tx, installation_id, about)
    visible = await events.visible(tx, installation_id, where) | {None}
    return [
        {**row, "task": names.get(row["subject"]), "seen": row["repository_id"] in visible}
        for row in rows
    ]
