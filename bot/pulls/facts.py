"""What the check needs to know of a pull request, read from the database."""

from collections.abc import Sequence

from bot.pulls import makers, review_verdicts, workflow_files
from bot.pulls.paths import inside
from bot.pulls.review_verdicts import Approvals
from bot.pulls.verdict import Facts, Override, Reservation, TaskOfPull, is_same
from bot.repository.repository_settings import Check
from store.engine.transaction import Tx
from store.mirror import head_checks, pulls, stored_repositories, task_pulls
from store.mirror.pulls import ChangedFile
from store.tables.mirror import PullRequestRow
from store.tasks import leases, pull_tasks
from store.tasks.leases import Touched
from store.tasks.tasks import ENDED, FullTask

# Tasks of one pull request, and files of it, that are looked at.
MOST_TASKS = 10
MOST_FILES = 3000


async def of(tx: Tx, pull: PullRequestRow, settings: Check) -> Facts | None:
    """None for a pull request of no task that changes no workflow file, unless all get a check."""
    found = await tasks_of(tx, pull)
    files = await workflow_files.of(tx, pull)
    if not found and not files and settings.pulls != "all":
        return None
    maker = await makers.maker_of(tx, pull)
    return Facts(
        pull["number"],
        maker,
        tuple([await _task_of_pull(tx, pull, each) for each in found]),
        await _reservations(tx, pull, found, maker),
        await _override(tx, pull),
        files,
        await _approvals(tx, pull, settings.approvals),
    )


async def _approvals(tx: Tx, pull: PullRequestRow, needed: int) -> Approvals | None:
    """None if none are asked for."""
    if not needed:
        return None
    return review_verdicts.approvals(await review_verdicts.of_pull(tx, pull), needed)


async def tasks_of(tx: Tx, pull: PullRequestRow) -> list[FullTask]:
    """The tasks that have it as theirs, and those of the issues that it names."""
    here = (tx, pull["installation_id"], pull["repository_id"])
    name = await stored_repositories.repository_name(*here) or ""
    issues = await pulls.linked_issues(*here, name, pull["number"])
    return (await pull_tasks.of_pull_or_issues(*here, pull["number"], issues))[:MOST_TASKS]


async def _task_of_pull(tx: Tx, pull: PullRequestRow, task: FullTask) -> TaskOfPull:
    is_own = task["pull_number"] == pull["number"]
    ended = task["state"] if task["state"] in ENDED else None
    other = None if is_own or ended else await _first_of(tx, pull, task)
    return TaskOfPull(task["number"] or 0, is_own, task["holder"], other, ended)


async def _first_of(tx: Tx, pull: PullRequestRow, task: FullTask) -> int | None:
    """The open pull request of the task that comes before this one: its own, or an older one.

    One of somebody without write access stands in nobody's way.
    """
    here = (tx, task["installation_id"], task["repository_id"])
    if task["pull_number"] is not None:
        own = await pulls.pull_request(*here, task["pull_number"])
        if own is not None and own["state"] == "open":
            return own["number"]
    found = await task_pulls.for_issue(*here, task["full_name"], task["number"] or 0)
    before = [each for each in found if each["number"] < pull["number"]]
    older = [each["number"] for each in before if makers.may_write(each)]
    return older[0] if older else None


async def _override(tx: Tx, pull: PullRequestRow) -> Override | None:
    here = (pull["installation_id"], pull["repository_id"], pull["number"])
    row = await head_checks.override(tx, *here)
    return row and Override(row["decided_by"], row["note"], frozenset(row["rules"].split()))


async def _reservations(
    tx: Tx, pull: PullRequestRow, found: Sequence[FullTask], maker: str
) -> tuple[Reservation, ...] | None:
    here = (tx, pull["installation_id"], pull["repository_id"])
    touched = await leases.with_paths(*here)
    mine = {each["id"] for each in found}
    names = [maker, *(each["holder"] for each in found if each["holder"])]
    others = [
        each
        for each in touched
        if each["task_id"] not in mine and not any(is_same(each["holder"], one) for one in names)
    ]
    if not others:
        return ()
    known = await pulls.files(*here, pull["number"])
    if known is None or known["head_sha"] != pull["head_sha"]:
        return None
    own = [each for each in touched if each["task_id"] in mine]
    return tuple(reservations_on(changed_paths(known["files"]), own, others))


def changed_paths(files: Sequence[ChangedFile]) -> list[str]:
    """Who renames a file also touches its old path."""
    touched = files[:MOST_FILES]
    renamed = [each["previous"] for each in touched if "previous" in each]
    return [each["path"] for each in touched] + renamed


def reservations_on(
    changed: Sequence[str], own: Sequence[Touched], others: Sequence[Touched]
) -> list[Reservation]:
    """What others reserved of the changed paths, and the pull request's own claim did not before.

    Of two claims that name the same path, the older one has it.
    """
    found = []
    for each in others:
        older = [one for one in own if one["granted_at"] < each["granted_at"]]
        had = set(inside(changed, [path for one in older for path in one["paths"]]))
        free = [path for path in changed if path not in had]
        if taken := inside(free, each["paths"]):
            found.append(Reservation(each["number"], each["holder"], tuple(taken)))
    return found
