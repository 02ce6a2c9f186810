"""Claims and pull requests that touch the same paths.

Both sides get an event. Nothing is blocked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from pydantic import BaseModel, Field

from bot.identity.actors import BOT, TRUSTED
from bot.pulls.paths import Path, area, paths_from, shared_paths
from bot.tasks import lookup, publishing
from store import events
from store.engine.transaction import Tx
from store.mirror import pulls, stored_repositories
from store.mirror.pulls import ChangedFile
from store.tables.mirror import PullRequestRow
from store.tasks import leases, tasks
from store.tasks.tasks import FullTask

# How many overlaps an answer lists.
MOST = 10
# How many files of each pull request are compared. Other writers wait during this transaction.
MOST_FILES = 300


class Overlap(BaseModel):
    """A claim, or an open pull request, that touches what you touch."""

    task: str | None = Field(
        None, description="the claimed task: owner/repo#12; none for a pull request"
    )
    task_id: str | None = Field(exclude=True, default=None)
    holder: str | None = None
    pull_request: int | None = None
    paths: list[str] = Field(
        [],
        description="the paths that the other side touches; if that is a pull request of an "
        "outsider, your own paths",
    )


@dataclass(frozen=True)
class Side:
    """A live claim with its paths, or an open pull request that belongs to no claim."""

    task_id: str | None
    task: str | None
    holder: str | None
    pull_request: int | None
    paths: list[Path]
    # Whether somebody chose the paths whom GitHub does not count to the repository.
    of_outsider: bool = False


def _files(touched: Iterable[ChangedFile]) -> list[Path]:
    """The files of a pull request. A bracket in a file's name is not a pattern."""
    return [Path(each["path"], each["path"]) for each in islice(touched, MOST_FILES)]


async def overlaps(tx: Tx, task: FullTask, paths: Sequence[str]) -> list[Overlap]:
    """Other live claims and open pull requests on these paths, or on its pull request's files."""
    mine = paths_from(paths) + await _pull_paths(tx, task)
    return _overlaps_with(mine, await _others(tx, task))[:MOST] if mine else []


async def report_claim(
    tx: Tx,
    task: FullTask,
    actor: str,
    paths: Sequence[str],
    before: Sequence[str] | None = None,
) -> list[Overlap]:
    """The overlaps of a claim. The other sides get an event of those that are new.

    `paths`: those that the holder names now. `before`: until now; their overlaps are known.
    """
    proposed = await _pull_paths(tx, task)
    if not (paths or proposed):
        return []
    others = await _others(tx, task)
    now = _overlaps_with(paths_from(paths) + proposed, others)[:MOST]
    if before is None or list(before) != list(paths):
        known = [] if before is None else _overlaps_with(paths_from(before) + proposed, others)
        await report(tx, task, actor, [each for each in now if each not in known])
    return now


async def paths_of(tx: Tx, task: FullTask) -> list[str]:
    """The paths that the task's holder named."""
    lease = await leases.get(tx, task["installation_id"], task["lease_id"])
    return leases.paths_of(lease) if lease else []


async def _pull_paths(tx: Tx, task: FullTask) -> list[Path]:
    """The files of the task's own open pull request."""
    if task["pull_number"] is None:
        return []
    where = (task["installation_id"], task["repository_id"], task["pull_number"])
    return _files(await pulls.files_if_open(tx, *where))


async def _others(tx: Tx, task: FullTask) -> list[Side]:
    where = (task["installation_id"], task["repository_id"], task["full_name"])
    return [
        each
        for each in await _sides(tx, *where)
        if each.task_id != task["id"] and (each.task_id or each.pull_request != task["pull_number"])
    ]


async def _sides(tx: Tx, installation_id: int, repository_id: int, full_name: str) -> list[Side]:
    here = (tx, installation_id, repository_id)
    proposed = await pulls.open_files(*here)
    touched = {each["number"]: _files(each["files"]) for each in proposed}
    claims = await leases.with_paths(*here)
    sides = [
        Side(
            each["task_id"],
            f"{full_name}#{each['number']}",
            each["holder"],
            each["pull_number"],
            paths_from(each["paths"]) + touched.get(each["pull_number"] or 0, []),
        )
        for each in claims
    ]
    known = {each["task_id"] for each in claims}
    return sides + [
        Side(
            each["task_id"],
            each["task_id"] and f"{full_name}#{each['task_number']}",
            each["holder"],
            each["number"],
            touched[each["number"]],
            of_outsider=each["task_id"] is None and each["author_association"] not in TRUSTED,
        )
        for each in proposed
        if each["task_id"] is None or each["task_id"] not in known
    ]


def _overlaps_with(mine: Sequence[Path], others: Iterable[Side]) -> list[Overlap]:
    own = area(mine)
    return [
        _overlap(each, shared_paths(area(each.paths), mine) if each.of_outsider else both)
        for each in others
        if (both := shared_paths(own, each.paths))
    ]


def _overlap(side: Side, paths: list[str]) -> Overlap:
    return Overlap(
        task=side.task,
        task_id=side.task_id,
        holder=side.holder,
        pull_request=side.pull_request,
        paths=paths,
    )


async def report(tx: Tx, task: FullTask, actor: str, found: Sequence[Overlap]) -> None:
    """Append an event for both sides and update both cards.

    The actor gets no event, because its answer has the overlaps.
    """
    mine = Overlap(
        task=lookup.name(task),
        task_id=task["id"],
        holder=task["holder"],
        pull_request=task["pull_number"],
        paths=[],
    )
    await _append_events(tx, (task["installation_id"], task["repository_id"]), mine, actor, found)


async def report_pull_change(
    tx: Tx, pull: PullRequestRow, files_before: Iterable[ChangedFile]
) -> None:
    """Report the overlaps that a change of an open pull request's files brings."""
    where = (pull["installation_id"], pull["repository_id"])
    before, now = (
        _files(files_before),
        _files(await pulls.files_if_open(tx, *where, pull["number"])),
    )
    if (
        before == now
        or (full_name := await stored_repositories.repository_name(tx, *where)) is None
    ):
        return
    others = [
        each for each in await _sides(tx, *where, full_name) if each.pull_request != pull["number"]
    ]
    held = [each for each in await tasks.of_pull(tx, *where, pull["number"]) if each["lease_id"]]
    for task in held:
        own = paths_from(await paths_of(tx, task))
        await report(tx, task, BOT, _new_overlaps(own + before, own + now, others))
    if not held:
        nobody = Overlap(task=None, holder=None, pull_request=pull["number"], paths=[])
        await _append_events(tx, where, nobody, BOT, _new_overlaps(before, now, others))


def _new_overlaps(
    before: Sequence[Path], now: Sequence[Path], others: Sequence[Side]
) -> list[Overlap]:
    known = _overlaps_with(before, others)
    return [each for each in _overlaps_with(now, others) if each not in known][:MOST]


async def _append_events(
    tx: Tx, where: tuple[int, int], mine: Overlap, actor: str, found: Sequence[Overlap]
) -> None:
    for each in found:
        await _append_event(tx, where, each, actor, mine.model_copy(update={"paths": each.paths}))
        await _append_event(tx, where, mine, actor, each)
    both = {side.task_id for each in found for side in (mine, each)}
    for task_id in sorted(each for each in both if each is not None):
        if task := await tasks.get(tx, where[0], task_id):
            await publishing.show_report(tx, task)


async def _append_event(
    tx: Tx, where: tuple[int, int], to: Overlap, actor: str, about: Overlap
) -> None:
    """`about`: the other side, with the paths that both touch."""
    if to.task_id is None or to.holder in (None, actor, about.holder):
        return
    await events.append(
        tx,
        where[0],
        "task.overlap",
        to.task_id,
        actor,
        about.model_dump(),
        audience=None if to.holder.startswith("@") else to.holder,
        repository_id=where[1],
    )
