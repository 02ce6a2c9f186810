"""Waiting for what happens."""

from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, Field, SkipValidation

from bot.events import event_log
from bot.identity.actors import Actor
from bot.kernel import event_stream
from bot.kernel.event_stream import News, Page, Topics
from bot.kernel.operation import Answer, Context, Woken, operation
from bot.kernel.pagination import Limit
from bot.times import stamp
from store.engine.transaction import Row

MOST_TOPICS = 50
TopicNames: TypeAlias = Annotated[
    list[Annotated[str, Field(max_length=310)]],
    Field(
        min_length=1,
        max_length=MOST_TOPICS,
        description="tasks, messages, contexts, agents, or one: task:owner/repo#12",
    ),
]


@dataclass(frozen=True)
class Place:
    """What is waited for, and from where on."""

    topics: Topics
    at: int


class Event(BaseModel):
    kind: str = Field(description="as task.claimed")
    subject: str = Field(description="the id of the task, message, context or agent")
    task: str | None = Field(description="of a task: owner/repo#12, once GitHub numbered it")
    actor: str
    at: str
    data: dict[str, Any]


class Events(Answer):
    events: list[Event]
    cursor: str = Field(description="give it with the next call")
    more: bool = Field(description="call again at once")
    missed: bool = Field(description="some since the cursor are kept no longer: look anew")
    # For who goes on waiting; no part of the answer.
    place: Annotated[Place, SkipValidation] = Field(exclude=True)


def event_view(event: Row) -> dict[str, Any]:
    """An event as every surface has it."""
    names = ("kind", "subject", "task", "actor", "data")
    return {name: event[name] for name in names} | {"at": stamp(event["at"])}


def _page_fields(page: Page, actor: Actor, topics: Topics) -> dict[str, Any]:
    return {
        "place": Place(topics, page.cursor),
        "events": [Event.model_validate(event_view(each)) for each in page.events],
        "cursor": event_stream.written(actor.installation_id, page.cursor),
        "more": page.more,
        "missed": page.missed,
    }


def _settled(answer: Events) -> bool:
    return bool(answer.events) or answer.more or answer.missed


def _wants(answer: Events, actor: Actor, event: Row) -> bool:
    return event_stream.wants(actor, answer.place.topics, event)


def _told(answer: Events, actor: Actor, arguments: Any, found: News) -> Events | None:
    if actor.repositories is not None or found.fresh is None:
        return None  # what is said of the mirror names repositories
    topics = answer.place.topics
    page = event_stream.told(actor, topics, answer.place.at, found, arguments.limit)
    if page is None:
        return None
    fresh = found.fresh.told(found.now)
    return answer.model_copy(update=_page_fields(page, actor, topics) | fresh)


def _go_on(answer: Events, arguments: Any) -> Any:
    return arguments.model_copy(update={"cursor": answer.cursor})


@operation(
    role="observer",
    reads_only=True,
    settled=_settled,
    woken=Woken(_wants, _told, _go_on),
)
async def wait_for_events(
    ctx: Context,
    topics: TopicNames,
    cursor: Annotated[
        str | None, Field(max_length=100, description="of the last answer; without: from now on")
    ] = None,
    limit: Limit = 50,
) -> Events:
    """Return the events since `cursor`, in order. If there are none, wait up to `wait_s`."""
    wanted = await event_log.parsed(ctx.tx, ctx.actor, topics)
    place = event_stream.read(ctx.installation_id, cursor)
    page = await event_log.page(ctx.tx, ctx.actor, wanted, place, limit)
    return Events(**_page_fields(page, ctx.actor, wanted))
