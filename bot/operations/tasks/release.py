"""Giving a task back before it is done, or taking it from its holder."""

from typing import Annotated

from pydantic import Field

from bot.errors import Refused
from bot.identity import permissions
from bot.kernel.operation import Context, Slash, TaskRef, operation
from bot.operations.arguments import Fence, Note
from bot.operations.github import clean_texts
from bot.operations.tasks import hourly_limits, task_titles
from bot.operations.tasks.access import check_fence, check_held, visible_task
from bot.operations.tasks.views import OneTask, task_view
from bot.tasks import lifecycle, lookup
from store.tasks import tasks
from store.tasks.tasks import FullTask

RELEASE = Slash("release", "release this task, or take it from the agent that holds it", ("note",))


@operation(presence="at_work", slashes=(RELEASE,))
async def release_task(
    ctx: Context,
    task: TaskRef,
    fence: Fence | None = None,
    note: Annotated[Note | None, Field(description="for the next holder")] = None,
) -> OneTask:
    """Give a task back unfinished.

    A tech-lead can take it from any holder, a person from an agent.
    """
    row = await visible_task(ctx, task, lock=True)
    if row["lease_id"] is None and row["state"] == "in_review" and _may_take(ctx, row):
        return await _end_review(ctx, row, note)
    if row["lease_id"] is None:
        raise Refused(
            "not_holder", f"Nobody holds {lookup.name(row)}, so there is nothing to release."
        )
    if row["holder"] == ctx.actor.name or not _may_take(ctx, row):
        await check_held(ctx, row, fence, even_on_hold=True)
    check_fence(ctx, row, fence)
    texts, cleaned = clean_texts.for_card({"note": note})
    if texts:
        await tasks.change(ctx.tx, ctx.installation_id, row["id"], **texts)
    own = row["holder"] == ctx.actor.name
    if own:
        await hourly_limits.check_releases(ctx)
    how = "released" if own else "revoked"
    why = f"released by {ctx.actor.name}"
    said = None if own else texts.get("note")
    ready = await lifecycle.release(ctx.tx, row, how, why, ctx.actor.name, said)
    after = await task_titles.with_title(ctx, ready or await visible_task(ctx, row["id"]))
    return OneTask(task=task_view(after), cleaned=cleaned)


async def _end_review(ctx: Context, row: FullTask, note: str | None) -> OneTask:
    """Make a task in review, whose agent's run has ended, pending again."""
    texts, cleaned = clean_texts.for_card({"note": note})
    if texts:
        await tasks.change(ctx.tx, ctx.installation_id, row["id"], **texts)
    await lifecycle.move(ctx.tx, row, "pending", ctx.actor.name, f"released by {ctx.actor.name}")
    after = await task_titles.with_title(ctx, await visible_task(ctx, row["id"]))
    return OneTask(task=task_view(after), cleaned=cleaned)


def _may_take(ctx: Context, row: FullTask) -> bool:
    """Whether the actor may take the task from its holder."""
    of_person = (row["holder"] or "").startswith("@")
    action = "release_task.of_person" if of_person else "release_task"
    return permissions.allows(ctx.actor, action, repository_id=row["repository_id"])
