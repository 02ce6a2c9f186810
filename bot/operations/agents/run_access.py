"""Which runs an actor sees and may stop, and for which tasks it may start one."""

from bot.agents import hierarchy, team_budgets
from bot.errors import Refused
from bot.identity import permissions
from bot.identity.actors import ACTIONS
from bot.identity.permissions import Condition
from bot.kernel import remedies
from bot.kernel.operation import Context
from bot.operations.tasks import creators
from bot.operations.tasks.access import check_role, is_holder, on_hold_error
from bot.quotas.money import amount
from bot.tasks import capped_work, lookup, spend_caps
from bot.tasks.states import CLAIMABLE
from bot.times import stamp
from store.agents import agents
from store.mirror import relations, stored_repositories
from store.runs import runs
from store.tables.mirror import RepositoryRow
from store.tables.runs import AgentRunRow
from store.tables.usage import DRAIN
from store.tasks import spend_holds, tasks
from store.tasks.tasks import FullTask

# Levels of issues above a task that are looked at.
MOST_LEVELS = 10


async def visible_run(
    ctx: Context, run_id: str | None, agent_id: str | None
) -> tuple[AgentRunRow, RepositoryRow]:
    """The run with this id or of this agent; without both, the actor's own. Raise Refused."""
    run = await _find(ctx, run_id, agent_id)
    where = run and await _repository(ctx, run["repository_id"])
    if run is None or where is None:
        raise Refused("unknown_run", _unknown(ctx, run_id, agent_id))
    check_role(ctx, where["id"], where["full_name"])
    return run, where


async def is_visible_run(ctx: Context, agent_id: str) -> bool:
    """Whether this agent is a run that the actor may know of."""
    run = await _find(ctx, None, agent_id)
    return run is not None and await _repository(ctx, run["repository_id"]) is not None


async def _find(ctx: Context, run_id: str | None, agent_id: str | None) -> AgentRunRow | None:
    here = (ctx.tx, ctx.installation_id)
    if run_id is None:
        return await runs.of_agent(*here, agent_id or ctx.actor.name)
    run = await runs.get(*here, run_id)
    return run if run and agent_id in (None, run["agent_id"]) else None


async def _repository(ctx: Context, repository_id: int) -> RepositoryRow | None:
    """The repository, if the actor may know of it."""
    reach = ctx.actor.known_repositories
    if reach is not None and repository_id not in reach:
        return None
    return await stored_repositories.repository_by_id(ctx.tx, ctx.installation_id, repository_id)


def _unknown(ctx: Context, run_id: str | None, agent_id: str | None) -> str:
    if run_id is None and agent_id is None:
        return f"{ctx.actor.name} is not an agent run. Pass `run_id`, or `agent_id`."
    which = f"run {run_id!r}" if run_id else f"run of the agent {agent_id!r}"
    of = f" of the agent {agent_id!r}" if run_id and agent_id else ""
    return f"There is no {which}{of} that you may see. spawn_agent returns the id of a run."


async def check_may_stop(ctx: Context, run: AgentRunRow) -> None:
    """Raise Refused if the actor may not stop the run."""
    own = ctx.actor.name in (run["agent_id"], run["asked_by"]) or await hierarchy.is_below(
        ctx, run["agent_id"], ctx.actor.name
    )
    condition: Condition = "own" if own else "any"
    if not permissions.allows(
        ctx.actor, "terminate_agent", condition, repository_id=run["repository_id"]
    ):
        raise Refused(
            "forbidden",
            f"{run['asked_by']} started the run {run['id']}. Only {run['asked_by']}, agents above "
            "it, a tech-lead or a person with write access may stop it. Nothing was changed.",
            **permissions.missing(ctx.actor, "terminate_agent", condition),
        )


async def check_may_start(ctx: Context, where: RepositoryRow, task: FullTask | None) -> None:
    """Raise Refused if the actor may not start a run for this task, or without a task."""
    condition: Condition = "own" if await _is_own(ctx, task) else "any"
    if permissions.allows(ctx.actor, "spawn_agent", condition, repository_id=where["id"]):
        return
    what = (
        f"{lookup.name(task)}, which you do not hold and which is not below a task of yours"
        if task
        else "a prompt alone, unless you are a run yourself"
    )
    raise Refused(
        "forbidden",
        f"Only a tech-lead may start an agent for {what}. Claim the task first with claim_task, or "
        f"ask {remedies.TO_A_LEAD}. Nothing was changed.",
        **permissions.missing(ctx.actor, "spawn_agent", condition),
    )


async def _is_own(ctx: Context, task: FullTask | None) -> bool:
    """Whether the actor holds the task or one above it, or created it; or is itself a run."""
    if task is None:
        return await runs.of_agent(ctx.tx, ctx.installation_id, ctx.actor.name) is not None
    if is_holder(ctx, task) or await _holds_above(ctx, task):
        return True
    return task["issue_id"] is not None and await creators.may_cancel(ctx, task["issue_id"])


async def _holds_above(ctx: Context, task: FullTask) -> bool:
    """Whether the actor holds the task of an issue above."""
    issue_id, seen = task["issue_id"], set[int]()
    while issue_id is not None and issue_id not in seen and len(seen) < MOST_LEVELS:
        seen.add(issue_id)
        above = await relations.targets(ctx.tx, ctx.installation_id, "parent", issue_id)
        issue_id = above[0]["other_id"] if above else None
        found = issue_id and await tasks.of_issue(ctx.tx, ctx.installation_id, issue_id)
        if found and is_holder(ctx, found):
            return True
    return False


async def check_is_free(ctx: Context, task: FullTask) -> None:
    """Raise Refused if a new run could not work on the locked task.

    The holder of a task may start runs that help it.
    """
    if task["held"] and not ctx.actor.is_person:
        raise on_hold_error(ctx, task)
    if task["holder"] and is_holder(ctx, task):
        return
    if task["holder"]:
        release = remedies.by(
            ctx.actor, person="Comment `/release` first.", agent="It must be released first."
        )
        raise Refused(
            "already_claimed",
            f"{task['holder']} holds {lookup.name(task)}. {release}",
            holder=task["holder"],
        )
    if run := await runs.live_of_task(ctx.tx, ctx.installation_id, task["id"]):
        raise Refused(
            "already_claimed",
            f"The run {run['id']} of the template {run['template']} is {run['state']} for "
            f"{lookup.name(task)}. {_stop_it(ctx)}",
            holder=run["agent_id"],
            run=run["id"],
        )
    if task["state"] not in CLAIMABLE:
        raise Refused(
            "not_claimable", f"{lookup.name(task)} is {task['state']}, so no agent can claim it."
        )


def _stop_it(ctx: Context) -> str:
    return remedies.by(
        ctx.actor,
        person="Comment `/assign` without a name to stop it.",
        agent="Stop it with terminate_agent first.",
    )


async def check_caps(ctx: Context, where: RepositoryRow, task: FullTask | None) -> None:
    """Raise Refused if a cap on reported spend, or a budget, forbids new work here."""
    me = await agents.get(ctx.tx, ctx.installation_id, ctx.actor.name)
    # What is left of the limits of runs is looked at where the new run gets its own.
    is_run = me is not None and me["id"].startswith(ACTIONS)
    if me is not None and not (is_run and (me["spent_of"] or "").startswith(ACTIONS)):
        await team_budgets.check_left(ctx.tx, me)
    rows = await spend_holds.matching(
        ctx.tx,
        ctx.installation_id,
        repository_id=where["id"],
        agent_id=ctx.actor.name,
        task_id=task and task["id"],
    )
    if not rows or rows[0]["level"] < DRAIN:
        return
    named = lookup.name(task) if task else where["full_name"]
    what = capped_work.what_is_capped(rows[0], task=named, agent=ctx.actor.name)
    end = spend_caps.ends_at(rows[0]["day"])
    raise Refused(
        "spend_cap",
        f"No run can be started: the reported spend {what}. It can be started "
        f"{capped_work.how_it_ends(rows[0])}. Nothing was changed.",
        of=rows[0]["scope"],
        cap=amount(rows[0]["cap"]),
        currency=rows[0]["currency"],
        ends_at=end and stamp(end),
    )
