"""Waiting for events."""

from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, Self, TypeAlias

from pydantic import BaseModel, Field, SkipValidation

from bot.events import event_log
from bot.identity.actors import Actor
from bot.kernel import event_stream
from bot.kernel.event_stream import NamedEvent, News, Page, Topics
from bot.kernel.operation import Answer, Context, operation
from bot.kernel.pagination import Limit
from bot.kernel.waitable import EventFilter, Look, Waitable
from bot.times import stamp

MOST_TOPICS = 50
TopicNames: TypeAlias = Annotated[
    list[Annotated[str, Field(max_length=310)]],
    Field(
        min_length=1,
        max_length=MOST_TOPICS,
        description="tasks, messages, contexts, agents, workflows, or one task or pull request: "
        "owner/repo#12",
    ),
]


@dataclass(frozen=True)
class Place:
    """The topics of a caller, and the event after which it continues."""

    topics: Topics
    at: int


class Event(BaseModel):
    kind: str = Field(description="for example task.claimed")
    subject: str = Field("", description="the id of the task, message, context, agent or workflow")
    task: str | None = Field(
        None, description="owner/repo#12, if the event is about a task that GitHub has numbered"
    )
    actor: str
    at: str
    data: dict[str, Any] = {}

    def lean(self) -> Self:
        """Without what its fields say twice."""
        said = (None, "", self.subject, self.task, self.actor)
        data = {
            name: each
            for name, each in self.data.items()
            if each not in said and not self._is_unneeded(name, each)
        }
        return self.model_copy(update={"subject": "" if self.task else self.subject, "data": data})

    def _is_unneeded(self, name: str, value: object) -> bool:
        """Whether models do not need this field of the data."""
        if self.kind.startswith("message."):
            return name == "task" or (name, value) == ("priority", "medium")
        return name in ("lease", "association")


class Events(Answer):
    of_mirror = False
    omitted = MappingProxyType({"events": {"__all__": {"at"}}})

    events: list[Event]
    cursor: str = Field(description="pass it to the next call")
    more: bool = Field(False, description="whether there are more events: call again at once")
    missed: bool = Field(
        False, description="whether events were deleted before you read them: read the state again"
    )
    # Only for continuing to wait. It is not a part of the answer.
    place: Annotated[Place, SkipValidation] = Field(exclude=True)

    def lean(self) -> Self:
        return self.model_copy(update={"events": [each.lean() for each in self.events]})


def event_view(event: NamedEvent) -> dict[str, Any]:
    """The fields of an event, the same on every surface."""
    return {
        "kind": event["kind"],
        "subject": event["subject"],
        "task": event["task"],
        "actor": event["actor"],
        "data": event["data"],
        "at": stamp(event["at"]),
    }


def _page_fields(page: Page, actor: Actor, topics: Topics) -> dict[str, Any]:
    return {
        "place": Place(topics, page.cursor),
        "events": [Event.model_validate(event_view(each)) for each in page.events],
        "cursor": event_stream.cursor_text(actor.installation_id, page.cursor),
        "more": page.more,
        "missed": page.missed,
    }


class _NextEvents(Waitable[Events]):
    def is_final(self, answer: Events) -> bool:
        return bool(answer.events) or answer.more or answer.missed

    def wanted_events(self, answer: Events, actor: Actor) -> EventFilter:
        return partial(event_stream.wants, actor, answer.place.topics)

    async def look_again(self, look: Look, answer: Events) -> Events | None:
        """All callers that wait share the news. Only some of them need the database."""
        if look.timed_out:
            return None
        found = look.news and _answer_from_news(look, answer, look.news)
        found = await (look.add_notices(found) if found else look.run(cursor=answer.cursor))
        assert isinstance(found, Events)
        return found


def _answer_from_news(look: Look, answer: Events, news: News) -> Events | None:
    """The answer from shared news. None: the database is needed."""
    if look.actor.repositories is not None or news.fresh is None:
        return None  # `behind` in the news names repositories that the actor may not see
    topics = answer.place.topics
    page = event_stream.page_of_news(
        look.actor, topics, answer.place.at, news, look.arguments.limit
    )
    if page is None:
        return None
    fresh = news.fresh.fields(news.now)
    return answer.model_copy(update=_page_fields(page, look.actor, topics) | fresh)


@operation(reads_only=True, waitable=_NextEvents())
async def wait_for_events(
    ctx: Context,
    topics: TopicNames,
    cursor: Annotated[
        str | None,
        Field(max_length=100, description="`cursor` of the last answer; omit to start now"),
    ] = None,
    limit: Limit = 50,
) -> Events:
    """Return what others did since `cursor`, in order. If nothing, wait up to `wait_s`."""
    found = await event_log.find_topics(ctx.tx, ctx.actor, topics)
    wanted = replace(found, leave_out="no news" if ctx.waits else "own")
    place = event_stream.parse_cursor(ctx.installation_id, cursor)
    page = await event_log.read_page(ctx.tx, ctx.actor, wanted, place, limit)
    return Events(**_page_fields(page, ctx.actor, wanted))
