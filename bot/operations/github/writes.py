"""The state of writes, and what is left of GitHub's limits."""

from collections.abc import Collection, Mapping
from typing import Annotated, get_args

from pydantic import BaseModel, Field

from bot.agents import hierarchy, presence
from bot.errors import Refused
from bot.identity import permissions
from bot.kernel.operation import Answer, Context, TaskRef, operation
from bot.kernel.pagination import Cursor, decode_number, encode
from bot.kernel.patterns import Shape
from bot.kernel.sentences import shorten
from bot.kernel.waitable import Waitable
from bot.mounts import tool_costs
from bot.mounts.tool_costs import ToolCost
from bot.operations.agents.arguments import AgentId
from bot.operations.github.quota_views import QuotaUse, quota_uses
from bot.operations.github.writing import Queued, Writes, WriteState, write_view
from bot.operations.tasks import spend_views
from bot.operations.tasks.access import visible_task
from bot.operations.tasks.spend_views import NOT_CHECKED, Spend, TeamBudget
from bot.outbox import cancellation, forecast, stopped, usage
from bot.outbox.usage import Bucket
from bot.tasks import lookup
from bot.times import SECOND, stamp
from store.mirror import stored_installations, stored_repositories
from store.outbox import write_history, writes
from store.tables.mirror import RepositoryRow
from store.tables.outbox import WriteRow

State = Annotated[
    str,
    Shape(f"^({'|'.join(get_args(WriteState))})$", f"must be {' or '.join(get_args(WriteState))}"),
    Field(description="default: not ended yet"),
]
WriteId = Annotated[str, Field(max_length=40, description="the write's id")]


class _Outcome(Waitable[Writes]):
    def is_final(self, answer: Writes) -> bool:
        return all(each.state in writes.FINAL for each in answer.writes)


@operation(reads_only=True, waitable=_Outcome())
async def get_write(ctx: Context, write_id: WriteId) -> Writes:
    """Return the state of your write: queued, sent with its result, or refused with a reason."""
    return Writes(writes=[await write_now(ctx, await _own_write(ctx, write_id))])


async def write_now(ctx: Context, row: WriteRow) -> Queued:
    live = row["state"] in writes.LIVE
    view = write_view(row)
    if live:
        soonest = await forecast.of(ctx.tx, row)
        view = write_view(row, ahead=soonest.ahead, expected_at=stamp(soonest.at))
        view.waits_because = view.waits_because or soonest.why
    if live and await stored_installations.is_suspended(ctx.tx, ctx.installation_id):
        view.waits_because = SUSPENDED
    elif paused := await stopped.pause_reason(ctx.tx, row):
        view.waits_because, view.expected_at = paused, None
    return view


SUSPENDED = (
    "The App's installation is suspended on GitHub. The write goes out when an owner of the "
    "account lifts the suspension in the settings of the installation."
)


async def _own_write(ctx: Context, write_id: str) -> WriteRow:
    """A write of the actor or of an agent below it; for a tech-lead any. Raise Refused."""
    row = await writes.get(ctx.tx, ctx.installation_id, write_id, ctx.actor.known_repositories)
    if row is None or not await _is_over(ctx, row["author"], row["repository_id"]):
        raise Refused(
            "unknown_write",
            f"You have no write {write_id!r}. Pass the `write_id` of an answer.",
        )
    return row


async def _is_over(ctx: Context, author: str, repository_id: int | None = None) -> bool:
    """Whether the actor is the author, an agent above it, or a tech-lead of the repository."""
    if author == ctx.actor.name or permissions.allows(
        ctx.actor, ctx.operation, repository_id=repository_id
    ):
        return True
    return await hierarchy.is_below(ctx, author, ctx.actor.name)


class Listed(BaseModel):
    write_id: str
    kind: str
    state: WriteState
    author: str
    repository: str | None = None
    number: int | None = Field(None, description="of the issue or pull request")
    task: str | None = Field(None, description="the task that it belongs to")
    queued_at: str
    why: str | None = Field(None, description="why it waits, or why it was not sent")


ON_A_PAGE = 50


class WriteList(Answer):
    of_mirror = False

    writes: list[Listed]
    next_cursor: str | None = None


@operation(reads_only=True)
async def list_writes(
    ctx: Context,
    agent_id: Annotated[
        AgentId | None, Field(description="default: you; for tech-leads all")
    ] = None,
    task: TaskRef | None = None,
    state: State | None = None,
    cursor: Cursor = None,
) -> WriteList:
    """List writes for GitHub, newest first, yours or those of agents below you."""
    states = (state,) if state else writes.LIVE
    wanted = await _filters(ctx, agent_id, task, states)
    rows = await write_history.page(
        ctx.tx, ctx.installation_id, wanted, decode_number(cursor), ON_A_PAGE + 1
    )
    end = str(rows[ON_A_PAGE - 1]["seq"]) if len(rows) > ON_A_PAGE else None
    return WriteList(
        writes=await list_entries(ctx, rows[:ON_A_PAGE]),
        next_cursor=encode(end) if end else None,
    )


async def _filters(
    ctx: Context, agent_id: str | None, task: str | None, states: Collection[str]
) -> write_history.Wanted:
    """The filters within the actor's reach. Raise Refused."""
    reach = ctx.actor.repositories
    all_of_them = permissions.allows(ctx.actor, ctx.operation)
    authors = [agent_id] if agent_id else None if all_of_them else [ctx.actor.name]
    if agent_id and not await _is_over(ctx, agent_id):
        raise Refused(
            "forbidden",
            f"{agent_id} is not below {ctx.actor.name}. Only {agent_id} itself, agents above it "
            "or a tech-lead may see and cancel its writes.",
            **permissions.missing(ctx.actor, ctx.operation),
        )
    if task is None:
        return write_history.Wanted(states=states, authors=authors, repositories=reach)
    row = await visible_task(ctx, task)
    numbers = [each for each in (row["number"], row["pull_number"]) if each]
    return write_history.Wanted(
        states=states,
        authors=authors,
        task_id=row["id"],
        task_targets=[writes.on_issue(row["repository_id"], each) for each in numbers],
        repositories=reach,
    )


async def list_entries(ctx: Context, rows: list[WriteRow]) -> list[Listed]:
    here = (ctx.tx, ctx.installation_id)
    paused = await stopped.pause_reasons(ctx.tx, rows)
    repositories = {
        id_: await stored_repositories.repository_by_id(*here, id_)
        for id_ in {row["repository_id"] for row in rows}
    }
    of_tasks = [row["task_id"] for row in rows if row["task_id"]]
    names = await lookup.names(ctx.tx, ctx.actor, of_tasks)
    return [
        _list_entry(row, repositories[row["repository_id"]], names, paused.get(row["id"]))
        for row in rows
    ]


def _list_entry(
    row: WriteRow, where: RepositoryRow | None, names: Mapping[str, str], paused: str | None
) -> Listed:
    error = row["error"]
    # get_write has the whole text.
    why = paused or (error and error["message"])
    return Listed(
        write_id=row["id"],
        kind=row["kind"],
        state=row["state"],
        author=row["author"],
        repository=where and where["full_name"],
        number=row["arguments"].get("number"),
        task=row["task_id"] and names.get(row["task_id"], row["task_id"]),
        queued_at=stamp(row["queued_at"]),
        why=why and shorten(why),
    )


class Cancelled(Answer):
    of_mirror = False

    cancelled: list[str] = Field(description="ids of the writes that are cancelled now")
    more: bool = Field(False, description="there are more: call again")
    writes: list[Queued] = Field([], description="the one write that the caller named")


# One call is one transaction.
MOST_CANCELLED = 200


@operation(idempotent=True, destructive=True)
async def cancel_write(
    ctx: Context,
    write_id: WriteId | None = None,
    agent_id: Annotated[AgentId | None, Field(description="an agent's id")] = None,
    task: TaskRef | None = None,
    all: Annotated[bool, Field(description="all that you may")] = False,  # noqa: A002, FBT002 - an argument by name
) -> Cancelled:
    """Cancel a write, or all of an agent or task, if not sent."""
    if sum(each is not None for each in (write_id, agent_id or task, all or None)) != 1:
        raise Refused(
            "invalid_arguments", "Pass `write_id`; or `agent_id`, `task` or both; or `all` true."
        )
    return await _cancel_one(ctx, write_id) if write_id else await _cancel_all(ctx, agent_id, task)


async def _cancel_one(ctx: Context, write_id: str) -> Cancelled:
    row = await _own_write(ctx, write_id)
    if row["author"] != ctx.actor.name:
        await presence.check_presence(ctx.tx, ctx.actor, "at_work", ctx.state)
    done: list[str] = []
    if row["state"] != "cancelled":
        author_knows = row["author"] == ctx.actor.name
        done = await cancellation.cancel(ctx.tx, row, _reason(ctx), author_knows=author_knows)
    row = await _own_write(ctx, write_id)
    if (state := row["state"]) != "cancelled":
        gone = {"sending": "it is being sent now", "unknown": "GitHub may have it already"}
        raise Refused(
            "too_late",
            f"{write_id} cannot be cancelled: {gone.get(state, f'it is {state}')}.",
            state=state,
        )
    return Cancelled(cancelled=done, writes=[write_view(row)])


def _reason(ctx: Context) -> str:
    return f"{ctx.actor.name} cancelled it."


async def _cancel_all(ctx: Context, agent_id: str | None, task: str | None) -> Cancelled:
    wanted = await _filters(ctx, agent_id, task, ("queued",))
    if wanted.authors != [ctx.actor.name]:
        await presence.check_presence(ctx.tx, ctx.actor, "at_work", ctx.state)
    rows = await write_history.page(ctx.tx, ctx.installation_id, wanted, None, MOST_CANCELLED + 1)
    done = await cancellation.cancel_each(
        ctx.tx, rows[:MOST_CANCELLED], _reason(ctx), ctx.actor.name
    )
    return Cancelled(cancelled=done, more=len(rows) > MOST_CANCELLED)


class Spender(BaseModel):
    author: str
    writes: int


class Waiting(BaseModel):
    author: str
    kind: str
    n: int


class BudgetNow(Answer):
    of_mirror = False

    buckets: list[Bucket]
    next_write_at: str = Field(description="when the next write of an agent may be sent")
    queued: int
    paused: int = Field(
        description="more writes, which wait because their author is paused or a cap is reached"
    )
    empty_at: str | None = Field(
        None, description="when the last of the waiting writes should be sent"
    )
    waiting: list[Waiting]
    spent: list[Spender] = Field(description="who sent the most writes in the last 24 hours")
    quotas: list[QuotaUse] = Field(description="what you may do and use; people have no quotas")
    currency: str = Field(description="of `reported_spend`")
    reported_spend: list[Spend] = Field(description=f"of today, {NOT_CHECKED}")
    team: list[TeamBudget] = Field(
        [],
        description="budgets of you and of agents above you, the nearest first",
        exclude_if=lambda team: not team,
    )
    tool_costs: list[ToolCost] = Field([], description="of today, the most expensive first")


@operation(reads_only=True)
async def get_budget(ctx: Context) -> BudgetNow:
    """Return what is left of GitHub's limits and your quotas, and when the queue should be empty.

    `reserved` is left to people and bookkeeping.
    """
    now = await usage.of(ctx.tx, ctx.installation_id)
    return BudgetNow(
        buckets=now.buckets,
        next_write_at=stamp(now.next_at),
        queued=sum(each["n"] for each in now.rows),
        paused=now.paused,
        empty_at=stamp(ctx.now + int(now.empty_in_s * SECOND)) if now.rows else None,
        waiting=[
            Waiting(author=each["author"], kind=each["kind"], n=each["n"]) for each in now.rows[:50]
        ],
        spent=[Spender(author=author, writes=n) for author, n in now.spent.items()],
        quotas=await quota_uses(ctx),
        currency=ctx.shared.caps.currency,
        reported_spend=await spend_views.today(ctx),
        team=await spend_views.team_budgets(
            ctx, await hierarchy.above(ctx.tx, ctx.installation_id, ctx.actor.name)
        ),
        tool_costs=await tool_costs.of_today(ctx.tx, ctx.actor),
    )
