"""Shows a task on GitHub: queues its card and its Status on the project board."""

from bot.identity.actors import BOT
from bot.repository import repository_settings
from bot.tasks import board
from store.engine.transaction import Tx
from store.mirror import stored_issues
from store.outbox import write_history, writes
from store.tasks import tasks


async def show(
    tx: Tx,
    installation_id: int,
    task_id: str,
    *,
    lane: int = writes.AGENTS,
    every: int = 0,
    delay: int = 0,
) -> None:
    """Queue an edit of the card. It replaces a queued one; its text is made when it is sent.

    An edit that is not urgent waits, in microseconds: `every` after the last edit, or `delay` from
    now.
    """
    task = await tasks.get(tx, installation_id, task_id)
    if task is None or task["number"] is None or not task["fence"]:
        return  # a task gets its card with the first claim
    target = f"card {task_id}"
    was_due = await writes.supersede(tx, installation_id, "card", target)
    last = await write_history.results(tx, installation_id, target, 1) if every else []
    written_at = last[0]["finished_at"] if last else None
    next_at = await tx.now() + delay if written_at is None else written_at + every
    # The replaced edit may have been more urgent.
    next_at = next_at if was_due is None else min(next_at, was_due)
    await writes.queue(
        tx,
        installation_id,
        kind="card",
        repository_id=task["repository_id"],
        target=target,
        arguments={"task_id": task_id, "number": task["number"]},
        author=BOT,
        task_id=task_id,
        lane=lane,
        wait=max(0, next_at - await tx.now()),
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
        )
