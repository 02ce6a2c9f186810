"""Whether an agent may say more on an issue or pull request."""

from bot.comments import history, limits
from bot.errors import Refused
from bot.kernel import remedies
from bot.kernel.operation import Context
from bot.operations.github.targets import on_issue
from bot.tasks import publishing
from store.mirror import stored_issues
from store.tables.mirror import RepositoryRow
from store.tasks import tasks


async def admit_comment(ctx: Context, where: RepositoryRow, number: int) -> None:
    """Raise Refused beyond a ceiling, and to two who only answer each other."""
    here, target = (ctx.tx, ctx.installation_id), on_issue(where, number)
    by = await history.comments_last_hour(*here, target)
    lately, mine = sum(by.values()), by.get(ctx.actor.name, 0)
    total = await stored_issues.count_comments(*here, where["id"], number)
    if lately >= limits.MOST_AN_HOUR or mine >= limits.MOST_OF_ONE or total >= limits.MOST_COMMENTS:
        raise Refused(
            "too_many_comments",
            f"#{number} got {lately} comments of agents in the last hour and has {total} in all. "
            f"At most {limits.MOST_AN_HOUR} an hour are allowed, {limits.MOST_OF_ONE} of one "
            f"agent, and {limits.MOST_COMMENTS} in all. "
            + remedies.by(
                ctx.actor,
                person="",
                developer="Report progress with update_task_status, which edits the card. ",
                agent="",
            )
            + "Write to other agents with send_message.",
            in_the_last_hour=lately,
            in_all=total,
        )
    before = await history.parties(*here, where, number, target)
    if stopped := limits.exchange(before):
        if ctx.actor.name in stopped:
            raise _loop_error(number, stopped)
    elif about_to := limits.exchange([ctx.actor.name, *before]):
        await _mark_exchange(ctx, where, number, " and ".join(about_to))
    else:
        await _mark_exchange(ctx, where, number, None)


def _loop_error(number: int, between: tuple[str, str]) -> Refused:
    first, second = between
    return Refused(
        "loop_stopped",
        f"{first} and {second} have answered each other {limits.EXCHANGES} times on #{number} "
        "with nobody else in between. Wait until somebody else writes there, or use send_message.",
        between=[first, second],
    )


async def _mark_exchange(
    ctx: Context, where: RepositoryRow, number: int, between: str | None
) -> None:
    """On the card, that this was the last of their exchange; or no more."""
    task = await tasks.by_number(ctx.tx, ctx.installation_id, where["id"], number)
    if task is not None and task["loop_between"] != between:
        await tasks.change(ctx.tx, ctx.installation_id, task["id"], loop_between=between)
        await publishing.show(ctx.tx, {**task, "loop_between": between})
