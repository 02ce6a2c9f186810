"""Claims that a cap on reported spend forbids."""

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.quotas.money import amount
from bot.tasks import capped_work, lookup, spend_caps
from bot.times import stamp
from store.tables.usage import DRAIN, SpendHoldRow
from store.tasks import spend_holds
from store.tasks.tasks import FullTask


async def hold_on_claim(ctx: Context, row: FullTask) -> SpendHoldRow | None:
    """The cap that forbids the caller to claim the task, if there is one."""
    rows = await spend_holds.matching(
        ctx.tx,
        ctx.installation_id,
        repository_id=row["repository_id"],
        agent_id=ctx.actor.name,
        task_id=row["id"],
    )
    return rows[0] if rows and rows[0]["level"] >= DRAIN else None


async def claim_refusal(ctx: Context, row: FullTask) -> Refused:
    """The error for a claim that a cap forbids."""
    hold = await hold_on_claim(ctx, row)
    assert hold is not None
    what = capped_work.what_is_capped(hold, task=lookup.name(row), agent=ctx.actor.name)
    other = "claim another task, or " if hold["scope"] == "task" else ""
    end = spend_caps.ends_at(hold["day"])
    return Refused(
        "spend_cap",
        f"{lookup.name(row)} cannot be claimed: the reported spend {what}. It can be claimed "
        f"{capped_work.how_it_ends(hold)}. What you can do: {other}ask a person to raise the cap.",
        of=hold["scope"],
        cap=amount(hold["cap"]),
        currency=hold["currency"],
        ends_at=end and stamp(end),
    )
