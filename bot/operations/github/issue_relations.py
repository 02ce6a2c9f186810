"""The parent and the blockers of an issue."""

from typing import TypedDict, cast

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.operations.github.targets import issue_of, on_issue
from bot.operations.github.writing import Queued, queue
from bot.tasks import lookup
from store.mirror import relations
from store.mirror.relations import Neighbour
from store.outbox import writes
from store.tables.mirror import IssueRow, RepositoryRow
from store.tasks import planned_relations
from store.tasks.tasks import FullTask


class NamedIssue(TypedDict):
    """A neighbour that the mirror has, in a repository that the installation covers."""

    name: str
    mirrored_id: int
    repository_id: int
    number: int


async def lost_relations(
    ctx: Context, row: IssueRow, kind: relations.Kind, wanted: list[str] | None
) -> list[NamedIssue]:
    """The parents or blockers that the issue has now and that `wanted` leaves out."""
    if wanted is None:
        return []
    kept = {each.casefold() for each in wanted}
    present = await relations.targets(ctx.tx, ctx.installation_id, kind, row["id"])
    return [each for each in _with_known_repository(present) if each["name"].casefold() not in kept]


def _with_known_repository(rows: list[Neighbour]) -> list[NamedIssue]:
    """The issues in known repositories. A caller can name no others, so a list never means them."""
    return cast("list[NamedIssue]", [each for each in rows if each["full_name"]])


async def check_no_planned(ctx: Context, task: FullTask | None) -> None:
    """Raise Refused while relations of the task are still being made, so that none gets lost."""
    if task is None:
        return
    planned = await planned_relations.writes_of(ctx.tx, ctx.installation_id, task["id"])
    if planned:
        raise Refused(
            "relations_pending",
            f"GitHub does not have all relations of {lookup.name(task)} yet. Wait for the write "
            f"{planned[-1]}, then change them.",
        )


async def set_parent(
    ctx: Context, where: RepositoryRow, row: IssueRow, parent: str, task: FullTask | None
) -> list[Queued]:
    """Queue the issue's move under its parent, or by '' out of each that it has or will have."""
    if not parent:
        return await _remove_parents(ctx, where, row, task)
    over = await issue_of(ctx, parent)
    if over["id"] == row["id"]:
        raise Refused("invalid_arguments", "`parent`: an issue cannot be its own parent.")
    arguments = {"number": over["number"], "sub_issue_id": row["id"], "replace_parent": True}
    target = on_issue(where, row["number"])
    # GitHub adds a sub-issue by a request on its parent.
    return [await queue(ctx, "sub_issue", {"id": over["repository_id"]}, target, arguments, task)]


async def _remove_parents(
    ctx: Context, where: RepositoryRow, row: IssueRow, task: FullTask | None
) -> list[Queued]:
    here, target = (ctx.tx, ctx.installation_id), on_issue(where, row["number"])
    present = _with_known_repository(await relations.targets(*here, "parent", row["id"]))
    waiting = await writes.waiting(*here, target, "sub_issue")
    parents = {(each["repository_id"], each["number"]) for each in present}
    parents |= {(each["repository_id"], each["arguments"]["number"]) for each in waiting}
    return [
        await queue(
            ctx,
            "sub_issue_removal",
            {"id": repository_id},
            target,
            {"number": number, "sub_issue_id": row["id"]},
            task,
        )
        for repository_id, number in sorted(parents)
    ]


async def set_blockers(
    ctx: Context, where: RepositoryRow, row: IssueRow, wanted: list[str], task: FullTask | None
) -> list[Queued]:
    """Queue what makes the wanted issues, and no others, block this one."""
    here, target = (ctx.tx, ctx.installation_id), on_issue(where, row["number"])
    present = _with_known_repository(await relations.targets(*here, "blocked_by", row["id"]))
    added = await writes.waiting(*here, target, "blocked_by")
    removed = await writes.waiting(*here, target, "blocked_by_removal")
    has = {each["mirrored_id"] for each in present}
    coming = {each["arguments"]["issue_id"] for each in added}
    going = {each["arguments"]["issue_id"] for each in removed}
    blockers = [(await issue_of(ctx, each))["id"] for each in wanted]
    if row["id"] in blockers:
        raise Refused("invalid_arguments", "`blocked_by`: an issue cannot block itself.")
    changes = [("blocked_by", each) for each in dict.fromkeys(blockers) if each not in has - going]
    changes += [("blocked_by_removal", each) for each in sorted((has | coming) - set(blockers))]
    return [
        await queue(ctx, kind, where, target, {"number": row["number"], "issue_id": issue_id}, task)
        for kind, issue_id in changes
    ]
