"""Shows a task on GitHub: queues its card and its Status on the project board.

Each edit is a request that an agent cannot make, so an edit must be worth it. A card is edited when
what people act on changed, and then shows all the rest too.
"""

from bot.github import rate_limit_store
from bot.identity.actors import BOT
from bot.repository import repository_settings
from bot.tasks import board, task_decisions
from bot.tasks.states import OPEN
from bot.times import SECOND
from store.engine.transaction import Tx
from store.mirror import stored_issues
from store.outbox import write_history, writes
from store.tables.outbox import WriteRow
from store.tasks import tasks
from store.tasks.tasks import FullTask

# What agents do is shown together with what follows within this time.
SOON = 10 * SECOND
# How a task ended is shown within 15 seconds, together with what GitHub tells of it.
RESULT_SOON = 5 * SECOND
# While the budget is short, a card is edited at most this often, but for its result.
EVERY_WHEN_SHORT = 60 * SECOND
# A note or progress alone is shown at most this often.
REPORT_EVERY = 900 * SECOND


async def show(
    tx: Tx,
    installation_id: int,
    task_id: str,
    *,
    lane: int = writes.AGENTS,
    delay: int = SOON,
    spacing: int = 0,
    makes_card: bool = False,
) -> None:
    """Queue an edit of the card. It replaces a queued one; its text is made when it is sent.

    An edit waits `delay`, or not at all for what a person did, and until `spacing` after the last
    edit. It is dropped when its turn comes and nothing that people act on has changed.

    `makes_card`: the task gets a card now, if it has none.
    """
    task = await _shown_task(tx, installation_id, task_id, lane, makes_card=makes_card)
    if task is None:
        return
    now = await tx.now()
    if task["state"] not in OPEN:
        await _queue_card(tx, task, writes.PEOPLE, now + RESULT_SOON)
        return
    queued, last = await _queued_edits(tx, task), await _last_edit(tx, task)
    lane = min([lane, *(each["lane"] for each in queued)])
    due = now if lane == writes.PEOPLE else now + delay
    if spacing and last is not None:
        due = max(due, _after(last, spacing, now))
    if await rate_limit_store.is_short(tx, installation_id):
        lane, due = writes.AGENTS, max(due, _after(last, EVERY_WHEN_SHORT, now) if last else 0)
    # The replaced edit may have been more urgent.
    await _queue_card(tx, task, lane, min([due, *(each["not_before"] for each in queued)]))


async def show_report(
    tx: Tx, installation_id: int, task_id: str, *, lane: int = writes.AGENTS
) -> None:
    """Queue an edit of the card for what nobody acts on, unless another edit is queued.

    That is a note or progress, or what others do beside the task.

    It goes out REPORT_EVERY after the last edit, and not while the budget is short.
    """
    task = await _shown_task(tx, installation_id, task_id, lane)
    if task is None or await _queued_edits(tx, task):
        return
    if await rate_limit_store.is_short(tx, installation_id):
        return
    due = _after(await _last_edit(tx, task), REPORT_EVERY, await tx.now())
    await _queue_card(tx, task, lane, due, every=REPORT_EVERY)


async def _shown_task(
    tx: Tx, installation_id: int, task_id: str, lane: int, *, makes_card: bool = False
) -> FullTask | None:
    """The task, if it has a card or gets one now."""
    task = await tasks.get(tx, installation_id, task_id)
    if task is None or task["number"] is None:
        return None
    return task if makes_card or _is_shown(task, lane) else None


def _target(task: FullTask) -> str:
    return f"card {task['id']}"


async def _queued_edits(tx: Tx, task: FullTask) -> list[WriteRow]:
    """The edits that wait, but not those for a note or progress alone."""
    live = await writes.waiting(tx, task["installation_id"], _target(task), "card")
    return [each for each in live if each["state"] == "queued" and not _is_minor(each)]


async def _last_edit(tx: Tx, task: FullTask) -> WriteRow | None:
    found = await write_history.results(tx, task["installation_id"], _target(task), 1)
    return found[0] if found else None


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


def _after(last: WriteRow | None, span: int, now: int) -> int:
    """The time `span` after the last edit; `span` from now if there is none."""
    return now + span if last is None else (last["finished_at"] or now) + span


async def _queue_card(tx: Tx, task: FullTask, lane: int, due: int, *, every: int = 0) -> None:
    where, target = task["installation_id"], _target(task)
    await writes.supersede(tx, where, "card", target)
    more = {"every": every} if every else {}
    await writes.queue(
        tx,
        where,
        kind="card",
        repository_id=task["repository_id"],
        target=target,
        arguments={"task_id": task["id"], "number": task["number"], **more},
        author=BOT,
        task_id=task["id"],
        lane=lane,
        wait=max(0, due - await tx.now()),
    )


async def show_on_board(tx: Tx, installation_id: int, task_id: str, lane: int) -> None:
    """Queue the Status of the task's state, if the repository's settings name a board."""
    task = await tasks.get(tx, installation_id, task_id)
    if task is None or task["number"] is None:
        return
    settings = await repository_settings.of(tx, installation_id, task["repository_id"])
    issue = await stored_issues.issue(tx, installation_id, task["repository_id"], task["number"])
    if settings.board is None or issue is None:
        return
    status = board.status_of(settings.board, task["state"])
    place = await board.place(tx, installation_id, task["repository_id"], None, status)
    if isinstance(place, str):
        return  # the board does not exist, or is not in the mirror yet
    if await board.is_there(tx, installation_id, place, issue):
        return
    target = board.target(place, issue)
    for kind in ("board_item", "board_status"):
        await writes.supersede(tx, installation_id, kind, target)
    added: str | None = None
    for kind, arguments in await board.moves(tx, installation_id, place, issue, "Issue"):
        added = await writes.queue(
            tx,
            installation_id,
            kind=kind,
            repository_id=task["repository_id"],
            target=target,
            arguments=arguments | ({"after": added} if added else {}),
            author=BOT,
            task_id=task_id,
            lane=lane,
            wait=0 if lane == writes.PEOPLE else SOON,
        )
