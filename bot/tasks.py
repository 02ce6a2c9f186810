"""What happens to a task: each step writes its event and the card with its own transaction."""

import json

from bot import board, replies, repository_settings
from bot.actor import BOT
from bot.errors import Refused
from bot.states import LEGAL, OPEN, TaskState
from store import events, leases, mirror, tasks, writes
from store.transaction import Row, Tx

# What is not shown on the card at once: progress, a quarter of an hour after the last edit; a pull
# request, with what is reported next, for that comes soon.
PROGRESS = "task.progress"
CALM = {PROGRESS: {"every": 900_000_000}, "task.pull": {"delay": 120_000_000}}
# GitHub's reason for a closed issue, to the task's state.
CLOSED_AS: dict[str | None, TaskState] = {"not_planned": "cancelled", "duplicate": "cancelled"}


async def record(tx: Tx, task: Row, kind: str, actor: str, **data: object) -> None:
    """An event of the task, and what people see of it on GitHub."""
    installation_id = task["installation_id"]
    where = task["repository_id"]
    await events.append(tx, installation_id, kind, task["id"], actor, data, repository_id=where)
    # What a person did goes first; the rest has its turn beside each agent's writes.
    lane = writes.PEOPLE if actor.startswith("@") else writes.AGENTS
    await show_card(tx, installation_id, task["id"], lane=lane, **CALM.get(kind, {}))
    if kind not in CALM:
        await _show_on_board(tx, installation_id, task["id"], lane)


async def show_card(
    tx: Tx,
    installation_id: int,
    task_id: str,
    *,
    lane: int = writes.AGENTS,
    every: int = 0,
    delay: int = 0,
) -> None:
    """Queue the card as it is now; one queued before is outdated.

    When it is not urgent: `every`, microseconds that it keeps from the last one; `delay`, from now.
    """
    task = await tasks.get(tx, installation_id, task_id)
    if task is None or task["number"] is None or not task["fence"]:
        return  # nothing to show before anybody claimed it
    target = f"card {task_id}"
    was_due = await writes.supersede(tx, installation_id, "card", target)
    last = await writes.results(tx, installation_id, target, 1) if every else []
    next_at = last[0]["finished_at"] + every if last else await tx.now() + delay
    # What was urgent before stays so.
    next_at = next_at if was_due is None else min(next_at, was_due)
    await writes.queue(
        tx,
        installation_id,
        kind="card",
        repository_id=task["repository_id"],
        target=target,
        arguments={"task_id": task_id, "number": task["number"], "body": replies.card(task)},
        author=BOT,
        task_id=task_id,
        lane=lane,
        wait=max(0, next_at - await tx.now()),
    )


async def _show_on_board(tx: Tx, installation_id: int, task_id: str, lane: int) -> None:
    """Where the repository's settings name a board: the Status of the task's state."""
    task = await tasks.get(tx, installation_id, task_id)
    if task is None or task["number"] is None:
        return
    settings = await repository_settings.of(tx, installation_id, task["repository_id"])
    issue = await mirror.issue(tx, installation_id, task["repository_id"], task["number"])
    if settings.board is None or issue is None:
        return
    status = board.status_of(settings.board, task["state"])
    place = await board.place(tx, installation_id, task["repository_id"], None, status)
    if isinstance(place, str):
        return  # the board is not there, or not read yet
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


async def claim(tx: Tx, task: Row, holder: str, lease_s: int | None) -> Row | None:
    """The new lease, or None when somebody was quicker or the task is not to be had."""
    lease = await leases.grant(tx, task["installation_id"], task["id"], holder, lease_s)
    if lease:
        await record(tx, task, "task.claimed", holder, fence=lease["fence"], lease=lease["id"])
    return lease


async def end_lease(tx: Tx, task: Row, how: str, why: str, to: TaskState) -> bool:
    """End the task's live lease, if it has one; whether it had."""
    if task["lease_id"] is None:
        return False
    lease = await leases.get(tx, task["installation_id"], task["lease_id"])
    return lease is not None and await leases.end(tx, lease, how, why, to)


async def release(tx: Tx, task: Row, how: str, why: str, actor: str) -> None:
    """Back to pending: how is released (by its holder), revoked or expired."""
    if not await end_lease(tx, task, how, why, "pending"):
        return
    if how == "expired":
        await tasks.change(tx, task["installation_id"], task["id"], failures=task["failures"] + 1)
    await record(tx, task, f"task.{how}", actor, holder=task["holder"], why=why)


async def move(tx: Tx, task: Row, to: TaskState, actor: str, why: str = "") -> None:
    """Take the task to another state. Raise Refused when it cannot go there."""
    state: TaskState = task["state"]
    if to == state:
        return
    legal = LEGAL[state]
    if to not in legal:
        raise Refused(
            "illegal_transition",
            f"{name(task)} is {state} and cannot become {to}; it can become {', '.join(legal)}.",
            state=state,
            legal=list(legal),
        )
    # What the holder queued may go out after an end that they worked towards, and no other.
    how = "revoked" if to == "cancelled" and actor != task["holder"] else "completed"
    if to in OPEN or not await end_lease(tx, task, how, why or to, to):
        await tasks.move(tx, task["installation_id"], task["id"], state, to)
    await _fit_lease(tx, task, to)
    await record(tx, task, f"task.{to}", actor, why=why)


async def _fit_lease(tx: Tx, task: Row, to: TaskState) -> None:
    """A review parks the lease; going back to work starts its time anew."""
    if task["lease_id"] is None or to not in ("in_review", "in_progress"):
        return
    lease = await leases.get(tx, task["installation_id"], task["lease_id"])
    if lease is not None:
        await (leases.park if to == "in_review" else leases.unpark)(tx, lease)


async def expire(tx: Tx, lease: Row) -> None:
    """Free what a dead agent holds, unless it showed itself meanwhile."""
    task = await tasks.locked(tx, lease["installation_id"], lease["task_id"])
    now = await leases.get(tx, lease["installation_id"], lease["id"])
    if now is None or now["state"] != "held" or now["expires_at"] is None:
        return  # it ended, or is parked, or a person's
    if now["expires_at"] > await tx.now():
        return
    if task is not None and task["lease_id"] == lease["id"]:
        await release(tx, task, "expired", "the lease ran out", BOT)
    else:
        await leases.end(tx, lease, "expired", "the lease ran out", "pending")


def name(task: Row) -> str:
    """`owner/repo#12`, or the id while GitHub has not numbered it."""
    return f"{task['full_name']}#{task['number']}" if task["number"] else str(task["id"])


# --- What the mirror says ------------------------------------------------------------------------


async def issue_changed(tx: Tx, row: Row, before: Row | None) -> None:
    """An issue's mirrored row is new: make, close, reopen or rename its task."""
    installation_id = row["installation_id"]
    task = await tasks.of_issue(tx, installation_id, row["id"])
    task = task and await tasks.locked(tx, installation_id, task["id"])
    gone = row["deleted"] or row["state"] == "closed"
    if task is None:
        if not gone and await _is_asked_for(tx, row):
            await tasks.create(
                tx,
                installation_id,
                repository_id=row["repository_id"],
                issue_id=row["id"],
                number=row["number"],
                title=row["title"],
            )
            tx.rings.add(f"installation {installation_id}")
        return
    if (task["title"], task["number"]) != (row["title"], row["number"]):
        await tasks.change(
            tx, installation_id, task["id"], title=row["title"], number=row["number"]
        )
    was_gone = before is not None and (before["deleted"] or before["state"] == "closed")
    if gone and not was_gone:
        to = "cancelled" if row["deleted"] else CLOSED_AS.get(row["state_reason"], "completed")
        if task["state"] in OPEN:
            await move(tx, task, to, BOT, "the issue was closed")
    elif was_gone and not gone and task["state"] not in OPEN:
        await move(tx, task, "pending", BOT, "the issue was reopened")


async def _is_asked_for(tx: Tx, row: Row) -> bool:
    """An issue with the repository's task label."""
    if row["is_pull_request"] or row["labels"] == "[]":
        return False
    settings = await repository_settings.of(tx, row["installation_id"], row["repository_id"])
    return carries(row["labels"], settings.task_label)


def carries(labels: str, label: str) -> bool:
    """Whether it is among the labels of a mirrored issue. To GitHub, case is the same."""
    return label.casefold() in (each.casefold() for each in json.loads(labels))


async def pull_changed(tx: Tx, row: Row) -> None:
    """A PR's mirrored row is new: a merge completes its task."""
    if not row["merged"]:
        return
    here = (row["installation_id"], row["repository_id"])
    for found in await tasks.of_pull(tx, *here, row["number"]):
        task = await tasks.locked(tx, row["installation_id"], found["id"])
        if task is not None and task["state"] in OPEN:
            await move(tx, task, "completed", BOT, f"pull request #{row['number']} was merged")


async def find(tx: Tx, installation_id: int, ref: str) -> Row:
    """A task by `owner/repo#12` or its id. Raise Refused."""
    full_name, sign, number = ref.rpartition("#")
    label = repository_settings.DEFAULTS.task_label
    if sign and number.isdecimal() and len(number) < 16:
        repository = await mirror.repository(tx, installation_id, full_name)
        if repository is None:
            raise unknown_repository(full_name)
        label = (await repository_settings.of(tx, installation_id, repository["id"])).task_label
        task = await tasks.by_number(tx, installation_id, repository["id"], int(number))
    else:
        task = await tasks.visible(tx, installation_id, ref)
    if task is None:
        raise Refused(
            "unknown_task",
            f"There is no task {ref!r}. Write owner/repo#12 or a task's id; an issue becomes a "
            f"task by the label {label}. list_tasks shows those there are.",
        )
    return task


def unknown_repository(full_name: str) -> Refused:
    return Refused(
        "unknown_repository",
        f"The repository {full_name!r} is not known here. Write owner/repo; the App must be "
        "installed on it.",
    )


async def not_written(tx: Tx, write: Row, why: str) -> None:
    """What a write that will not take effect means for its task."""
    installation_id, task_id = write["installation_id"], write["task_id"]
    task = await tasks.locked(tx, installation_id, task_id) if task_id else None
    if task is None:
        return
    if write["kind"] == "issue" and task["number"] is None:
        await tasks.change(tx, installation_id, task_id, note=f"It has no issue: {why}")
        await move(tx, task, "failed", BOT, "its issue could not be made")
    card = task["card_comment_id"]
    if write["kind"] == "card" and await mirror.is_deleted(tx, "comments", installation_id, card):
        # Somebody deleted it: the next change makes a new one. A 404 alone may as well mean
        # that the App could not see it for a while.
        await tasks.change(tx, installation_id, task_id, card_comment_id=None)
