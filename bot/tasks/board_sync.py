"""Brings the board in line with a task: adds its issue, and sets the fields that show it.

Each field has at most one queued write. GitHub's board is as the mirror has it, or will be as the
write under way makes it. A write that GitHub carried out is put into the mirror at once, so the
webhook about it changes nothing and causes nothing.
"""

from dataclasses import dataclass

from bot.github import rate_limit_store
from bot.identity.actors import BOT
from bot.repository.repository_settings import RepositorySettings
from bot.tasks import board, board_plan
from bot.tasks.board_plan import BoardField, Plan
from bot.tasks.states import OPEN
from bot.times import DAY, SECOND
from store.engine.transaction import Tx
from store.inbox import commands
from store.mirror import board_syncs, projects, stored_issues
from store.outbox import writes
from store.tables.boards import ProjectItemRow
from store.tables.mirror import IssueRow
from store.tables.outbox import WriteRow
from store.tasks import tasks
from store.tasks.tasks import FullTask

# The kind of source of a command that is a move on a board.
SOURCE = "board"
KIND, ADD = "board_status", "board_item"
# A new task waits so long for its first claim, so that it gets on the board with one Status.
NEW_WAIT = 60 * SECOND
# GitHub's own workflows move items too, a moment after what they react to.
AUTOMATION_WAIT = 30 * SECOND
# As long as the card's edit for the same step waits, so that they share a request.
SOON, RESULT_SOON = 10 * SECOND, 5 * SECOND
# With so many writes of the bot in the queue, new tasks wait for the next comparison, after this.
MOST_QUEUED = 40
NEXT_COMPARISON = 600 * SECOND
# So often a day Hubbub moves an item back, unless the task changes in between.
MOST_MOVES_BACK = 3


@dataclass(frozen=True)
class _Place:
    """Where a task is on its board. `adding`: the write that puts it there."""

    plan: Plan
    issue: IssueRow
    item: ProjectItemRow | None
    adding: WriteRow | None

    @property
    def target(self) -> str:
        return target(self.plan.project["number"], self.issue)


def target(project: int, issue: IssueRow) -> str:
    return board.target_of(project, issue["id"])


async def show(
    tx: Tx, task: FullTask, lane: int, settings: RepositorySettings | None = None
) -> None:
    """Queue what shows the task's state, priority and size, if its settings name a board.

    `task`: its row as it is now. `settings`: those of its repository, if the caller has read them.
    While a move by a person waits, that move decides.
    """
    if (place := await _place(tx, task, settings)) is None:
        return
    here = (tx, task["installation_id"], task["repository_id"], task["number"] or 0)
    if await commands.has_waiting(*here, SOURCE):
        return
    for field in place.plan.fields:
        place = await _bring(tx, task, place, field, lane, _wait(task, lane))


async def show_new(tx: Tx, task: FullTask) -> None:
    """Put a new task on the board soon, or with the next comparison if the budget is short."""
    if (place := await _place(tx, task, None)) is None:
        return
    if place.item is not None:
        # It was on the board before it was a task.
        await catch_up(tx, task, wait=AUTOMATION_WAIT)
        return
    here = (tx, task["installation_id"])
    busy = await writes.count_of(*here, BOT) >= MOST_QUEUED
    if busy or await rate_limit_store.is_short(*here):
        later = await tx.now() + NEXT_COMPARISON
        await board_syncs.request_sweep(*here, task["repository_id"], later)
        return
    for field in place.plan.fields:
        place = await _bring(tx, task, place, field, writes.AGENTS, NEW_WAIT)


async def catch_up(tx: Tx, task: FullTask, *, wait: int = 0, lane: int = writes.AGENTS) -> None:
    """Queue what the board lacks of the task. An option without a meaning stays.

    An ended task that is not on the board stays away.
    """
    place = await _place(tx, task, None)
    if place is None or (place.item is None and task["state"] not in OPEN):
        return
    here = (tx, task["installation_id"], task["repository_id"], task["number"] or 0)
    if await commands.has_waiting(*here, SOURCE):
        return
    for field in place.plan.fields:
        if await _contradicts(tx, task, place, field):
            place = await _bring(tx, task, place, field, lane, wait)


async def move_back(tx: Tx, task: FullTask, field_id: str, lane: int, wait: int = 0) -> int:
    """Queue the write that undoes what somebody else set, unless that was often enough.

    Return which move back of the day it is; 0 if there is none.
    """
    place = await _place(tx, task, None)
    field = place.plan.field_of(field_id) if place else None
    if place is None or field is None or not await _contradicts(tx, task, place, field):
        return 0
    nth = await _moves_back(tx, task, place, field) + 1
    if nth > MOST_MOVES_BACK:
        return 0
    await _bring(tx, task, place, field, lane, wait, back=True)
    return nth


async def is_outdated(tx: Tx, write: WriteRow) -> bool:
    """Whether a write of the bot is not needed: the field shows the task, or the task changed."""
    i, given = write["installation_id"], write["arguments"]
    if write["author"] != BOT or write["task_id"] is None:
        return False
    task = await tasks.get(tx, i, write["task_id"])
    plan = await board_plan.of(tx, i, task["repository_id"]) if task else None
    fields = plan.fields if plan and plan.project["number"] == given["project"] else ()
    field = next((each for each in fields if each.row["id"] == given["field_id"]), None)
    if task is None or field is None:
        return False
    wanted = field.option_of(task)
    if wanted is None or wanted["id"] != given["option_id"]:
        return True
    item = given.get("item_id")
    value = await projects.value(tx, i, item, field.row["node_id"]) if item else None
    return value is not None and value["option_id"] == given["option_id"]


async def _moves_back(tx: Tx, task: FullTask, place: _Place, field: BoardField) -> int:
    """How often the item was moved back in the last day, since the task changed."""
    i, since, n = task["installation_id"], await tx.now() - DAY, 0
    for each in await writes.latest(tx, i, place.target, KIND, 4 * MOST_MOVES_BACK):
        if each["arguments"]["field_id"] == field.row["id"]:
            if "back" not in each["arguments"] or each["queued_at"] < since:
                break
            # One that is still queued is replaced, and not sent.
            n += each["state"] != "queued"
    return n


async def _place(tx: Tx, task: FullTask, settings: RepositorySettings | None) -> _Place | None:
    """None if the board does not show the task, or not any more."""
    if task["number"] is None:
        return None
    here = (tx, task["installation_id"])
    plan = await board_plan.of(*here, task["repository_id"], settings)
    if plan is None or not plan.fields or plan.project["closed"]:
        return None
    issue = await stored_issues.issue(*here, task["repository_id"], task["number"])
    if issue is None:
        return None
    nodes = (plan.project["node_id"], issue["node_id"])
    item = await projects.item_of(*here, *nodes)
    if item is None and await projects.was_removed(*here, *nodes):
        return None
    if item is not None and item["archived"]:
        return None  # GitHub refuses to change it
    adding = None
    if item is None:
        adding = await writes.newest(*here, target(plan.project["number"], issue), ADD)
    return _Place(plan, issue, item, adding)


async def _contradicts(tx: Tx, task: FullTask, place: _Place, field: BoardField) -> bool:
    """Whether the field shows another value of the task, or none."""
    shown, value = (
        await _current_option(tx, task, place, field),
        board_plan.value_of(task, field.role),
    )
    if shown is None:
        return not board_plan.is_usual(task, field.role)
    meant = field.means(shown)
    return bool(meant) and value not in meant


async def _current_option(tx: Tx, task: FullTask, place: _Place, field: BoardField) -> str | None:
    """The option that the field has, or will have after the write that is being sent."""
    i = task["installation_id"]
    for each in reversed(await writes.waiting(tx, i, place.target, KIND)):
        if each["state"] != "queued" and each["arguments"]["field_id"] == field.row["id"]:
            return str(each["arguments"]["option_id"])
    if place.item is None:
        return None
    value = await projects.value(tx, i, place.item["id"], field.row["node_id"])
    return (value["option_id"] or None) if value else None


async def _bring(
    tx: Tx,
    task: FullTask,
    place: _Place,
    field: BoardField,
    lane: int,
    wait: int,
    *,
    back: bool = False,
) -> _Place:
    """Queue the write that makes the field show the task, unless it does or a write will."""
    i, wanted = task["installation_id"], field.option_of(task)
    queued = await _queued_writes(tx, i, place.target, field)
    shown = await _current_option(tx, task, place, field)
    fits = board_plan.value_of(task, field.role) in field.means(shown)
    if wanted is None or fits or (shown is None and board_plan.is_usual(task, field.role)):
        await writes.supersede_these(tx, i, queued)
        return place
    due = min([await tx.now() + wait, *(each["not_before"] for each in queued)])
    lane = min([lane, *(each["lane"] for each in queued)])
    await writes.supersede_these(tx, i, queued)
    place = await _add(tx, task, place, lane, due)
    change = {"project": place.plan.project["number"], "field_id": field.row["id"]}
    arguments = change | {
        "option_id": wanted["id"],
        **_item(place),
        **({"back": 1} if back else {}),
    }
    await _queue(tx, task, place, KIND, arguments, lane, due)
    return place


async def _queued_writes(tx: Tx, i: int, where: str, field: BoardField) -> list[WriteRow]:
    return [
        each
        for each in await writes.waiting(tx, i, where, KIND)
        if each["state"] == "queued" and each["arguments"]["field_id"] == field.row["id"]
    ]


def _item(place: _Place) -> dict[str, object]:
    """The item in the arguments of a write, or the write that makes it."""
    if place.item is not None:
        return {"item_id": place.item["id"]}
    assert place.adding is not None
    made = place.adding["result"] if place.adding["state"] == "sent" else None
    return {"item_id": made["item_id"]} if made else {"after": place.adding["id"]}


async def _add(tx: Tx, task: FullTask, place: _Place, lane: int, due: int) -> _Place:
    """Queue the write that puts the issue on the board, if it is not there. A queued one hastens.

    Return the place with that write.
    """
    adding = place.adding
    is_own = adding is not None and adding["state"] == "queued" and adding["author"] == BOT
    if place.item is not None or (adding is not None and not is_own):
        return place
    if adding is not None:
        if adding["not_before"] <= due and adding["lane"] <= lane:
            return place
        await writes.supersede_these(tx, task["installation_id"], [adding])
    add = {"project": place.plan.project["number"], "type": "Issue", "id": place.issue["id"]}
    write_id = await _queue(tx, task, place, ADD, add, lane, due)
    made = await writes.get(tx, task["installation_id"], write_id)
    return _Place(place.plan, place.issue, None, made)


async def _queue(
    tx: Tx,
    task: FullTask,
    place: _Place,
    kind: str,
    arguments: dict[str, object],
    lane: int,
    due: int,
) -> str:
    return await writes.queue(
        tx,
        task["installation_id"],
        kind=kind,
        repository_id=task["repository_id"],
        target=place.target,
        arguments=arguments,
        author=BOT,
        task_id=task["id"],
        lane=lane,
        wait=max(0, due - await tx.now()),
    )


def _wait(task: FullTask, lane: int) -> int:
    if task["state"] not in OPEN:
        return RESULT_SOON
    return 0 if lane == writes.PEOPLE else SOON
