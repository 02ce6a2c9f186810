"""Runs what a person moved on a board, as the operation that a slash command would call.

A move that is not allowed is undone, with the reason in a comment. The same reason is given to the
same person once a day.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.comments import replies
from bot.dispatch.callers import Caller
from bot.dispatch.execution import Call, execute
from bot.errors import Refused
from bot.identity import actors
from bot.identity.actors import Actor
from bot.inbox import board_steps, command_answers
from bot.inbox.board_steps import Step
from bot.inbox.command_answers import Reply
from bot.kernel.operation import Shared
from bot.operations import OPERATIONS
from bot.repository import repository_settings
from bot.repository.repository_settings import RepositorySettings, allows
from bot.tasks import board_plan, board_sync, lookup
from bot.tasks.board_plan import MEANING, BoardField, Plan
from bot.times import DAY, SECOND
from store.engine.transaction import Store, Tx
from store.fetch import pending_reads
from store.inbox import commands
from store.mirror import permissions, projects
from store.outbox import writes
from store.tables.inbox import CommandRow
from store.tasks import tasks
from store.tasks.tasks import FullTask

# A move that arrives later, by repair, does not run.
LATEST = DAY
RETRY_AFTER = 30 * SECOND
PATIENCE = 600 * SECOND


@dataclass(frozen=True)
class Move:
    """A move with all that it is about. `option_id`: the option that the item was moved to."""

    row: CommandRow
    task: FullTask
    plan: Plan
    field: BoardField
    option_id: str

    @property
    def meaning(self) -> str | None:
        """The value of the task that the option stands for. None: the column has no meaning."""
        values = self.field.means(self.option_id)
        if self.field.role == "state":
            return next((each for each in MEANING if each in values), None)
        return next(iter(sorted(values)), None)

    @property
    def is_done(self) -> bool:
        now = board_plan.value_of(self.task, self.field.role)
        return now in self.field.means(self.option_id)


async def run(store: Store, shared: Shared, which: CommandRow) -> None:
    """Run a move, or postpone it.

    A refused one changes nothing, and a second transaction undoes it on the board.
    """
    try:
        await store.write(lambda tx: _run(tx, shared, which))
    except Refused as exc:
        why, code = exc.message, exc.code
        await store.write(lambda tx: _undo(tx, which, why, code))


async def refuse(tx: Tx, which: CommandRow, why: str, code: str) -> None:
    """Undo a move that failed."""
    await _undo(tx, which, why, code)


async def _run(tx: Tx, shared: Shared, which: CommandRow) -> None:
    tx.origin = command_answers.origin_of(which)
    row = await commands.lock(tx, which)
    if row is None:
        return
    now = await tx.now()
    if row["written_at"] < now - LATEST:
        await commands.answer(tx, row, "expired", None)
        return
    if await _is_in_doubt(tx, row):
        await commands.put_off(tx, row, now + RETRY_AFTER)
        return
    move = await _find(tx, row)
    if move is None or await _is_overtaken(tx, move):
        await commands.answer(tx, row, "withdrawn", None)
    elif move.is_done or move.meaning is None:
        # What means nothing for the task is not the last word about it.
        await commands.answer(tx, row, "done" if move.is_done else "withdrawn", None)
        await board_sync.catch_up(tx, move.task)
    else:
        await _run_or_postpone(tx, shared, move, now)


async def _is_in_doubt(tx: Tx, row: CommandRow) -> bool:
    """Whether a read will say where the item is: its event did not, or there were two at once."""
    i, item = row["installation_id"], str(row["source_id"])
    if not await pending_reads.is_queued(tx, i, "project_item", item):
        return False
    waited = row["asked_at"] is None or await tx.now() - row["asked_at"] < PATIENCE
    return waited and (not row["words"][1] or await _has_twin(tx, row))


async def _has_twin(tx: Tx, row: CommandRow) -> bool:
    """Whether the same field of the item was set twice in one second."""
    found = await commands.of_source(
        tx, row["installation_id"], board_sync.SOURCE, row["source_id"]
    )
    return any(
        each["text_hash"] != row["text_hash"]
        and each["written_at"] == row["written_at"]
        and each["words"][0] == row["words"][0]
        for each in found
    )


async def _find(tx: Tx, row: CommandRow) -> Move | None:
    """None if the board does not show the task any more."""
    here = (tx, row["installation_id"])
    task = await tasks.by_number(*here, row["repository_id"], row["number"])
    task = task and await tasks.lock(*here, task["id"])
    plan = await board_plan.of(*here, row["repository_id"])
    field = plan.field_of(row["words"][0]) if plan else None
    option_id = row["words"][1] or await _option_in_mirror(tx, row)
    if task is None or plan is None or field is None or option_id is None:
        return None
    return Move(row, task, plan, field, option_id)


async def _option_in_mirror(tx: Tx, row: CommandRow) -> str | None:
    found = await projects.value(tx, row["installation_id"], row["source_id"], row["words"][0])
    return found["option_id"] if found else None


async def _is_overtaken(tx: Tx, move: Move) -> bool:
    """Whether a later move of the item, or a later command about its state, has run already.

    One that waits runs after this, because it may be refused.
    """
    row, i = move.row, move.row["installation_id"]
    for each in await commands.of_source(tx, i, board_sync.SOURCE, row["source_id"]):
        later = each["written_at"] > row["written_at"] and each["state"] == "done"
        if later and each["words"][0] == row["words"][0]:
            return True
    if move.field.role == "state" and await _has_later_command(tx, row):
        return True
    return await _has_twin(tx, row) and await _option_in_mirror(tx, row) != move.option_id


async def _has_later_command(tx: Tx, row: CommandRow) -> bool:
    later = await commands.later_commands(tx, row)
    return any(each["verb"] in command_answers.STEERING for each in later)


async def _run_or_postpone(tx: Tx, shared: Shared, move: Move, now: int) -> None:
    row, i, where = move.row, move.row["installation_id"], move.row["repository_id"]
    who = (row["asker"], row["asker_id"])
    permission = await permissions.get(tx, i, where, *who)
    if permission is None:
        if row["asked_at"] is not None and now - row["asked_at"] >= PATIENCE:
            raise Refused("github_away", "GitHub did not say what permission you have here.")
        subject = f"{where} {row['asker'].casefold()}"
        arguments = {"repository_id": where, "login": row["asker"], "person_id": row["asker_id"]}
        await pending_reads.ask(tx, i, "permission", subject, arguments)
        await commands.put_off(tx, row, now + RETRY_AFTER)
        return
    settings = await repository_settings.of(tx, i, where)
    steps = plan_steps(move)
    _check_permission(settings, steps, permission)
    asker = actors.person(i, row["asker"], permission, where, row["asker_id"] or None)
    if asker is None:
        raise Refused("forbidden", "you have no permission on this repository.")
    # From here on the board shows what the task becomes.
    await commands.answer(tx, row, "done", None)
    for nth, step in enumerate(steps):
        await _call(tx, shared, move, asker, step, nth)


def _check_permission(settings: RepositorySettings, steps: Sequence[Step], permission: str) -> None:
    for each in steps:
        needed = settings.permissions.permission_for(each.verb)
        if not allows(permission, needed):
            raise Refused(
                "forbidden",
                f"this needs the permission {needed} on this repository, and you have "
                f"{permission if permission != 'none' else 'no permission'}.",
            )


async def _call(tx: Tx, shared: Shared, move: Move, asker: Actor, step: Step, nth: int) -> None:
    operation, row = OPERATIONS[step.operation], move.row
    given = {"task": lookup.name(move.task), **step.arguments}
    key = f"board {row['source_id']} {row['text_hash']} {row['written_at']} {nth}"
    call = Call(
        operation,
        asker,
        operation.parse(given, name=""),
        key,
        shared,
        caller=Caller(origin=tx.origin),
        written_at=row["written_at"] or None,
        in_comment=True,
    )
    await execute(tx, call)


def plan_steps(move: Move) -> tuple[Step, ...]:
    """The calls that bring the task to where the item was moved. Raise Refused."""
    to = move.meaning or ""
    if move.field.role == "priority":
        return (Step("priority", "change_task", {"priority": to}),)
    if move.field.role == "size":
        return (Step("priority", "change_task", {"size": to}),)
    return board_steps.of_state(move.task, to)


async def _undo(tx: Tx, which: CommandRow, why: str, code: str) -> None:
    """Move the item back to where the task is, and say why, unless that was said today."""
    tx.origin = command_answers.origin_of(which)
    row = await commands.lock(tx, which)
    if row is None:
        return
    move = await _find(tx, row)
    if move is None:
        await commands.answer(tx, row, "refused", why)
        return
    is_repeated = await _was_said(tx, row, why)
    await commands.answer(tx, row, "refused", why)
    back = await board_sync.move_back(tx, move.task, move.field.row["node_id"], writes.PEOPLE)
    shown = move.field.option_of(move.task)
    if is_repeated or not back:
        await command_answers.record_refusal(tx, row, code)
        return
    text = replies.moved_back(row["asker"], shown["name"] if shown else "", why)
    await command_answers.answer(tx, row, Reply("refused", "confused", text, code))
    # The text for the comment is longer: a repetition is found by the reason alone.
    await commands.answer(tx, row, "refused", why)


async def _was_said(tx: Tx, row: CommandRow, why: str) -> bool:
    since = await tx.now() - DAY
    return any(
        each["answer"] == why and each["state"] == "refused" and (each["answered_at"] or 0) > since
        for each in await commands.of_source(
            tx, row["installation_id"], board_sync.SOURCE, row["source_id"]
        )
        if each["asker"] == row["asker"]
    )
