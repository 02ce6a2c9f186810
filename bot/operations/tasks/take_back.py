"""An agent takes back a task that it completed, failed or released by mistake."""

from bot.kernel.operation import Context
from bot.operations.tasks.access import visible_task
from bot.operations.tasks.decisions import reopen_issue
from bot.tasks import issue_state, lifecycle, lookup
from bot.tasks.states import OPEN
from bot.times import SECOND
from store import events
from store.mirror import stored_issues
from store.tasks import leases
from store.tasks.tasks import FullTask

# Afterwards others may have seen the end, and built on it.
WITHIN = 600 * SECOND
# How the lease ended, and the state that the task has since.
MISTAKES = frozenset({("completed", "completed"), ("completed", "failed"), ("released", "pending")})


async def is_possible(ctx: Context, row: FullTask) -> bool:
    """Whether the actor ended its lease on the task just now, and nothing happened since."""
    was_mine = row["lease_id"] is None and row["last_holder"] == ctx.actor.name
    if ctx.actor.is_person or not was_mine:
        return False
    last = await leases.previous(ctx.tx, ctx.installation_id, row["id"])
    if last is None or last["fence"] != row["fence"]:
        return False
    if (last["ended_at"] or 0) <= ctx.now - WITHIN:
        return False
    if (last["state"], row["state"]) not in MISTAKES:
        return False
    return row["state"] in OPEN or await _is_by_mistake(ctx, row)


async def _is_by_mistake(ctx: Context, row: FullTask) -> bool:
    """Whether the actor itself ended the task, and nobody closed its issue or merged."""
    here = (ctx.tx, ctx.installation_id)
    end = await events.newest(*here, row["id"], f"task.{row['state']}")
    if end is None or end["actor"] != ctx.actor.name:
        return False
    pull = await lookup.pull_request(ctx.tx, row)
    if pull is not None and pull["merged"]:
        return False
    issue = await stored_issues.issue(*here, row["repository_id"], row["number"] or 0)
    if issue is None or issue["deleted"]:
        return False
    closed_at = issue["closed_at"]
    return closed_at is None or await issue_state.cause(ctx.tx, issue, closed_at) is not None


async def reopen(ctx: Context, row: FullTask) -> FullTask:
    """Make an ended task pending, with all that its holder left, and reopen its issue."""
    if row["state"] in OPEN:
        return row
    await reopen_issue(ctx, row)
    await lifecycle.undo_end(ctx.tx, row, ctx.actor.name)
    return await visible_task(ctx, row["id"])
