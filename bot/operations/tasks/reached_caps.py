"""After a report: what each cap on reported spend holds by now, and whom that concerns."""

from collections.abc import Sequence

from bot.identity.actors import BOT
from bot.kernel import event_recorder
from bot.kernel.notice_rules import Happening
from bot.kernel.operation import Context
from bot.operations.tasks.spend_views import Spend, views
from bot.outbox import stopped
from bot.quotas.money import amount
from bot.repository import repository_settings
from bot.repository.repository_settings import DEFAULTS
from bot.tasks import capped_work, lookup, publishing, spend_caps, task_events
from bot.tasks.spend_caps import LEVELS, PERCENT, Cap
from store.tables.usage import DRAIN, OK, STOP
from store.tasks import usage
from store.tasks.spend_holds import HoldKey
from store.tasks.tasks import FullTask
from store.tasks.usage import SumKey


async def apply_caps(ctx: Context, row: FullTask | None, keys: Sequence[SumKey]) -> list[Spend]:
    """Store what each cap holds by now, and tell whom it concerns. Return the sums.

    The report has locked the sums, so each level is reached by one report only.
    """
    caps = await _caps(ctx, row)
    capped = {each.of for each in caps}
    keys = [each for each in keys if each.day or each.scope == "task"]
    found = await usage.sums(ctx.tx, ctx.installation_id, keys)
    currency = ctx.shared.caps.currency
    cost_of = {each: spend_caps.cost_in(currency, found[each]) for each in keys}
    changed = False
    for cap in caps:
        changed |= await _apply(ctx, row, cap, cost_of[cap.of])
    if row is not None:
        await (publishing.show if changed else publishing.show_report)(ctx.tx, row)
    shown = [each for each in keys if each in capped or each.scope in ("task", "agent")]
    return views(ctx, shown, [cost_of[each] for each in shown], caps)


async def _caps(ctx: Context, row: FullTask | None) -> list[Cap]:
    """The caps that are about the caller's work on the task."""
    here, settings = ctx.installation_id, DEFAULTS
    if row is not None:
        settings = await repository_settings.of(ctx.tx, here, row["repository_id"])
    about: HoldKey = {
        "installation_id": here,
        "repository_id": row["repository_id"] if row else 0,
        "agent_id": ctx.actor.name,
        "task_id": row["id"] if row else "",
    }
    return list(spend_caps.caps_on(ctx.caps, settings, about, ctx.now))


async def _apply(ctx: Context, row: FullTask | None, cap: Cap, cost: int) -> bool:
    """Store the level of one cap. Return whether it changed."""
    level = spend_caps.level_of(cost, cap.most)
    was = await capped_work.set_level(ctx.tx, cap, level, ctx.shared.caps.currency)
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
        "whose": capped_work.WHOSE[cap.of.scope].format(task=name, agent=ctx.actor.name),
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
