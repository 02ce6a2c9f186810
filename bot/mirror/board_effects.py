"""What a change on a board means for tasks.

A person's move is a command of that person. What another App or GitHub's own workflow set is moved
back if it contradicts the task. What Hubbub set itself means nothing.
"""

import hashlib

from bot.comments import authorship, history, replies
from bot.comments.limits import MOST_ANSWERS_AN_HOUR
from bot.identity.actors import BOT
from bot.mirror import board_checks
from bot.mirror.changes import BoardMove, Sender
from bot.tasks import board_plan, board_sync, lookup
from bot.tasks.board_plan import Plan
from store.audit import records
from store.engine.transaction import Tx
from store.inbox import commands
from store.inbox.commands import FoundCommand
from store.mirror import board_syncs, projects, stored_issues
from store.outbox import writes
from store.tables.boards import ProjectItemRow, ProjectRow, ProjectValueRow
from store.tables.mirror import IssueRow
from store.tasks import tasks
from store.tasks.tasks import FullTask

# The verbs of the command that a move is. Nobody can type them. The first one is for the state, the
# second one for another field.
VERB, CHANGE = "move on the board", "change on the board"
# After these actions of an item it may lack what shows its task.
APPEARING = ("created", "converted", "restored")
NOTICE = "board_conflict"


async def record_move(tx: Tx, installation_id: int, move: BoardMove) -> None:
    """Store a person's move as a command, if the board shows the task of the item."""
    found = await _task_of(tx, installation_id, move.content_node_id)
    if found is None:
        return
    issue, task = found
    plan = await _plan_of(tx, task, move.project_node_id)
    field = plan.field_of(move.field_node_id) if plan else None
    if field is not None:
        verb = VERB if field.role == "state" else CHANGE
        await commands.add(tx, installation_id, [_command(move, issue, verb)])


def _command(move: BoardMove, issue: IssueRow, verb: str) -> FoundCommand:
    """Each move has a key of its own, so it runs once however often its event arrives."""
    place = (move.field_node_id, move.option_id, move.moved_at, move.asker_id or move.asker)
    return {
        "source_kind": board_sync.SOURCE,
        "source_id": move.item_id,
        "text_hash": hashlib.sha256(repr(place).encode()).hexdigest(),
        "nth": 0,
        "repository_id": issue["repository_id"],
        "number": issue["number"],
        "line": 0,
        "verb": verb,
        "words": [move.field_node_id, move.option_id or ""],
        "text": move.option_name,
        "asker": move.asker,
        "asker_id": move.asker_id,
        "written_at": move.moved_at,
    }


async def _task_of(
    tx: Tx, installation_id: int, content_node_id: str
) -> tuple[IssueRow, FullTask] | None:
    """The issue of an item and its task, which is locked: what changes it now must be seen."""
    issue = await stored_issues.by_node(tx, installation_id, content_node_id)
    task = await tasks.of_issue(tx, installation_id, issue["id"]) if issue else None
    task = task and await tasks.lock(tx, installation_id, task["id"])
    return (issue, task) if issue and task else None


async def _plan_of(tx: Tx, task: FullTask, project_node_id: str) -> Plan | None:
    """The plan of the task's board, if it is this board."""
    plan = await board_plan.of(tx, task["installation_id"], task["repository_id"])
    return plan if plan and plan.project["node_id"] == project_node_id else None


async def after_value(
    tx: Tx, row: ProjectValueRow, _: ProjectValueRow | None, sender: Sender | None
) -> None:
    """Move back what a bot set."""
    if sender is None or not await _is_other_bot(tx, sender):
        return
    item = await projects.item(tx, row["installation_id"], row["item_id"])
    found = await _task_of(tx, row["installation_id"], item["content_node_id"]) if item else None
    if item is None or found is None or not await _plan_of(tx, found[1], item["project_node_id"]):
        return
    wait = board_sync.AUTOMATION_WAIT
    nth = await board_sync.move_back(tx, found[1], row["field"], writes.AGENTS, wait)
    if nth == board_sync.MOST_MOVES_BACK:
        await _report_conflict(tx, found[1], sender.login)


async def _is_other_bot(tx: Tx, sender: Sender) -> bool:
    if not authorship.is_bot(sender.login):
        return False
    return not authorship.is_ours(sender.login, sender.id, await authorship.bot_id(tx))


async def _report_conflict(tx: Tx, task: FullTask, other: str) -> None:
    """Say once that Hubbub gives in for now: in the issue, and to tech-leads."""
    i, where, number = task["installation_id"], task["repository_id"], task["number"] or 0
    text = replies.board_conflict(other, board_sync.MOST_MOVES_BACK)
    await records.append(tx, i, BOT, "board.conflict", task["id"], data={"other": other})
    message = f"{lookup.name(task)}: {text}"
    await board_checks.notify_leads(tx, i, where, NOTICE, task["id"], message)
    on_issue = writes.on_issue(where, number)
    if await history.bot_answers_last_hour(tx, i, on_issue) < MOST_ANSWERS_AN_HOUR:
        await writes.queue(
            tx,
            i,
            kind="comment",
            repository_id=where,
            target=on_issue,
            arguments={"number": number, "body": text},
            author=BOT,
        )


async def after_item(
    tx: Tx, row: ProjectItemRow, _: ProjectItemRow | None, sender: Sender | None
) -> None:
    """Give an item that somebody put on the board the values of its task, unless it has some."""
    if sender is None or sender.did not in APPEARING or row["deleted"]:
        return
    if authorship.is_ours(sender.login, sender.id, await authorship.bot_id(tx)):
        return
    found = await _task_of(tx, row["installation_id"], row["content_node_id"])
    if found and await _plan_of(tx, found[1], row["project_node_id"]):
        # GitHub's own workflow may set the Status first.
        await board_sync.catch_up(tx, found[1], wait=board_sync.AUTOMATION_WAIT)


async def after_project(tx: Tx, row: ProjectRow, before: ProjectRow | None) -> None:
    """A board that was deleted, closed or reopened."""
    if before is not None and (row["deleted"], row["closed"]) == (
        before["deleted"],
        before["closed"],
    ):
        return
    i = row["installation_id"]
    for each in await board_syncs.of_project(tx, i, row["number"]):
        await board_checks.check(tx, i, each["repository_id"], listed=bool(row["deleted"]))
