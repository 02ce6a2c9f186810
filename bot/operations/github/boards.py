"""Moving cards on project boards."""

from typing import Annotated

from pydantic import Field

from bot.errors import Refused
from bot.kernel.operation import Context, TaskRef, operation
from bot.operations.arguments import Fence
from bot.operations.github.targets import thread_of
from bot.operations.github.writing import Queued, Writes, queue
from bot.operations.tasks import ownership
from bot.tasks import board
from store.mirror import pulls, stored_issues
from store.tasks import tasks


@operation(reaches_github=True, idempotent=True)
async def github_move_card(
    ctx: Context,
    issue: TaskRef,
    status: Annotated[str, Field(min_length=1, max_length=100, description="for example Done")],
    project: Annotated[int, Field(ge=1, lt=2**31, description="default: the board in the settings")]
    | None = None,
    fence: Fence | None = None,
) -> Writes:
    """Set the Status of an issue or pull request on a board, and add it there if missing."""
    task, where, number = await thread_of(ctx, issue, fence)
    here = (ctx.tx, ctx.installation_id)
    pull = await pulls.pull_request(*here, where["id"], number)
    if pull:
        await ownership.task_of_pull(ctx, where, pull)
    elif owned := await tasks.by_number(*here, where["id"], number):
        ownership.check_not_held(ctx, owned)
    of: board.Content = "PullRequest" if pull else "Issue"
    row = pull or await stored_issues.issue(*here, where["id"], number)
    assert row is not None
    place = await board.place(*here, where["id"], project, status)
    if isinstance(place, str):
        raise Refused("invalid_arguments", place)
    queued: list[Queued] = []
    for kind, arguments in await board.moves(*here, place, row, of):
        # If this call also adds the card, the adding is sent first.
        after = {"after": queued[-1].write_id} if queued else {}
        target = board.target(place, row)
        queued.append(await queue(ctx, kind, where, target, arguments | after, task))
    return Writes(writes=queued)
