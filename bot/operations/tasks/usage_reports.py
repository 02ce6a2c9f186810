"""Agents report what their models used, and what it cost."""

from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field

from bot.errors import Refused
from bot.identity.actors import BOT
from bot.kernel import event_recorder
from bot.kernel.notice_rules import Happening
from bot.kernel.operation import Answer, Context, TaskRef, operation
from bot.kernel.patterns import Shape
from bot.operations.tasks.access import visible_task
from bot.operations.tasks.spend_views import Spend, views
from bot.outbox import stopped
from bot.quotas.money import AMOUNT, AMOUNT_WORDS, amount, from_number, micros
from bot.repository import repository_settings
from bot.repository.repository_settings import DEFAULTS, RepositorySettings
from bot.tasks import lookup, publishing, spending, task_events
from bot.tasks.spending import LEVELS, PERCENT, Cap
from store.agents import agents
from store.engine import ids
from store.tables.usage import DRAIN, OK, STOP
from store.tasks import leases, usage
from store.tasks.tasks import FullTask
from store.tasks.usage import Amounts, SumKey

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
    report_id = await _store(ctx, row, model, amounts)
    settings = DEFAULTS
    if row is not None:
        here = (ctx.tx, ctx.installation_id)
        settings = await repository_settings.of(*here, row["repository_id"])
    spend = await _apply_caps(ctx, row, settings)
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
    """Store the report, and add it to every sum. Return its id."""
    currency, report_id = ctx.shared.caps.currency, ids.new("u", ctx.now)
    await usage.add_report(
        ctx.tx,
        {
            "installation_id": ctx.installation_id,
            "id": report_id,
            "agent_id": ctx.actor.name,
            "task_id": row and row["id"],
            "repository_id": row and row["repository_id"],
            "model": model,
            "currency": currency,
            "at": ctx.now,
            **amounts,
        },
    )
    await usage.add_to_sums(ctx.tx, ctx.installation_id, _keys(ctx, row), currency, amounts)
    return report_id


def _keys(ctx: Context, row: FullTask | None) -> list[SumKey]:
    of_task = (row["repository_id"], row["id"]) if row else (None, None)
    return spending.sum_keys(ctx.now, ctx.actor.name, *of_task)


async def _apply_caps(
    ctx: Context, row: FullTask | None, settings: RepositorySettings
) -> list[Spend]:
    """Store what each cap holds by now, and tell whom it concerns. Return the sums.

    The report has locked the sums, so each level is reached by one report only.
    """
    caps = list(
        spending.caps_on(
            ctx.shared.caps,
            settings,
            {
                "installation_id": ctx.installation_id,
                "repository_id": row["repository_id"] if row else 0,
                "agent_id": ctx.actor.name,
                "task_id": row["id"] if row else "",
            },
            ctx.now,
        )
    )
    capped = {each.of for each in caps}
    keys = [each for each in _keys(ctx, row) if each.day or each.scope == "task"]
    found = await usage.sums(ctx.tx, ctx.installation_id, keys)
    costs = [spending.cost_in(ctx.shared.caps.currency, found[each]) for each in keys]
    cost_of = dict(zip(keys, costs, strict=True))
    changed = False
    for cap in caps:
        changed |= await _apply(ctx, row, cap, cost_of[cap.of])
    if row is not None:
        await (publishing.show if changed else publishing.show_report)(ctx.tx, row)
    shown = [each for each in keys if each in capped or each.scope in ("task", "agent")]
    return views(ctx, shown, [cost_of[each] for each in shown], caps)


async def _apply(ctx: Context, row: FullTask | None, cap: Cap, cost: int) -> bool:
    """Store the level of one cap. Return whether it changed."""
    level = spending.level_of(cost, cap.most)
    was = await spending.set_level(ctx.tx, cap, level, ctx.shared.caps.currency)
    if level > was:
        await _announce(ctx, row, cap, level)
    if was < STOP <= level and cap.of.scope == "agent":
        await stopped.stop_over_cap(ctx.tx, ctx.installation_id, ctx.actor.name)
    if OK in (was, level) or DRAIN in (was, level):
        # Those who wait for a task look again.
        ctx.tx.rings.add(f"installation {ctx.installation_id}")
    return level != was


async def _announce(ctx: Context, row: FullTask | None, cap: Cap, level: int) -> None:
    """Record that the cap came near or was reached. The notices follow from the event."""
    name = lookup.name(row) if row else ""
    data = {
        "of": cap.of.scope,
        "whose": spending.WHOSE[cap.of.scope].format(task=name, agent=ctx.actor.name),
        "level": LEVELS[level],
        "percent": PERCENT[level],
        "cap": amount(cap.most),
        "currency": ctx.shared.caps.currency,
        "by": ctx.actor.name,
    }
    if cap.of.scope == "task" and row is not None:
        await task_events.append(ctx.tx, row, "task.spend", BOT, data)
        return
    me = ctx.actor.name
    event = Happening(kind="agent.spend", subject=me, name=me, actor=BOT, data=data)
    await event_recorder.append(ctx.tx, ctx.installation_id, event, audience=me)
