"""Claims and pull requests that touch the same paths.

Both sides get an event. Nothing is blocked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, Field, SkipValidation

from bot.identity.actors import BOT, TRUSTED
from bot.pulls import symbol_overlap
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
# What an overlap says of both sides.
OF_BOTH = ("paths", "same_symbols", "different_symbols")
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
    same_symbols: list[str] = Field(
        [],
        description="functions and classes that both change, as path: name",
        exclude_if=lambda names: not names,
    )
    different_symbols: list[str] = Field(
        [],
        description="files in which each changes other functions and classes",
        exclude_if=lambda paths: not paths,
    )
    # The pull request's files (`ChangedFile`), to look for symbols.
    files: Annotated[Sequence[Any], SkipValidation] = Field((), exclude=True)


@dataclass(frozen=True)
class Side:
    """A live claim with its paths, or an open pull request that belongs to no claim."""

    task_id: str | None
    task: str | None
    holder: str | None
    pull_request: int | None
    paths: list[Path]
    files: Sequence[ChangedFile] = ()
    # Whether somebody chose the paths whom GitHub does not count to the repository.
    of_outsider: bool = False


def _files(touched: Iterable[ChangedFile]) -> list[Path]:
    """The files of a pull request. A bracket in a file's name is not a pattern.

    Who renames a file also touches its old path, on which others may work.
    """
    files = islice(touched, MOST_FILES)
    return [Path(path, path) for each in files for path in symbol_overlap.paths_of(each)]


async def overlaps(tx: Tx, task: FullTask, paths: Sequence[str]) -> list[Overlap]:
    """Other live claims and open pull requests on these paths, or on its pull request's files."""
    files = await _pull_files(tx, task)
    mine = paths_from(paths) + _files(files)
    found = _overlaps_with(mine, await _others(tx, task))[:MOST] if mine else []
    return await _proposal(tx, task, files).with_symbols(found)


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
    files = await _pull_files(tx, task)
    proposed = _files(files)
    if not (paths or proposed):
        return []
    others = await _others(tx, task)
    now = _overlaps_with(paths_from(paths) + proposed, others)[:MOST]
    if before is None or list(before) != list(paths):
        known = [] if before is None else _overlaps_with(paths_from(before) + proposed, others)
        await report(tx, task, actor, [each for each in now if each not in known])
    return await _proposal(tx, task, files).with_symbols(now)


def _proposal(tx: Tx, task: FullTask, files: Sequence[ChangedFile]) -> "Proposal":
    where = (task["installation_id"], task["repository_id"])
    return Proposal(tx, where, task["pull_number"] or 0, files)


async def paths_of(tx: Tx, task: FullTask) -> list[str]:
    """The paths that the task's holder named."""
    lease = await leases.get(tx, task["installation_id"], task["lease_id"])
    return leases.paths_of(lease) if lease else []


async def _pull_files(tx: Tx, task: FullTask) -> list[ChangedFile]:
    """The files of the task's own open pull request."""
    if task["pull_number"] is None:
        return []
    where = (task["installation_id"], task["repository_id"], task["pull_number"])
    return await pulls.files_if_open(tx, *where)


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
    files = {each["number"]: each["files"] for each in proposed}
    touched = {number: _files(each) for number, each in files.items()}
    claims = await leases.with_paths(*here)
    sides = [
        Side(
            each["task_id"],
            f"{full_name}#{each['number']}",
            each["holder"],
            each["pull_number"],
            paths_from(each["paths"]) + touched.get(each["pull_number"] or 0, []),
            files.get(each["pull_number"] or 0, ()),
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
            each["files"],
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
        # An outsider's names of symbols are not passed on.
        files=() if side.of_outsider else side.files,
    )


@dataclass
class Lacking:
    """What only GitHub can tell: pull requests whose changed lines, and files whose content."""

    pulls: set[int] = field(default_factory=set)
    blobs: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Proposal:
    """The own pull request with its files. `lacking` takes what is not known of both sides."""

    tx: Tx
    where: tuple[int, int]
    number: int
    files: Sequence[ChangedFile]
    lacking: Lacking = field(default_factory=Lacking)

    async def with_symbols(self, found: Sequence[Overlap]) -> list[Overlap]:
        """The overlaps with what both pull requests change in the same files, if it is known."""
        return [await self._one_with_symbols(each) for each in found]

    async def _one_with_symbols(self, found: Overlap) -> Overlap:
        compared = await symbol_overlap.compare(self.tx, self.where, self.files, found.files)
        numbers = zip((self.number, found.pull_request or 0), compared.lacking, strict=True)
        self.lacking.pulls |= {number for number, lacks in numbers if lacks and number}
        self.lacking.blobs |= compared.blobs
        symbols = {"same_symbols": compared.same, "different_symbols": compared.apart}
        return found.model_copy(update=symbols)


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
) -> Lacking:
    """Report the overlaps that a change of an open pull request's files brings.

    Return what is needed to compare symbols too.
    """
    where, was = (pull["installation_id"], pull["repository_id"]), list(files_before)
    files = await pulls.files_if_open(tx, *where, pull["number"])
    mine, before, now = Proposal(tx, where, pull["number"], files), _files(was), _files(files)
    # If all commits went through Hubbub, the changed lines are known later than the paths.
    has_new_lines = _has_lines(files) and not _has_lines(was)
    full_name = await stored_repositories.repository_name(tx, *where)
    if (before == now and not has_new_lines) or full_name is None:
        return mine.lacking
    others = [
        each for each in await _sides(tx, *where, full_name) if each.pull_request != pull["number"]
    ]
    held = [each for each in await tasks.of_pull(tx, *where, pull["number"]) if each["lease_id"]]
    for task in held:
        own = paths_from(await paths_of(tx, task))
        change = Change(own + before, own + now, has_new_lines)
        await report(tx, task, BOT, await _news(mine, change, others))
    if not held:
        nobody = Overlap(task=None, holder=None, pull_request=pull["number"], paths=[])
        found = await _news(mine, Change(before, now, has_new_lines), others)
        await _append_events(tx, where, nobody, BOT, found)
    return mine.lacking


def _has_lines(files: Iterable[ChangedFile]) -> bool:
    return any("edits" in each for each in files)


class Change(NamedTuple):
    """The paths of one side before and now. `has_new_lines`: its changed lines were not known."""

    before: list[Path]
    now: list[Path]
    has_new_lines: bool


async def _news(mine: Proposal, change: Change, others: Sequence[Side]) -> list[Overlap]:
    """The overlaps that came, and those of which only now the symbols are known."""
    known = _overlaps_with(change.before, others)
    found = _overlaps_with(change.now, others)
    new = await mine.with_symbols([each for each in found if each not in known][:MOST])
    if not change.has_new_lines:
        return new
    again = await mine.with_symbols([each for each in found if each in known][:MOST])
    return new + [each for each in again if each.same_symbols or each.different_symbols]


async def _append_events(
    tx: Tx, where: tuple[int, int], mine: Overlap, actor: str, found: Sequence[Overlap]
) -> None:
    for each in found:
        same = {name: getattr(each, name) for name in OF_BOTH}
        await _append_event(tx, where, each, actor, mine.model_copy(update=same))
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
