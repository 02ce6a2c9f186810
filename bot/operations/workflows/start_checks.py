"""What keeps a workflow from being started, beside its inputs and its parent."""

from bot.agents import team_budgets
from bot.errors import Refused
from bot.identity.actors import BOT
from bot.kernel.operation import Context
from bot.kernel.sentences import code
from bot.repository import narrowing, repository_settings
from bot.tasks import lookup
from bot.tasks.capabilities import missing_capabilities
from bot.tasks.plans import MOST_SUB_ISSUES
from bot.workflows.starting.first_rows import Start
from store.agents import agents
from store.mirror import relations, stored_repositories
from store.runs import runs
from store.tables.mirror import RepositoryRow
from store.tasks.tasks import FullTask

# Agents whose capabilities are looked at.
MOST_AGENTS = 500


def check_repository(where: RepositoryRow) -> None:
    """Raise Refused if GitHub would refuse every issue there."""
    if where["archived"]:
        raise Refused(
            "not_startable",
            f"{where['full_name']} is archived, so no issue can be opened there. Unarchive it "
            "first.",
        )
    if not where["has_issues"]:
        raise Refused(
            "not_startable",
            f"{where['full_name']} has no issues: they are switched off in its settings on "
            "GitHub. Switch them on first.",
        )


async def check_named(ctx: Context, start: Start) -> None:
    """Raise Refused if a step names an agent or a template that does not exist."""
    settings = await repository_settings.of(ctx.tx, ctx.installation_id, start.repository_id)
    for each in start.steps:
        template, agent = each.step.template, each.step.agent
        if template is not None and template not in settings.templates:
            known = ", ".join(map(code, sorted(settings.templates))) or "none"
            raise Refused(
                "unknown_template",
                f"step {code(each.key)}: there is no template {code(template)}; the templates "
                f"are {known}.",
            )
        if agent is not None and await agents.get(ctx.tx, ctx.installation_id, agent) is None:
            raise Refused(
                "unknown_agent",
                f"step {code(each.key)}: no agent {code(agent)} has registered. Register it, or "
                "leave `agent` out.",
            )


async def lacking_capabilities(ctx: Context, start: Start) -> str | None:
    """A sentence about steps that no agent can do now, because an agent may register later."""
    able = [each for each in start.steps if each.step.capability]
    needs = {tuple(each.step.capability): each.key for each in reversed(able)}
    team = await agents.at_work(ctx.tx, ctx.installation_id, MOST_AGENTS) if needs else []
    if len(team) == MOST_AGENTS:
        return None
    for needed, key in reversed(needs.items()):
        if not any(not missing_capabilities(each["capabilities"], needed) for each in team):
            return (
                f"No agent at work has registered {', '.join(map(code, needed))}, which step "
                f"{code(key)} needs."
            )
    return None


async def check_may_spawn(ctx: Context, start: Start) -> None:
    """Raise Refused if an agent would start agents by a workflow that it may not start itself."""
    by_template = [each.key for each in start.steps if each.step.template is not None]
    if not by_template or ctx.actor.is_person or ctx.actor.name == BOT:
        return
    here = (ctx.tx, ctx.installation_id)
    where = await stored_repositories.repository_name(*here, start.repository_id)
    refused = await narrowing.refusal_in(ctx, "spawn_agent", start.repository_id, where or "")
    if refused is not None:
        raise refused
    if await runs.of_agent(*here, ctx.actor.name) is not None:
        raise Refused(
            "run_limit",
            f"step {code(by_template[0])} starts an agent by a template, and you are an agent run: "
            "the limits of your run could not hold for it. Ask a person to start the workflow. "
            "Nothing was changed.",
            limit="children",
        )
    row = await agents.get(*here, ctx.actor.name)
    if row is not None:
        await team_budgets.check_left(ctx.tx, row)


async def check_size(ctx: Context, start: Start, parent: FullTask | None) -> None:
    """Raise Refused if the parent would have too many sub-issues, or the outbox too many writes."""
    there = await _sub_issues(ctx, parent) if parent else 0
    if there + len(start.steps) > MOST_SUB_ISSUES:
        name = lookup.name(parent) if parent else "The issue"
        raise Refused(
            "too_many",
            f"{name} has {there} sub-issues, and the workflow has {len(start.steps)} steps. "
            f"GitHub allows {MOST_SUB_ISSUES} sub-issues. Start it on a new issue.",
            most=MOST_SUB_ISSUES,
        )
    quota = ctx.quotas["queued_writes"].agent
    needed = sum(2 + len(each.needs) for each in start.steps) + (parent is None)
    if quota is not None and needed > quota and not _is_free(ctx):
        raise Refused(
            "too_many",
            f"The workflow takes {needed} changes on GitHub to start, and an agent may have "
            f"{quota} in the queue. Ask a person to start {start.name}, or the "
            "operator for a greater quota `queued_writes`.",
            most=quota,
        )


def _is_free(ctx: Context) -> bool:
    """Whether the quota of one agent does not count for the caller."""
    return ctx.actor.is_person or ctx.actor.name == BOT


async def _sub_issues(ctx: Context, parent: FullTask) -> int:
    if parent["issue_id"] is None:
        return 0
    here = (ctx.tx, ctx.installation_id)
    return len(await relations.sources(*here, "parent", parent["issue_id"]))
