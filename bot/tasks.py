"""What happens to a task: each step writes its event and the card with its own transaction."""

from bot import card, repository_settings
from bot.actor import BOT
from bot.errors import Refused
from bot.states import LEGAL, OPEN, TaskState
from store import events, leases, mirror, tasks, writes
from store.transaction import Row, Tx

# What is not shown on the card at once: progress, a quarter of an hour after the last edit; a pull
# request, with what is reported next, for that comes soon.
PROGRESS = "task.progress"
CALM = {PROGRESS: {"every": 900_000_000}, "task.pull": {"delay": 120_000_000}}


async def record(tx: Tx, task: Row, kind: str, actor: str, **data: object) -> None:
    """An event of the task, and what people see of it on GitHub."""
    installation_id = task["installation_id"]
    where = task["repository_id"]
    await events.append(tx, installation_id, kind, task["id"], actor, data, repository_id=where)
    # What a person did goes first; the rest has its turn beside each agent's writes.
    lane = writes.PEOPLE if actor.startswith("@") else writes.AGENTS
    await card.show(tx, installation_id, task["id"], lane=lane, **CALM.get(kind, {}))
    if kind not in CALM:
        await card.show_on_board(tx, installation_id, task["id"], lane)


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
