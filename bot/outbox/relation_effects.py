"""What follows when GitHub has a planned relation of a task, or will not get it."""

from dataclasses import dataclass

from bot.identity.actors import BOT
from bot.mirror import issue_effects
from bot.outbox.kinds.issues import OTHER_END
from bot.tasks import lifecycle, lookup
from bot.tasks.states import CLAIMABLE
from store.engine.transaction import Tx
from store.mirror import dependency_cycles, relations, stored_issues, stored_repositories
from store.mirror.relations import Kind, NewRelation
from store.tables.outbox import WriteRow
from store.tasks import planned_relations, tasks
from store.tasks.tasks import FullTask

# The mirror's kind of relation, by the kind of write.
KINDS: dict[str, Kind] = {"sub_issue": "parent", "blocked_by": "blocked_by"}


@dataclass(frozen=True)
class End:
    """An issue at one end of a relation."""

    issue_id: int
    name: str
    repository_id: int


async def lock(tx: Tx, write: WriteRow) -> None:
    """Lock the dependencies before all other rows, if the write makes a planned relation."""
    if _is_planned(write):
        await dependency_cycles.lock(tx, write["installation_id"])


def _is_planned(write: WriteRow) -> bool:
    return write["kind"] in KINDS and bool({"number_of", "issue_of"} & write["arguments"].keys())


async def apply_success(tx: Tx, write: WriteRow) -> None:
    """Put the relation into the mirror now, so that its task is not ready before the webhook."""
    if not _is_planned(write):
        return
    here = (tx, write["installation_id"])
    if (relation := await _relation(tx, write)) is not None:
        changed = await relations.put(*here, {**relation})
        await issue_effects.update_dependants(*here, changed)
    waiting = await planned_relations.waiting_for(*here, write["id"])
    await planned_relations.remove(*here, write["id"])
    for task_id in waiting:
        await lifecycle.announce_if_ready(*here, task_id, "GitHub has its relations")


async def apply_failure(tx: Tx, write: WriteRow, why: str) -> None:
    """Put the task on hold that should wait for another, because nothing else keeps it waiting."""
    if not _is_planned(write):
        return
    here = (tx, write["installation_id"])
    waiting = await planned_relations.waiting_for(*here, write["id"])
    await planned_relations.remove(*here, write["id"])
    waits_itself = write["kind"] == "blocked_by"
    held = [each for each in waiting if (each == write["task_id"]) == waits_itself]
    if not await _is_awaited_over(tx, write):
        for task_id in held:
            await _hold(tx, write, task_id, why)
    for task_id in waiting:
        await lifecycle.announce_if_ready(*here, task_id, "it waits for no relation any more")


async def _is_awaited_over(tx: Tx, write: WriteRow) -> bool:
    """Whether nobody has to wait, because the awaited task was ended before it had an issue."""
    task_id = write["arguments"].get("issue_of")
    task = await tasks.get(tx, write["installation_id"], task_id) if task_id else None
    return task is not None and task["state"] in ("completed", "cancelled")


async def _hold(tx: Tx, write: WriteRow, task_id: str, why: str) -> None:
    task = await tasks.lock(tx, write["installation_id"], task_id)
    if task is None or task["held"] or task["state"] not in CLAIMABLE:
        return
    to = _named_on_card(task, await _issue_end(tx, write))
    await lifecycle.hold(tx, task, BOT, f"its relation {to}could not be made on GitHub: {why}")


def _named_on_card(task: FullTask, end: End | None) -> str:
    """The other issue. Not every reader of the card may see one of another repository."""
    if end is None:
        return ""
    is_here = end.repository_id == task["repository_id"]
    return f"to {end.name} " if is_here else "to an issue in another repository "


async def _relation(tx: Tx, write: WriteRow) -> NewRelation | None:
    """The relation as a row of the mirror. None if the mirror lacks one of its issues."""
    numbered, other = await _numbered_end(tx, write), await _issue_end(tx, write)
    if numbered is None or other is None:
        return None
    kind = KINDS[write["kind"]]
    # The request names the parent, or the blocked issue, by its number.
    source, target = (other, numbered) if kind == "parent" else (numbered, other)
    return {
        "kind": kind,
        "source_id": source.issue_id,
        "source_name": source.name,
        "source_state": "open",
        "target_id": target.issue_id,
        "target_name": target.name,
        "target_state": "open",
    }


async def _numbered_end(tx: Tx, write: WriteRow) -> End | None:
    """The issue whose number is in the address of the request."""
    i, given = write["installation_id"], write["arguments"]
    if task_id := given.get("number_of"):
        return _end_of(await tasks.get(tx, i, task_id))
    where = write["repository_id"]
    issue = await stored_issues.issue(tx, i, where, given["number"])
    name = await stored_repositories.repository_name(tx, i, where)
    return End(issue["id"], f"{name}#{issue['number']}", where) if issue else None


async def _issue_end(tx: Tx, write: WriteRow) -> End | None:
    """The issue whose id is in the body of the request."""
    i, given = write["installation_id"], write["arguments"]
    if task_id := given.get("issue_of"):
        return _end_of(await tasks.get(tx, i, task_id))
    issue = await stored_issues.by_id(tx, i, given[OTHER_END[write["kind"]]])
    if issue is None:
        return None
    where = issue["repository_id"]
    name = await stored_repositories.repository_name(tx, i, where)
    return End(issue["id"], f"{name}#{issue['number']}", where)


def _end_of(task: FullTask | None) -> End | None:
    if task is None or task["issue_id"] is None:
        return None
    return End(task["issue_id"], lookup.name(task), task["repository_id"])
