"""Asking for a review: people and teams on GitHub, agents by a message."""

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.messages import delivery, posting
from bot.operations.github import review_rules
from bot.operations.github.text_trust import Author, judge_of
from bot.tasks import task_events
from store.agents import agents
from store.mirror import people
from store.tables.mirror import PullRequestRow, RepositoryRow
from store.tasks import tasks


async def split(ctx: Context, wanted: list[str]) -> tuple[list[str], list[str]]:
    """The agents among the reviewers, and the others. Raise Refused.

    A person has the name of an agent if Hubbub knows a person by this login.
    """
    ids, others = [], []
    for each in wanted:
        row = await agents.get(ctx.tx, ctx.installation_id, each.casefold())
        if row is None or await people.with_login(ctx.tx, ctx.installation_id, each):
            others.append(each)
            continue
        if row["left_at"]:
            raise Refused("unknown_agent", f"{each} has left. list_agents lists the agents.")
        if row["id"] == ctx.actor.name:
            raise Refused("own_work", "You cannot ask yourself for a review. Ask another agent.")
        ids.append(row["id"])
    return ids, others


async def ask(ctx: Context, where: RepositoryRow, pull: PullRequestRow, ids: list[str]) -> None:
    """Send each agent a message, and record the request on the tasks of the pull request."""
    await _check_independent(ctx, pull, ids)
    await delivery.check_may_send(ctx.tx, ctx.actor, ctx.quotas)
    name = f"{where['full_name']}#{pull['number']}"
    found = await tasks.of_pull(ctx.tx, ctx.installation_id, where["id"], pull["number"])
    author = Author(where["id"], pull["author"], pull["author_id"], pull["author_association"])
    title, trusted = (await judge_of(ctx, [author])).label(author, pull["title"])
    # A message has no mark for a part of it, so it leaves out what is not to be trusted.
    about = f": {title}" if trusted else ", of somebody without write access"
    body = (
        f"Please review {name}{about}. Read it with github_get_diff, then call "
        "github_review_pr with your verdict."
    )
    for each in ids:
        message_id = await posting.post(
            ctx.tx,
            ctx.actor,
            each,
            body,
            task=found[0] if found else None,
            # The event of a task brings a notice of its own.
            priority="low" if found else "high",
        )
        data = {"pull": pull["number"], "to": each, "message": message_id}
        for task in found:
            await task_events.append(ctx.tx, task, "task.review_requested", ctx.actor.name, data)


async def _check_independent(ctx: Context, pull: PullRequestRow, ids: list[str]) -> None:
    """Raise Refused for an agent that worked on it, whose verdict would be refused later."""
    makers = await review_rules.makers(ctx, pull)
    if own := next((each for each in ids if each in makers), None):
        raise Refused(
            "own_work",
            f"{own} worked on #{pull['number']}, so {own} cannot approve it. Nobody was asked. "
            f"{await review_rules.who_can(ctx, makers | {ctx.actor.name})}",
        )
