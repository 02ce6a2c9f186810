"""Agent runs for a task, where somebody assigns it to a template."""

from difflib import get_close_matches

from bot.errors import Refused
from bot.kernel import remedies
from bot.kernel.operation import Context
from bot.operations.agents import run_start
from bot.operations.agents.run_views import Run, run_view
from bot.operations.github.targets import repository_of
from bot.repository import narrowing, repository_settings
from bot.repository.repository_settings import RepositorySettings
from bot.runs import terminating
from bot.runs.run_rows import RunRequest
from store.agents import agents
from store.runs import runs
from store.tasks.tasks import FullTask

# Names that an error lists, and agents among which it looks for one like the given one.
MOST_NAMES, MOST_AGENTS = 20, 500


async def start_for(ctx: Context, row: FullTask, name: str) -> Run:
    """Start a run for the locked task from the template with this name. Raise Refused."""
    where = await repository_of(ctx, row)
    settings = await repository_settings.of(ctx.tx, ctx.installation_id, where["id"])
    if name not in settings.templates:
        raise await _unknown_name(ctx, settings, name, where["full_name"])
    if refused := await narrowing.refusal_in(ctx, "spawn_agent", where["id"], where["full_name"]):
        raise refused
    wanted = RunRequest(name, ctx.actor.name, ctx.shared.caps.currency)
    return await run_view(ctx, await run_start.start(ctx, where, row, wanted))


async def _unknown_name(
    ctx: Context, settings: RepositorySettings, name: str, full_name: str
) -> Refused:
    present = await agents.at_work(ctx.tx, ctx.installation_id, MOST_AGENTS)
    names = [*settings.templates, *(each["id"] for each in present)]
    near = get_close_matches(name, names, n=3)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    known = sorted(settings.templates)[:MOST_NAMES]
    template = f", and {full_name} has no template with this name" if known else ""
    templates = f" Templates: {', '.join(known)}." if known else ""
    listing = remedies.by(ctx.actor, person="`/agents`", agent="list_agents")
    return Refused(
        "unknown_agent",
        f"No agent {name!r} is registered in this installation{template}.{meant} {listing} lists "
        f"the agents.{templates}",
        templates=known,
    )


async def stop_waiting(ctx: Context, row: FullTask, name: str | None = None) -> None:
    """Stop the run for which the task is reserved, unless it stays reserved for this agent."""
    held_for = row["assigned_to"]
    if held_for is None or held_for == name:
        return
    if run := await runs.of_agent(ctx.tx, ctx.installation_id, held_for):
        why = f"{ctx.actor.name} ended the reservation of its task"
        await terminating.stop_tree(ctx.tx, run, ctx.actor.name, why)
