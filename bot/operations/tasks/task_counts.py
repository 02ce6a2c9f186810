"""How many tasks there are, as people see it above a list."""

from pydantic import Field

from bot.kernel.operation import Answer, Context, RepositoryName, operation
from bot.operations.tasks.access import visible_repository
from bot.tasks.states import STATES
from store.tables.tasks import TaskState
from store.tasks import counting

# The most that one call counts in each state.
MOST = 10_000


class TaskCounts(Answer):
    of_mirror = False

    counts: dict[TaskState, int] = Field(description="by state; at most 10,000 each")
    most: int = Field(MOST, description="a count of this size stands for this many or more")


@operation(reads_only=True)
async def count_tasks(ctx: Context, repository: RepositoryName | None = None) -> TaskCounts:
    """Count the tasks in each state."""
    where = await visible_repository(ctx, repository) if repository else None
    return TaskCounts(
        counts=await counting.by_state(
            ctx.tx,
            ctx.installation_id,
            STATES,
            where["id"] if where else None,
            ctx.actor.repositories,
            MOST,
        )
    )
