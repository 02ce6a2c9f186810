"""Finds a task by what callers call it, and names it for them."""

from collections.abc import Iterable
from typing import TypedDict

from bot.errors import Refused
from bot.identity.actors import Actor
from bot.repository import repository_settings
from store.engine.reach import Reach
from store.engine.transaction import Tx
from store.mirror import pulls, stored_repositories
from store.tables.mirror import PullRequestRow, RepositoryRow
from store.tasks import tasks
from store.tasks.tasks import FullTask

# GitHub's numbers have fewer digits, and the database takes no number that is much longer.
LONGEST_NUMBER = 15
# Tasks that an error names.
MOST_NAMED = 5


class NamedTask(TypedDict):
    """What names a task."""

    id: str
    full_name: str
    number: int | None


def name(task: NamedTask) -> str:
    """`owner/repo#12`, or the id while GitHub has not numbered it."""
    return f"{task['full_name']}#{task['number']}" if task["number"] else str(task["id"])


async def names(tx: Tx, actor: Actor, task_ids: Iterable[str]) -> dict[str, str]:
    """The names by id of those tasks that the actor may see."""
    here = (tx, actor.installation_id)
    found = await tasks.several(*here, set(task_ids), actor.repositories)
    return {row["id"]: name(row) for row in found}


def parse(ref: str) -> tuple[str, int] | None:
    """The repository's name and the number in `owner/repo#12`. None for a task's id."""
    full_name, sign, number = ref.rpartition("#")
    if sign and number.isascii() and number.isdecimal() and len(number) <= LONGEST_NUMBER:
        return full_name, int(number)
    return None


async def pull_request(tx: Tx, task: FullTask) -> PullRequestRow | None:
    """The task's pull request, open or not, if the mirror has it."""
    if task["pull_number"] is None:
        return None
    here = (task["installation_id"], task["repository_id"], task["pull_number"])
    return await pulls.pull_request(tx, *here)


async def of_pull(tx: Tx, installation_id: int, ref: str, reach: Reach = None) -> list[FullTask]:
    """The tasks of the pull request `owner/repo#7`."""
    if (named := parse(ref)) is None:
        return []
    full_name, number = named
    repository = await stored_repositories.repository(tx, installation_id, full_name, reach)
    if repository is None:
        return []
    return await tasks.of_pull(tx, installation_id, repository["id"], number)


async def find(
    tx: Tx,
    installation_id: int,
    ref: str,
    *,
    for_person: bool = False,
    reach: Reach = None,
    lock: bool = False,
) -> FullTask:
    """A task by its id, or by `owner/repo#12` of its issue or pull request; to change it, lock it.

    Raise Refused, in words for an agent or a person. `reach`: the repositories of which the caller
    may know. All else does not exist for it: the queries, and so the error, are the same.
    """
    task = await _by_ref(tx, installation_id, ref, reach, lock=lock)
    if task is not None:
        return task
    task = await _by_pull(tx, installation_id, ref, reach, for_person=for_person)
    return await tasks.lock(tx, installation_id, task["id"]) or task if lock else task


async def _by_ref(
    tx: Tx, installation_id: int, ref: str, reach: Reach, *, lock: bool
) -> FullTask | None:
    here, named = (tx, installation_id), parse(ref)
    if not lock:
        by_name = named and tasks.by_name(*here, *named, reach)
        return await (by_name or tasks.visible(*here, ref, reach))
    id_by_name = named and tasks.id_by_name(*here, *named, reach)
    task_id = await (id_by_name or tasks.visible_id(*here, ref, reach))
    return await tasks.lock(*here, task_id) if task_id else None


async def _by_pull(
    tx: Tx, installation_id: int, ref: str, reach: Reach, *, for_person: bool
) -> FullTask:
    """The task of the pull request `owner/repo#12`. Raise Refused if there is none."""
    if (named := parse(ref)) is None:
        raise unknown_task(ref, repository_settings.DEFAULTS.task_label, for_person=for_person)
    full_name, number = named
    repository = await stored_repositories.repository(tx, installation_id, full_name, reach)
    if repository is None:
        raise unknown_repository(full_name)
    task = await _task_of_pull(tx, repository, number)
    if task is None:
        settings = await repository_settings.of(tx, installation_id, repository["id"])
        raise unknown_task(ref, settings.task_label, for_person=for_person)
    return task


async def _task_of_pull(tx: Tx, where: RepositoryRow, number: int) -> FullTask | None:
    """The task of a pull request. None if there is no such pull request. Raise Refused."""
    here = (tx, where["installation_id"], where["id"])
    if await pulls.pull_request(*here, number) is None:
        return None
    found = await tasks.of_pull(*here, number)
    if not found:
        linked = await pulls.linked_issues(*here, where["full_name"], number)
        by_link = [await tasks.by_number(*here, each) for each in linked]
        found = [each for each in by_link if each]
    ref = f"{where['full_name']}#{number}"
    if not found:
        raise Refused(
            "unknown_task",
            f"{ref} is a pull request that belongs to no task. Its text can name the issue of "
            "one: Closes #12.",
        )
    if len(found) > 1:
        names = ", ".join(map(name, found[:MOST_NAMED]))
        raise Refused(
            "unknown_task", f"{ref} is a pull request of several tasks: {names}. Pass one of them."
        )
    return found[0]


def unknown_task(ref: str, label: str, *, for_person: bool) -> Refused:
    if for_person:
        return Refused(
            "unknown_task",
            f"{ref} is not a task. Add the label `{label}` to an issue to make it a task.",
        )
    return Refused(
        "unknown_task",
        f"There is no task {ref!r} that you can see. Pass owner/repo#12 or a task's id. "
        f"list_tasks lists the tasks. The label {label} makes an issue a task.",
    )


def unknown_repository(full_name: str) -> Refused:
    if not full_name:
        return Refused(
            "unknown_repository", "The repository is missing. Pass owner/repo#3, not only #3."
        )
    return Refused(
        "unknown_repository",
        f"The repository {full_name!r} is unknown. Pass owner/repo of a repository on which the "
        "App is installed.",
    )
