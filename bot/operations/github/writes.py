"""The state of writes, and what is left of GitHub's limits."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from bot.agents import presence
from bot.errors import Refused
from bot.github import rate_limit_store, rate_limits
from bot.kernel.operation import Answer, Context, operation
from bot.kernel.waitable import Waitable
from bot.operations.github.writing import Write, write_view
from bot.outbox import effects, fairness, usage
from bot.outbox.usage import Bucket
from bot.times import SECOND, stamp
from store.mirror import mirror_rows
from store.outbox import writes
from store.tables.outbox import WriteRow

WriteId = Annotated[str, Field(max_length=40, description="the write's id")]


class _Outcome(Waitable[Write]):
    def is_final(self, answer: Write) -> bool:
        return answer.state in writes.FINAL


@operation(role="observer", reads_only=True, waitable=_Outcome())
async def get_write(ctx: Context, write_id: WriteId) -> Write:
    """Return the state of your write: queued, sent with its result, or refused with a reason."""
    row = await _own_write(ctx, write_id)
    live = row["state"] in writes.LIVE
    ahead = await writes.ahead(ctx.tx, ctx.installation_id, row["seq"]) if live else 0
    expected = None
    if live:
        state = await rate_limit_store.of(ctx.tx, ctx.installation_id)
        soonest = rate_limits.expected_at(state, fairness.cost(row), ahead, ctx.now)
        expected = stamp(max(row["not_before"], soonest))
    view = write_view(row, ahead=ahead, expected_at=expected)
    if live and await mirror_rows.is_suspended(ctx.tx, ctx.installation_id):
        view.waits_because = SUSPENDED
    return view


SUSPENDED = (
    "The App's installation is suspended on GitHub. The write goes out when an owner of the "
    "account lifts the suspension in the settings of the installation."
)


async def _own_write(ctx: Context, write_id: str) -> WriteRow:
    """A write of the actor, or for a tech-lead of anybody. Raise Refused."""
    row = await writes.get(ctx.tx, ctx.installation_id, write_id)
    if row is None or not (row["author"] == ctx.actor.name or ctx.actor.may("tech-lead")):
        raise Refused(
            "unknown_write",
            f"You have no write {write_id!r}. Pass the `write_id` of an answer.",
        )
    return row


@operation(role="tester", idempotent=True, destructive=True)
async def cancel_write(ctx: Context, write_id: WriteId) -> Write:
    """Cancel a write of yours that is not sent yet; for a pull request, its new branch too."""
    row = await _own_write(ctx, write_id)
    if row["author"] != ctx.actor.name:
        await presence.check_presence(ctx.tx, ctx.actor, "at_work")
    reason = f"{ctx.actor.name} cancelled it."
    why = {"code": "cancelled", "message": reason, "details": {}}
    if row["state"] != "cancelled" and not await writes.cancel(
        ctx.tx, row, why, told=row["author"] == ctx.actor.name
    ):
        state = row["state"]
        gone = {"sending": "it is being sent now", "unknown": "GitHub may have it already"}
        raise Refused(
            "too_late",
            f"{write_id} cannot be cancelled: {gone.get(state, f'it is {state}')}.",
            state=state,
        )
    if row["state"] != "cancelled":
        await _cancel_what_it_needs(ctx, row, why)
        await effects.apply_failure(ctx.tx, row, reason)
    return write_view(await _own_write(ctx, write_id))


async def _cancel_what_it_needs(ctx: Context, row: WriteRow, why: dict[str, Any]) -> None:
    """Cancel the branch and the first commit that were queued together with the pull request."""
    here, opened = (ctx.tx, ctx.installation_id), row["arguments"].get("opened", [])
    commits = await writes.waiting(*here, row["target"], "commit")
    if {each["arguments"].get("after") for each in commits} & set(opened):
        return  # other writes need them
    for write_id in opened:
        if needed := await writes.get(*here, write_id):
            await writes.cancel(ctx.tx, needed, why, told=True)


class Spender(BaseModel):
    author: str
    writes: int


class Waiting(BaseModel):
    author: str
    kind: str
    n: int


class BudgetNow(Answer):
    buckets: list[Bucket]
    next_write_at: str = Field(description="when the next write of an agent may be sent")
    queued: int
    empty_at: str | None = Field(description="when the last of the waiting writes should be sent")
    waiting: list[Waiting]
    spent: list[Spender] = Field(description="who sent the most writes in the last 24 hours")


@operation(role="observer", reads_only=True)
async def get_budget(ctx: Context) -> BudgetNow:
    """Return what is left of GitHub's limits and who used it.

    Also what is queued, and when the queue should be empty.
    """
    now = await usage.of(ctx.tx, ctx.installation_id)
    return BudgetNow(
        buckets=now.buckets,
        next_write_at=stamp(now.next_at),
        queued=sum(each["n"] for each in now.rows),
        empty_at=stamp(ctx.now + int(now.empty_in_s * SECOND)) if now.rows else None,
        waiting=[
            Waiting(author=each["author"], kind=each["kind"], n=each["n"]) for each in now.rows[:50]
        ],
        spent=[Spender(author=author, writes=n) for author, n in now.spent.items()],
    )
