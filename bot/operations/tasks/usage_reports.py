"""Agents report what their models used, and what it cost."""

from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field

from bot.errors import Refused
from bot.kernel.operation import Answer, Context, TaskRef, operation
from bot.kernel.patterns import Shape
from bot.operations.tasks.access import visible_task
from bot.operations.tasks.reached_caps import apply_caps
from bot.operations.tasks.spend_views import Spend
from bot.quotas.money import AMOUNT, AMOUNT_WORDS, from_number, micros
from bot.runs import spending
from bot.tasks import lookup, spend_caps
from store.agents import agents
from store.engine import ids
from store.tasks import leases, usage
from store.tasks.tasks import FullTask
from store.tasks.usage import Amounts

# No report of one call or one session comes near this, and a sum of a billion such fits its column.
MOST_TOKENS = 1_000_000_000
Tokens: TypeAlias = Annotated[int, Field(ge=0, le=MOST_TOKENS, strict=True)]
Cost: TypeAlias = Annotated[
    str,
    Shape(AMOUNT, AMOUNT_WORDS),
    BeforeValidator(from_number, json_schema_input_type=str),
    Field(description="such as 0.0125"),
]


class UsageReported(Answer):
    of_mirror = False

    report_id: str
    reported_for: str | None = Field(description="the task; null if you held none")
    currency: str
    spend: list[Spend] = Field(description="the sums now")


@operation()
async def report_usage(
    ctx: Context,
    model: Annotated[str, Field(min_length=1, max_length=100, description="the model's name")],
    input_tokens: Annotated[Tokens, Field(description="without cached ones")] = 0,
    output_tokens: Annotated[Tokens, Field(description="what it wrote")] = 0,
    cached_tokens: Annotated[Tokens, Field(description="read from its cache")] = 0,
    cost: Cost = "0",
    currency: Annotated[str, Field(max_length=20, description="default: the server's")]
    | None = None,
    task: Annotated[TaskRef | None, Field(description="default: the one that you hold")] = None,
) -> UsageReported:
    """Report what your model used since your last report, for a task of yours."""
    amounts: Amounts = {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cached_tokens": cached_tokens,
        "cost": micros(cost),
    }
    _check(ctx, amounts, currency)
    row = await _own_task(ctx, task)
    of_task = (row["repository_id"], row["id"]) if row else (None, None)
    keys = spend_caps.sum_keys(ctx.now, ctx.actor.name, *of_task)
    report_id = await _store(ctx, row, model, amounts)
    await usage.add_to_sums(ctx.tx, ctx.installation_id, keys, ctx.shared.caps.currency, amounts)
    spend = await apply_caps(ctx, row, keys)
    here = (ctx.tx, ctx.installation_id)
    await spending.stop_over_limit(*here, ctx.actor.name, ctx.shared.caps.currency)
    tokens = input_tokens + output_tokens
    await spending.count_for_team(*here, ctx.actor.name, tokens, amounts["cost"])
    return UsageReported(
        report_id=report_id,
        reported_for=lookup.name(row) if row else None,
        currency=ctx.shared.caps.currency,
        spend=spend,
    )


def _check(ctx: Context, amounts: Amounts, currency: str | None) -> None:
    """Raise Refused if there is nothing to report, or the currency is another one."""
    known = ctx.shared.caps.currency
    if currency not in (None, known):
        raise Refused(
            "invalid_arguments",
            f"`currency` {currency!r} is unknown here: this server counts in {known}. Convert "
            "`cost`, or leave it out and report tokens only.",
        )
    if not any(amounts.values()):
        raise Refused(
            "invalid_arguments",
            "Nothing to report: pass at least one of `input_tokens`, `output_tokens`, "
            "`cached_tokens`, `cost` above 0.",
        )


async def _own_task(ctx: Context, ref: str | None) -> FullTask | None:
    """The task that the report is for. Raise Refused if it was never the caller's."""
    here = (ctx.tx, ctx.installation_id)
    if ref is None:
        held = await agents.held_tasks(*here, [ctx.actor.name], 2, ctx.actor.repositories)
        if len(held) > 1:
            raise Refused(
                "invalid_arguments",
                "You hold several tasks: pass `task` to say for which one you report.",
            )
        return await visible_task(ctx, held[0]) if held else None
    row = await visible_task(ctx, ref)
    mine = ctx.actor.name in (row["holder"], row["last_holder"])
    if not mine and not await leases.was_held_by(*here, row["id"], ctx.actor.name):
        raise Refused(
            "not_holder",
            f"You never held {lookup.name(row)}, so you cannot report usage for it. Report for a "
            "task of yours, or leave `task` out. Nothing was changed.",
            holder=row["holder"],
        )
    return row


async def _store(ctx: Context, row: FullTask | None, model: str, amounts: Amounts) -> str:
    """Store the report. Return its id."""
    report_id = ids.new("u", ctx.now)
    await usage.add_report(
        ctx.tx,
        {
            "installation_id": ctx.installation_id,
            "id": report_id,
            "agent_id": ctx.actor.name,
            "task_id": row and row["id"],
            "repository_id": row and row["repository_id"],
            "model": model,
            "currency": ctx.shared.caps.currency,
            "at": ctx.now,
            **amounts,
        },
    )
    return report_id
