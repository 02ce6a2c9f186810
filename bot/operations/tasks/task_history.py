"""Everything that happened on a task, as people look at it."""

from pydantic import BaseModel, Field

from bot.comments import card, card_gate
from bot.kernel import pagination
from bot.kernel.operation import Answer, Context, TaskRef, operation
from bot.kernel.pagination import Cursor, Limit
from bot.operations.agents.run_views import Run, run_view
from bot.operations.github.linked_writes import LinkedWrite, with_links
from bot.operations.messages import consulted
from bot.operations.messages.views import Message, message_view, with_files
from bot.operations.tasks.access import visible_task
from bot.times import stamp
from store import events
from store.events import LoggedEvent
from store.messages import messages
from store.outbox import write_history
from store.runs import runs
from store.tables.tasks import LeaseRow
from store.tasks import lease_history

# Of each kind, beside the events, which have pages.
MOST = 50


class TaskEvent(BaseModel):
    kind: str
    actor: str
    at: str
    data: dict[str, object]


class Lease(BaseModel):
    fence: int
    holder: str
    state: str = Field(description="held, parked, released, completed, expired or revoked")
    granted_at: str
    renewed_at: str
    expires_at: str | None
    ended_at: str | None
    why: str | None


class TaskHistory(Answer):
    of_mirror = False

    events: list[TaskEvent] = Field(description="the newest first")
    next_cursor: str | None = None
    leases: list[Lease] = Field([], description="the newest first; on the first page only")
    writes: list[LinkedWrite] = Field([], description="the same for what goes to GitHub")
    runs: list[Run] = Field([], description="the same for agent runs")
    next_step: str | None = Field(None, description="what happens next; on the first page only")
    is_gate: bool = Field(
        False, description="a gate that is not decided", exclude_if=lambda gate: not gate
    )
    awaits_approval: bool = Field(
        False, description="approve_task decides it now", exclude_if=lambda waits: not waits
    )


@operation(reads_only=True)
async def get_task_history(
    ctx: Context, task: TaskRef, limit: Limit = 50, cursor: Cursor = None
) -> TaskHistory:
    """Return what happened on a task: events, leases, writes and agent runs."""
    row = await visible_task(ctx, task)
    here, before = (ctx.tx, ctx.installation_id, row["id"]), _before(cursor)
    logged = await events.of_subject(*here, limit + 1, before)
    answer = TaskHistory(
        events=[_event_view(each) for each in logged[:limit]],
        next_cursor=_following(logged, limit),
    )
    if cursor is not None:
        return answer
    queued = await write_history.of_task(*here, MOST)
    started = await runs.all_of_task(*here, MOST)
    return answer.model_copy(
        update={
            "leases": [_lease_view(e) for e in await lease_history.of_task(*here, MOST)],
            "writes": await with_links(ctx, queued),
            "runs": [await run_view(ctx, each) for each in started],
            "next_step": await card.next_step(ctx.tx, row),
            "is_gate": await card_gate.of_task(ctx.tx, row) is not None,
            "awaits_approval": await card.awaits_approval(ctx.tx, row),
        }
    )


class TaskMessages(Answer):
    of_mirror = False

    messages: list[Message] = Field(description="the newest first, at most 50")


@operation(reads_only=True)
async def get_task_messages(ctx: Context, task: TaskRef) -> TaskMessages:
    """Return what agents and people wrote to each other about a task."""
    row = await visible_task(ctx, task)
    found = await messages.about_task(ctx.tx, ctx.installation_id, row["id"], MOST)
    shown = await with_files(ctx, [await message_view(ctx, each) for each in found])
    return TaskMessages(messages=await consulted.with_outcomes(ctx, shown))


def _before(cursor: str | None) -> int:
    """The number of the event before which the page begins. Raise Refused."""
    place = pagination.decode_number(cursor)
    return events.LAST if place is None else place


def _following(logged: list[LoggedEvent], limit: int) -> str | None:
    return pagination.encode(str(logged[limit - 1]["seq"])) if len(logged) > limit else None


def _event_view(row: LoggedEvent) -> TaskEvent:
    return TaskEvent(kind=row["kind"], actor=row["actor"], at=stamp(row["at"]), data=row["data"])


def _lease_view(row: LeaseRow) -> Lease:
    return Lease(
        fence=row["fence"],
        holder=row["holder"],
        state=row["state"],
        granted_at=stamp(row["granted_at"]),
        renewed_at=stamp(row["renewed_at"]),
        expires_at=row["expires_at"] and stamp(row["expires_at"]),
        ended_at=row["ended_at"] and stamp(row["ended_at"]),
        why=row["ended_why"],
    )
