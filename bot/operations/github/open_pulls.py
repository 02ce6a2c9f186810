"""A task has one open pull request."""

from dataclasses import dataclass

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.operations.github.targets import on_branch
from bot.operations.github.writing import Queued, queue
from bot.tasks import lookup
from store.outbox import pull_writes, writes
from store.tables.mirror import RepositoryRow
from store.tasks.tasks import FullTask


@dataclass(frozen=True)
class OpenPull:
    """The pull request of a task, by its number or by the write that will open it."""

    number: int | None
    write_id: str | None
    head: str
    base: str


async def of_task(ctx: Context, task: FullTask) -> OpenPull | None:
    """The task's open pull request, or the one that is queued."""
    here = (ctx.tx, ctx.installation_id)
    opening = await pull_writes.newest_of_task(*here, task["id"])
    made = opening["arguments"] if opening else {}
    if opening and opening["state"] in writes.LIVE:
        return OpenPull(None, opening["id"], made["head"], made["base"])
    if task["pull_number"] is None:
        return None
    row = await lookup.pull_request(ctx.tx, task)
    if row is None:  # GitHub has just opened it
        return OpenPull(task["pull_number"], None, made.get("head", ""), made.get("base", ""))
    if row["state"] != "open":
        return None
    return OpenPull(row["number"], None, row["head_ref"], row["base_ref"])


async def to_replace(
    ctx: Context, task: FullTask, head: str, base: str, *, replace: bool
) -> int | None:
    """The number of the pull request that one from this branch replaces.

    One for the same branches is no other one. Raise Refused without `replace`.
    """
    other = await of_task(ctx, task)
    if other is None or (other.head, other.base) == (head, base):
        return None
    if other.number is None or not replace:
        raise _exists(task, other)
    return other.number


async def close(
    ctx: Context, where: RepositoryRow, task: FullTask, number: int, head: str, opening: Queued
) -> list[Queued]:
    """Queue the writes that close a pull request once the one that replaces it is open.

    They have the target of the opening, so that they follow it. If that is refused, so are they.
    """
    target, here = on_branch(where, head), {"number": number, "after": opening.write_id}
    why = f"Replaced by a pull request from `{head}`."
    return [
        await queue(ctx, "comment", where, target, here | {"body": why}, task),
        await queue(ctx, "pull_update", where, target, here | {"state": "closed"}, task),
    ]


def _exists(task: FullTask, other: OpenPull) -> Refused:
    name = lookup.name(task)
    if other.number is None:
        return Refused(
            "pull_request_exists",
            f"A pull request for {name} from {other.head} is queued as {other.write_id}. Wait for "
            "it with get_write, or call cancel_write.",
            write_id=other.write_id,
            head=other.head,
        )
    return Refused(
        "pull_request_exists",
        f"{name} has the open pull request #{other.number} from {other.head}. Commit to that "
        "branch, or pass `replace` true, which closes it.",
        pull_request=other.number,
        head=other.head,
    )
