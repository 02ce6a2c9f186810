"""What the agent that created a task may do with it."""

from bot.kernel.operation import Context
from store.outbox import writes
from store.tasks import tasks


async def may_cancel(ctx: Context, issue_id: int) -> bool:
    """Whether the actor created the task of this issue, and nobody has ever claimed it."""
    here = (ctx.tx, ctx.installation_id)
    task = await tasks.of_issue(*here, issue_id)
    if task is None or task["fence"]:
        return False
    creation = await writes.newest(*here, f"task {task['id']}", "issue")
    return creation is not None and creation["author"] == ctx.actor.name
