"""What answers show of reported spend, and of the caps on it."""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from bot.kernel.operation import Context
from bot.quotas.money import amount
from bot.repository.repository_settings import DEFAULTS
from bot.tasks import spend_caps
from bot.tasks.spend_caps import LEVELS, Cap, Level
from bot.times import stamp
from store.agents import agent_budgets
from store.tables.agents import AgentBudgetRow
from store.tables.usage import UsageSumRow
from store.tasks import usage
from store.tasks.spend_holds import HoldKey
from store.tasks.usage import SumKey

NOT_CHECKED = "as agents report it; Hubbub cannot check it"


class Used(BaseModel):
    """A sum of reports, which Hubbub cannot check."""

    cost: str
    currency: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reports: int


class Spend(BaseModel):
    """What agents reported, beside the cap on it."""

    of: str = Field(description="task, agent, repository or installation")
    reported: str = Field(description=NOT_CHECKED)
    cap: str | None = Field(None, exclude_if=lambda cap: cap is None)
    level: Level = Field(
        "ok", description="warn: near the cap; drain: no new claims; stop: writes are held too"
    )
    resets_at: str | None = Field(None, exclude_if=lambda at: at is None)


class TeamBudget(BaseModel):
    """What an agent and all agents below it may spend together."""

    agent: str
    tokens: int | None = Field(None, exclude_if=lambda each: each is None)
    cost: str | None = Field(None, exclude_if=lambda each: each is None)
    spent_tokens: int = Field(description="since the budget was set")
    spent_cost: str
    used_up: bool


def team_budget(row: AgentBudgetRow) -> TeamBudget:
    return TeamBudget(
        agent=row["agent_id"],
        tokens=row["tokens"],
        cost=None if row["cost"] is None else amount(row["cost"]),
        spent_tokens=row["spent_tokens"],
        spent_cost=amount(row["spent_cost"]),
        used_up=row["reached_at"] is not None,
    )


async def team_budgets(ctx: Context, agent_ids: Sequence[str]) -> list[TeamBudget]:
    """The budgets of these agents, in their order."""
    rows = await agent_budgets.of_agents(ctx.tx, ctx.installation_id, agent_ids)
    return [team_budget(rows[each]) for each in agent_ids if each in rows]


def usage_entries(rows: Sequence[UsageSumRow]) -> list[Used]:
    """One entry for each currency."""
    return [
        Used(
            cost=amount(row["cost"]),
            currency=row["currency"],
            input_tokens=row["input_tokens"],
            output_tokens=row["output_tokens"],
            cached_tokens=row["cached_tokens"],
            reports=row["reports"],
        )
        for row in rows
    ]


def views(
    ctx: Context, keys: Sequence[SumKey], costs: Sequence[int], caps: Sequence[Cap]
) -> list[Spend]:
    """The sums that the caller may see, each with the tightest cap on it."""
    found = []
    for key, cost in zip(keys, costs, strict=True):
        if key.scope == "installation" and ctx.actor.repositories is not None:
            continue
        most = min((each.most for each in caps if each.of == key), default=None)
        end = spend_caps.ends_at(key.day)
        found.append(
            Spend(
                of=key.scope,
                reported=amount(cost),
                cap=most and amount(most),
                level=LEVELS[spend_caps.level_of(cost, most)] if most else "ok",
                resets_at=stamp(end) if end else None,
            )
        )
    return found


async def of_task(ctx: Context, task_id: str) -> list[Used]:
    key = SumKey("task", task_id)
    return usage_entries((await usage.sums(ctx.tx, ctx.installation_id, [key]))[key])


async def of_agent(ctx: Context, agent: str) -> list[Used]:
    key = SumKey("agent", agent)
    return usage_entries((await usage.sums(ctx.tx, ctx.installation_id, [key]))[key])


async def today(ctx: Context) -> list[Spend]:
    """The spend of the caller and of its installation today, with the caps of the server."""
    day, me = spend_caps.today(ctx.now), ctx.actor.name
    keys = [SumKey("agent", me, day), SumKey("installation", day=day)]
    found = await usage.sums(ctx.tx, ctx.installation_id, keys)
    caps = ctx.caps
    here: HoldKey = {
        "installation_id": ctx.installation_id,
        "repository_id": 0,
        "agent_id": me,
        "task_id": "",
    }
    costs = [spend_caps.cost_in(caps.currency, found[each]) for each in keys]
    return views(ctx, keys, costs, list(spend_caps.caps_on(caps, DEFAULTS, here, ctx.now)))
