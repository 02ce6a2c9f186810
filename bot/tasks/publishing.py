"""Shows a task on GitHub: queues its card. `board_sync` shows it on the project board.

Each edit is a request that an agent cannot make, so an edit must be worth it. A card is edited when
what people act on changed, and then shows all the rest too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.github import rate_limit_store
from bot.identity.actors import BOT
from bot.tasks import task_decisions
from bot.tasks.states import OPEN
from bot.times import SECOND
from store.engine.transaction import Tx
from store.outbox import write_history, writes
from store.tables.outbox import WriteRow
from store.tasks.tasks import FullTask

# What agents do is shown together with what follows within this time.
SOON = 10 * SECOND
# How a task ended is shown within 15 seconds, together with what GitHub tells of it.
RESULT_SOON = 5 * SECOND
# While the budget is short, a card is edited at most this often, but for its result.
EVERY_WHEN_SHORT = 60 * SECOND
# After so many edits of a card in an hour, what people changed on it is undone with the next edit
# of this distance. A program that always changes it back gets no more.
MOST_AN_HOUR = 30
HOUR = 3600 * SECOND
EVERY_WHEN_MANY = 600 * SECOND
# So often it is edited then for what people did.
EVERY_FOR_PEOPLE = 15 * SECOND
# A note or progress alone is shown at most this often.
REPORT_EVERY = 900 * SECOND


async def show(
    tx: Tx,
    task: FullTask,
    *,
    lane: int = writes.AGENTS,
    delay: int = SOON,
    spacing: int = 0,
    makes_card: bool = False,
    has_edits: bool = True,
    redraws: bool = False,
) -> None:
    """Queue an edit of the card. It replaces a queued one; its text is made when it is sent.

    An edit waits `delay`, or not at all for what a person did, and until `spacing` after the last
    edit. It is dropped when its turn comes and nothing that people act on has changed.

    `task`: its row as it is now. `makes_card`: the task gets a card now, if it has none.
    `has_edits`: False if the caller knows that the database has no edit of the card. `redraws`:
    the edit goes out even if nothing has changed.
    """
    if not (task["number"] and (makes_card or _is_shown(task, lane))):
        return
    now, edits = await tx.now(), await _edits_of(tx, task, stored=has_edits)
    if task["state"] not in OPEN:
        due = now + max(RESULT_SOON, spacing)
        await _queue_card(tx, task, edits, writes.PEOPLE, due, redraws=redraws)
        return
    urgent, last = [each for each in edits.queued if not _is_minor(each)], edits.last
    lane = min([lane, *(each["lane"] for each in urgent)])
    due = now if lane == writes.PEOPLE else now + delay
    if spacing and last is not None:
        due = max(due, _after(last, spacing, now))
    may_wait = last is not None or lane == writes.PEOPLE
    if may_wait and await rate_limit_store.is_short(tx, task["installation_id"]):
        # Who acted looks at the card for the effect, so that edit keeps its lane.
        every = EVERY_FOR_PEOPLE if lane == writes.PEOPLE else EVERY_WHEN_SHORT
        due = max(due, _after(last, every, now) if last else 0)
    # The replaced edit may have been more urgent.
    due = min([due, *(each["not_before"] for each in urgent)])
    await _queue_card(tx, task, edits, lane, due, redraws=redraws)


async def redraw(tx: Tx, task: FullTask) -> None:
    """Queue an edit of the card that undoes what a person changed on it."""
    here, target = (tx, task["installation_id"]), card_target(task["id"])
    since = await tx.now() - HOUR
    lately = await write_history.counts_by_author(*here, target, ("card",), since)
    spacing = EVERY_WHEN_MANY if sum(lately.values()) >= MOST_AN_HOUR else 0
    await show(tx, task, lane=writes.PEOPLE, spacing=spacing, redraws=True)


async def show_report(tx: Tx, task: FullTask, *, lane: int = writes.AGENTS) -> None:
    """Queue an edit of the card for what nobody acts on, unless another edit is queued.

    That is a note or progress, or what others do beside the task.

    It goes out REPORT_EVERY after the last edit, and not while the budget is short.
    """
    if not (task["number"] and _is_shown(task, lane)):
        return
    edits = await _edits_of(tx, task)
    if any(not _is_minor(each) for each in edits.queued):
        return
    if await rate_limit_store.is_short(tx, task["installation_id"]):
        return
    due = _after(edits.last, REPORT_EVERY, await tx.now())
    await _queue_card(tx, task, edits, lane, due, every=REPORT_EVERY)


@dataclass(frozen=True)
class _Edits:
    """The edits of a card that wait, and the last one that went out."""

    queued: Sequence[WriteRow]
    last: WriteRow | None


async def _edits_of(tx: Tx, task: FullTask, *, stored: bool = True) -> _Edits:
    """`stored`: whether the database may have some, beside those of this transaction."""
    here = (tx, task["installation_id"], card_target(task["id"]), "card")
    live, last = await writes.edits(*here) if stored else (writes.pending_on(*here), None)
    return _Edits([each for each in live if each["state"] == "queued"], last)


def card_target(task_id: str) -> str:
    """The target of the writes of a task's card."""
    return f"card {task_id}"


def _is_shown(task: FullTask, lane: int) -> bool:
    """Whether the task has a card: since its first claim, or since a person did something to it.

    GitHub shows an end by an agent only as one by the App, so the card says who it was.
    """
    if task["fence"] or task["card_comment_id"]:
        return True
    if task["state"] in OPEN:
        return lane == writes.PEOPLE
    return task_decisions.is_ended_by_agent(task)


def _is_minor(write: WriteRow) -> bool:
    """Whether an edit of a card was queued for a note or progress alone."""
    return "every" in write["arguments"]


def is_redraw(write: WriteRow) -> bool:
    """Whether an edit of a card undoes what a person changed on it."""
    return "redraw" in write["arguments"]


def _after(last: WriteRow | None, span: int, now: int) -> int:
    """The time `span` after the last edit; `span` from now if there is none."""
    return now + span if last is None else (last["finished_at"] or now) + span


async def _queue_card(
    tx: Tx,
    task: FullTask,
    edits: _Edits,
    lane: int,
    due: int,
    *,
    every: int = 0,
    redraws: bool = False,
) -> None:
    where = task["installation_id"]
    await writes.supersede_these(tx, where, edits.queued)
    more: dict[str, object] = {"every": every} if every else {}
    if redraws or any(is_redraw(each) for each in edits.queued):
        more["redraw"] = True
    await writes.queue(
        tx,
        where,
        kind="card",
        repository_id=task["repository_id"],
        target=card_target(task["id"]),
        arguments={"task_id": task["id"], "number": task["number"], **more},
        author=BOT,
        task_id=task["id"],
        lane=lane,
        wait=max(0, due - await tx.now()),
    )
