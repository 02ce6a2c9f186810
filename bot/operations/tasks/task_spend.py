"""What a task has cost so far, by agent: calls, writes on GitHub, and reported money."""

from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel, Field

from bot.comments import replies
from bot.identity.actors import BOT
from bot.kernel.operation import Answer, Context, Slash, TaskRef, operation
from bot.mounts import tool_costs
from bot.mounts.tool_costs import CallerCost
from bot.operations.tasks import spend_views
from bot.operations.tasks.access import visible_task
from bot.operations.tasks.spend_views import NOT_CHECKED, Used
from bot.quotas.money import amount
from bot.tasks import lookup
from store.outbox.writes import on_issue
from store.tasks import task_activity
from store.tasks.task_activity import Count, ReportedBy
from store.tasks.tasks import FullTask


class AgentSpend(BaseModel):
    agent: str
    calls: int = Field(description="that changed something or were refused; reads do not count")
    writes: int = Field(description="on GitHub")
    used: list[Used] = Field([], description=NOT_CHECKED)


class TaskSpend(Answer):
    of_mirror = False

    task: str
    agents: list[AgentSpend] = Field(description="the most expensive first")
    used: list[Used] = Field([], description=f"by all agents, {NOT_CHECKED}")
    own_writes: int = Field(0, description="of Hubbub itself: the card, replies, labels")
    tools: list[CallerCost] = Field([], description="calls of other servers' tools that cost")


def _spend_reply(answer: TaskSpend) -> str:
    rows = [
        (each.agent, each.calls, each.writes, replies.money(each.used)) for each in answer.agents
    ]
    return replies.spend_table(rows, replies.money(answer.used), answer.own_writes)


SPEND = Slash("spend", "show the calls, writes and reported money of this task", reply=_spend_reply)


@operation(reads_only=True, slashes=(SPEND,))
async def get_spend(ctx: Context, task: TaskRef) -> TaskSpend:
    """Return what a task has cost, by agent: calls, writes, reported money."""
    row = await visible_task(ctx, task)
    here = (ctx.tx, ctx.installation_id)
    called = await task_activity.calls(*here, [row["id"], lookup.name(row)])
    sent = await task_activity.writes_sent(*here, row["id"], _targets(row))
    reported = await task_activity.reported_by(*here, row["id"])
    return TaskSpend(
        task=lookup.name(row),
        agents=_by_agent(_counts(called), _counts(sent), reported),
        used=await spend_views.of_task(ctx, row["id"]),
        own_writes=_counts(sent)[BOT],
        tools=await tool_costs.of_task(*here, row["id"]),
    )


def _targets(row: FullTask) -> list[str]:
    """The task's issue and its pull request."""
    numbers = (row["number"], row["pull_number"])
    return [on_issue(row["repository_id"], each) for each in numbers if each is not None]


def _counts(rows: Iterable[Count]) -> Counter[str]:
    return Counter({row["who"]: int(row["n"]) for row in rows})


def _by_agent(
    called: Counter[str], sent: Counter[str], reported: Iterable[ReportedBy]
) -> list[AgentSpend]:
    used: dict[str, list[ReportedBy]] = {}
    for row in reported:
        used.setdefault(row["agent_id"], []).append(row)
    names = sorted(each for each in {*called, *sent, *used} if _is_agent(each))
    costs = {name: sum(int(row["cost"]) for row in used.get(name, [])) for name in names}
    names.sort(key=lambda name: (costs[name], called[name] + sent[name]), reverse=True)
    return [
        AgentSpend(
            agent=name,
            calls=called[name],
            writes=sent[name],
            used=[_used_view(row) for row in used.get(name, [])],
        )
        for name in names
    ]


def _is_agent(name: str) -> bool:
    """Logins of people begin with @, and the bot's name has a bracket."""
    return bool(name) and not name.startswith("@") and "[" not in name


def _used_view(row: ReportedBy) -> Used:
    return Used(
        cost=amount(int(row["cost"])),
        currency=row["currency"],
        input_tokens=int(row["input_tokens"]),
        output_tokens=int(row["output_tokens"]),
        cached_tokens=int(row["cached_tokens"]),
        reports=int(row["reports"]),
    )
