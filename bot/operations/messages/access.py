"""What an agent may see of messages: its threads, and tasks within its reach."""

from bot.errors import Refused
from bot.kernel.operation import Context
from store.messages import messages
from store.tasks import tasks
from store.tasks.tasks import FullTask


async def is_participant(ctx: Context, thread_id: str) -> bool:
    return await messages.is_participant(ctx.tx, ctx.installation_id, thread_id, ctx.actor.name)


async def task_in_reach(ctx: Context, task_id: str) -> FullTask | None:
    """The task, if it exists and the actor may see it."""
    return await tasks.visible(ctx.tx, ctx.installation_id, task_id, ctx.actor.repositories)


def unknown_error(said: str) -> Refused:
    return Refused("unknown_message", said)
