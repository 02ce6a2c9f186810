"""Who else touches the same paths: told to both sides, and nobody is kept from anything."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from pydantic import BaseModel, Field

from bot.identity.actors import BOT
from bot.tasks import lifecycle
from store import events
from store.engine.transaction import Tx
from store.mirror import mirror_rows, pulls
from store.mirror.pulls import ChangedFile
from store.tables.mirror import PullRequestRow
from store.tasks import leases, tasks
from store.tasks.tasks import FullTask

# How many are told of, and how many paths of each.
MOST = 10
MOST_PATHS = 10
# So many files of each pull request are looked at: everybody who writes waits meanwhile.
MOST_FILES = 300
WILD = re.compile(r"[*?\[{]")


class Overlap(BaseModel):
    """A claim, or an open pull request, that touches what you touch."""

    task: str | None = Field(description="of a claim: owner/repo#12")
    task_id: str | None = Field(exclude=True, default=None)
    holder: str | None
    pull_request: int | None
    paths: list[str] = Field(description="theirs")


class Path(NamedTuple):
    """As it was said, and the file or folder that it means; the empty one is the whole."""

    said: str
    means: str


@dataclass(frozen=True)
class Side:
    """A live claim with what it touches, or an open pull request that no claim here is for."""

    task_id: str | None
    task: str | None
    holder: str | None
    pull_request: int | None
    paths: list[Path]


def named(paths: Iterable[str]) -> list[Path]:
    """What holders name: of a pattern the part before its first wildcard counts."""
    return [Path(each, _stem(each)) for each in paths]


def _stem(path: str) -> str:
    found = WILD.search(path)
    plain = path if found is None else path[: found.start()].rpartition("/")[0]
    return "/".join(part for part in plain.split("/") if part not in ("", "."))


def _files(touched: Iterable[ChangedFile]) -> list[Path]:
    """What a pull request touches; a bracket in a file's name is no pattern."""
    return [Path(each["path"], each["path"]) for each in islice(touched, MOST_FILES)]


class Ground(NamedTuple):
    """Files and folders of one side, and all folders that these lie in."""

    own: frozenset[str]
    above: frozenset[str]


def ground(paths: Iterable[Path]) -> Ground:
    own = frozenset(each.means for each in paths)
    return Ground(own, frozenset(folder for each in own for folder in _up(each)))


def common(mine: Ground, theirs: Iterable[Path]) -> list[str]:
    """Those of theirs that lie in one of mine, or have one of mine in them."""
    meeting = (
        each.said
        for each in theirs
        if each.means in mine.above or not mine.own.isdisjoint(_up(each.means))
    )
    return list(islice(dict.fromkeys(meeting), MOST_PATHS))


def _up(path: str) -> list[str]:
    """It, and each folder that it lies in; the whole is above all."""
    parts = path.split("/") if path else []
    return ["/".join(parts[:n]) for n in range(len(parts) + 1)]


async def found(tx: Tx, task: FullTask, paths: Sequence[str]) -> list[Overlap]:
    """Other live claims, and open pull requests, on these paths or the files of its own."""
    mine = named(paths) + await _proposed(tx, task)
    return _meeting(mine, await _others(tx, task))[:MOST] if mine else []


async def claimed(
    tx: Tx, task: FullTask, actor: str, before: Sequence[str] | None = None
) -> list[Overlap]:
    """Whom a claim meets. They are told, but for what they met by the paths named `before`."""
    paths, proposed = await paths_of(tx, task), await _proposed(tx, task)
    if not (paths or proposed):
        return []
    others = await _others(tx, task)
    now = _meeting(named(paths) + proposed, others)[:MOST]
    if before != paths:
        known = [] if before is None else _meeting(named(before) + proposed, others)
        await tell(tx, task, actor, [each for each in now if each not in known])
    return now


async def paths_of(tx: Tx, task: FullTask) -> list[str]:
    """What its holder named."""
    lease = await leases.get(tx, task["installation_id"], task["lease_id"])
    return leases.paths_of(lease) if lease else []


async def _proposed(tx: Tx, task: FullTask) -> list[Path]:
    """What its own open pull request touches."""
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
            named(each["paths"]) + touched.get(each["pull_number"] or 0, []),
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
        )
        for each in proposed
        if each["task_id"] is None or each["task_id"] not in known
    ]


def _meeting(mine: Sequence[Path], others: Iterable[Side]) -> list[Overlap]:
    own = ground(mine)
    return [_overlap(each, both) for each in others if (both := common(own, each.paths))]


def _overlap(side: Side, paths: list[str]) -> Overlap:
    return Overlap(
        task=side.task,
        task_id=side.task_id,
        holder=side.holder,
        pull_request=side.pull_request,
        paths=paths,
    )


async def tell(tx: Tx, task: FullTask, actor: str, found: Sequence[Overlap]) -> None:
    """Both sides, but for who did it and has it as an answer; both cards follow."""
    mine = Overlap(
        task=lifecycle.name(task),
        task_id=task["id"],
        holder=task["holder"],
        pull_request=task["pull_number"],
        paths=[],
    )
    await _tell(tx, (task["installation_id"], task["repository_id"]), mine, actor, found)


async def pull_changed(tx: Tx, pull: PullRequestRow, was: Iterable[ChangedFile]) -> None:
    """An open pull request's files are no more those that they were: what is new is told."""
    where = (pull["installation_id"], pull["repository_id"])
    before, now = _files(was), _files(await pulls.files_if_open(tx, *where, pull["number"]))
    if before == now or (full_name := await mirror_rows.repository_name(tx, *where)) is None:
        return
    others = [
        each for each in await _sides(tx, *where, full_name) if each.pull_request != pull["number"]
    ]
    held = [each for each in await tasks.of_pull(tx, *where, pull["number"]) if each["lease_id"]]
    for task in held:
        own = named(await paths_of(tx, task))
        await tell(tx, task, BOT, _new(own + before, own + now, others))
    if not held:
        nobody = Overlap(task=None, holder=None, pull_request=pull["number"], paths=[])
        await _tell(tx, where, nobody, BOT, _new(before, now, others))


def _new(before: Sequence[Path], now: Sequence[Path], others: Sequence[Side]) -> list[Overlap]:
    known = _meeting(before, others)
    return [each for each in _meeting(now, others) if each not in known][:MOST]


async def _tell(
    tx: Tx, where: tuple[int, int], mine: Overlap, actor: str, found: Sequence[Overlap]
) -> None:
    for each in found:
        await _event(tx, where, each, actor, mine.model_copy(update={"paths": each.paths}))
        await _event(tx, where, mine, actor, each)
    both = {side.task_id for each in found for side in (mine, each)}
    for task_id in sorted(each for each in both if each is not None):
        await lifecycle.show_soon(tx, where[0], task_id)


async def _event(tx: Tx, where: tuple[int, int], to: Overlap, actor: str, about: Overlap) -> None:
    """`about` is the other side, and where both meet."""
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
