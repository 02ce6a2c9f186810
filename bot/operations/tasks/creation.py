"""Creating the tasks of a plan in one call."""

from typing import Annotated

from pydantic import BaseModel, Field

from bot.errors import Refused
from bot.kernel.operation import Answer, Context, RepositoryName, operation
from bot.operations.github.writing import Queued
from bot.operations.tasks import planning
from bot.operations.tasks.access import visible_repository
from bot.operations.tasks.planned_tasks import DuplicateOk, PlannedTask
from bot.tasks import plans


class CreatedTask(BaseModel):
    id: str = Field(description="the task's name in the call")
    task: str = Field(description="its id; owner/repo#12 names it once GitHub has numbered it")
    writes: list[Queued] = Field(description="the write of the issue, then of its relations")
    cleaned: list[str] = Field(
        [],
        description="what was changed in its texts before they are posted",
        exclude_if=lambda cleaned: not cleaned,
    )


class CreatedTasks(Answer):
    tasks: list[CreatedTask]
    hint: str | None = Field(
        None, description="what follows from the relations", exclude_if=lambda hint: hint is None
    )


@operation(reaches_github=True)
async def create_tasks(
    ctx: Context,
    repository: RepositoryName,
    tasks: Annotated[
        list[PlannedTask],
        Field(
            min_length=1,
            max_length=50,
            description="blocked_by and parent may name an `id` of this call",
        ),
    ],
    duplicate_ok: DuplicateOk = False,  # noqa: FBT002 - callers name their arguments
) -> CreatedTasks:
    """Create all tasks of a plan, or none."""
    where = await visible_repository(ctx, repository)
    given = {each.id: each for each in tasks}
    if len(given) < len(tasks):
        ids = [each.id for each in tasks]
        twice = next(each for each in ids if ids.count(each) > 1)
        raise Refused("invalid_arguments", f"Two tasks have the `id` {twice!r}. Rename one.")
    made = await planning.make(ctx, where, given, duplicate_ok=duplicate_ok)
    parents = any(each.parent for each in tasks)
    return CreatedTasks(
        tasks=[
            CreatedTask(
                id=name,
                task=each.task_id,
                writes=each.writes,
                cleaned=each.cleaned,
            )
            for name, each in made.items()
        ],
        hint=plans.PARENT_WAITS if parents else None,
    )
