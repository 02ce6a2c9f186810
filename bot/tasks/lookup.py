"""Finds a task by what callers call it, and names it for them."""

from bot.errors import Refused
from bot.repository import repository_settings
from store.engine.transaction import Tx
from store.mirror import stored_repositories
from store.tasks import tasks
from store.tasks.tasks import FullTask

# GitHub's numbers have fewer digits, and the database takes no number that is much longer.
LONGEST_NUMBER = 15


def name(task: FullTask) -> str:
    """`owner/repo#12`, or the id while GitHub has not numbered it."""
    return f"{task['full_name']}#{task['number']}" if task["number"] else str(task["id"])


async def of_pull(tx: Tx, installation_id: int, ref: str) -> list[FullTask]:
    """The tasks of the pull request `owner/repo#7`."""
    full_name, _, number = ref.rpartition("#")
    repository = await stored_repositories.repository(tx, installation_id, full_name)
    if repository is None or not number.isdecimal() or len(number) > LONGEST_NUMBER:
        return []
    return await tasks.of_pull(tx, installation_id, repository["id"], int(number))


async def find(tx: Tx, installation_id: int, ref: str, *, for_person: bool = False) -> FullTask:
    """A task by `owner/repo#12` or its id. Raise Refused, in words for an agent or a person."""
    full_name, sign, number = ref.rpartition("#")
    label = repository_settings.DEFAULTS.task_label
    if sign and number.isdecimal() and len(number) <= LONGEST_NUMBER:
        repository = await stored_repositories.repository(tx, installation_id, full_name)
        if repository is None:
            raise unknown_repository(full_name)
        label = (await repository_settings.of(tx, installation_id, repository["id"])).task_label
        task = await tasks.by_number(tx, installation_id, repository["id"], int(number))
    else:
        task = await tasks.visible(tx, installation_id, ref)
    if task is None:
        raise unknown_task(ref, label, for_person=for_person)
    return task


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
