"""A write's way to GitHub: sent, looked for when nobody knows, and what follows from its end."""

from typing import Any

import structlog

from bot import budget, tasks, writes
from bot.actor import BOT
from bot.github import Answer, OutcomeUnknown, TokenRefused, Unreachable
from bot.line import SEND_WITHIN, Line, message_of
from bot.times import SECOND
from bot.writes import Kind, Request, Sending
from store import leases, mirror, senders
from store import tasks as stored_tasks
from store import writes as outbox
from store.transaction import Row, Tx

log = structlog.get_logger()

# Absence is believed after this many looks, this far apart.
LOOKS = 2
LOOK_EVERY = 5 * SECOND
LONGEST_WAIT = 300 * SECOND
# About two hours of no clear answer: then a write is dead, and its author is told.
MOST_FAILURES = 30


def only_looks(write: Row) -> bool:
    """Whether the next request of this write only reads."""
    return bool(write["state"] == "unknown")


async def fenced_off(tx: Tx, write: Row, now: int) -> dict[str, Any] | None:
    """Why a fenced write must not go out any more, or None."""
    if write["lease_id"] is None:
        return None
    lease = await leases.get(tx, write["installation_id"], write["lease_id"])
    overdue = lease is not None and lease["state"] == "held" and (lease["expires_at"] or now) < now
    if lease is not None and lease["state"] in leases.PROPER and not overdue:
        return None
    how = "expired" if lease is None or overdue else lease["state"]
    return {
        "code": "stale_fence",
        "message": f"Not sent: the lease it was written under {how} before its turn came.",
        "details": {"lease_id": write["lease_id"]},
    }


async def write_out(line: Line, write: Row) -> None:
    kind = writes.KINDS[write["kind"]]
    sending = await line.hub.store.read(lambda tx: _sending(line, tx, write))
    if sending is None:
        return
    if not only_looks(write):
        await _send(line, sending, kind)
    elif look := kind.look(sending):
        await _look(line, sending, kind, look)
    else:  # it does no harm twice
        await _put_off(line, write, "queued", LOOK_EVERY)


async def _send(line: Line, sending: Sending, kind: Kind) -> None:
    write = sending.write
    try:
        answer = await line.request(write["installation_id"], kind.request(sending))
    except Unreachable as exc:
        # Nothing was sent. It goes out when GitHub is back, be it in a day.
        log.warning("GitHub cannot be reached", write=write["id"], why=str(exc))
        await _put_off(line, write, "queued", SECOND << min(write["attempts"], 6))
    except TokenRefused as exc:
        await _failed(line, write, "queued", f"GitHub gives no token: {exc}")
    except OutcomeUnknown as exc:
        await _failed(line, write, "unknown", str(exc))
    else:
        await _answered(line, sending, kind, answer)


async def _sending(line: Line, tx: Tx, write: Row) -> Sending | None:
    """None if this process was held up for so long that another may have taken over."""
    if not await senders.holds(tx, write["installation_id"], line.me, SEND_WITHIN):
        return None
    here = (write["installation_id"], write["repository_id"])
    name = await mirror.repository_name(tx, *here)
    task = (
        await stored_tasks.get(tx, write["installation_id"], write["task_id"])
        if write["task_id"]
        else None
    )
    card = task["card_comment_id"] if task else None
    bound = None
    if task is not None and write["kind"] == "issue" and task["issue_id"]:
        bound = {"id": task["issue_id"], "number": task["number"], "url": None}
    return Sending(write, name or "unknown/unknown", line.hub.keys, card, bound)


async def _answered(line: Line, sending: Sending, kind: Kind, answer: Answer) -> None:
    write, message = sending.write, message_of(answer)
    if budget.limited(answer.status, answer.headers, message):
        return await _put_off(line, write, "queued", SECOND)
    result = kind.result(answer.data)
    if 200 <= answer.status < 300 and next(iter(result.values())) is not None:
        return await _sent(line, write, result)
    if answer.status >= 500 or answer.status < 300:
        # Also a 2xx of something that is not GitHub: what it says of the effect is nothing.
        return await _failed(line, write, "unknown", f"GitHub answered {answer.status}")
    if kind.already(answer.data) and (look := kind.look(sending)):
        return await _look(line, sending, kind, look, failed=1)
    return await _refused(line, write, answer, message)


async def _look(line: Line, sending: Sending, kind: Kind, look: Request, failed: int = 0) -> None:
    """Is the effect there? First what webhooks brought: that costs no request."""
    write = sending.write
    known = sending.bound or await line.hub.store.read(lambda tx: _echo(tx, sending))
    if known is not None:
        return await _sent(line, write, known)
    try:
        answer = await line.request(write["installation_id"], look)
    except (Unreachable, TokenRefused, OutcomeUnknown) as exc:
        return await _failed(line, write, "unknown", str(exc))
    if answer.status != 200 or not isinstance(answer.data, list):
        return await _failed(line, write, "unknown", f"its look got {answer.status}")
    found = [each for each in answer.data if kind.found(sending, each)]
    if found:
        return await _sent(line, write, kind.result(found[0]))
    return await _not_seen(line, write, failed)


async def _not_seen(line: Line, write: Row, failed: int) -> None:
    """Not seen twice, it is believed not to be there."""
    if failed and write["failures"] >= MOST_FAILURES:
        return await _dead(line, write, "GitHub says it exists, and shows it nowhere")
    looks = write["looks"] + 1
    state = "queued" if looks >= LOOKS else "unknown"
    return await _put_off(line, write, state, LOOK_EVERY, looks=looks, failed=failed)


async def _sent(line: Line, write: Row, result: dict[str, Any]) -> None:
    async def work(tx: Tx) -> None:
        if await outbox.finish(tx, write, "sent", result):
            await _follow(tx, write, result)

    await line.hub.store.write(work)


async def _refused(line: Line, write: Row, answer: Answer, message: str) -> None:
    """GitHub said no: the author is told what it said, and which permission is missing."""
    details: dict[str, Any] = {"status": answer.status}
    if permission := answer.headers.get("X-Accepted-GitHub-Permissions"):
        details["accepted_permissions"] = permission
    why = f"GitHub refused it ({answer.status}): {message or 'no reason given'}"
    error = {"code": "github_refused", "message": why, "details": details}

    async def work(tx: Tx) -> None:
        if await outbox.finish(tx, write, "refused", error):
            await _undone(tx, write, why)

    await line.hub.store.write(work)


async def _failed(line: Line, write: Row, state: str, why: str) -> None:
    """GitHub gave no clear answer: come again, ever more rarely, but not for ever."""
    if write["failures"] >= MOST_FAILURES:
        return await _dead(line, write, why)
    log.warning("write put off", write=write["id"], kind=write["kind"], why=why)
    wait = min(LOOK_EVERY << min(write["failures"], 6), LONGEST_WAIT)
    return await _put_off(line, write, state, wait, looks=write["looks"], failed=1)


async def _dead(line: Line, write: Row, why: str) -> None:
    tried = f"It was given up after {MOST_FAILURES} failures; the last: {why}."
    known = " Whether it took effect is not known." if only_looks(write) else ""
    error = {"code": "github_away", "message": tried + known, "details": {}}

    async def work(tx: Tx) -> None:
        if await outbox.finish(tx, write, "dead", error):
            await _undone(tx, write, why)

    await line.hub.store.write(work)


async def _put_off(
    line: Line, write: Row, state: str, wait: int, *, looks: int = 0, failed: int = 0
) -> None:
    async def work(tx: Tx) -> None:
        until = await tx.now() + wait
        await outbox.put_off(tx, write, state, until, looks=looks, failed=failed)

    await line.hub.store.write(work)


async def _echo(tx: Tx, sending: Sending) -> dict[str, Any] | None:
    """The comment as it came back by webhook: the cheapest proof that it was made."""
    write = sending.write
    if write["kind"] not in ("comment", "card"):
        return None
    here = (write["installation_id"], write["repository_id"], write["arguments"]["number"])
    for row in await mirror.newest_comments(tx, *here, 100):
        if sending.is_mine({"body": row["body"], "user": {"login": row["author"]}}):
            return {"comment_id": row["id"], "url": None}
    return None


async def _follow(tx: Tx, write: Row, result: dict[str, Any]) -> None:
    """What a write that took effect means for its task."""
    installation_id, task_id = write["installation_id"], write["task_id"]
    if task_id is None:
        return
    if write["kind"] == "card":
        await stored_tasks.change(
            tx, installation_id, task_id, card_comment_id=result["comment_id"]
        )
    elif write["kind"] == "issue":
        here = (write["repository_id"], result["id"], result["number"])
        await stored_tasks.bind(tx, installation_id, task_id, *here)
        tx.rings.add(f"installation {installation_id}")
    elif write["kind"] == "pull":
        await stored_tasks.change(tx, installation_id, task_id, pull_number=result["number"])
        task = await stored_tasks.get(tx, installation_id, task_id)
        if task is not None:
            await tasks.record(tx, task, "task.pull", write["author"], number=result["number"])
        here = (installation_id, write["repository_id"], result["number"])
        if (row := await mirror.pull_request(tx, *here)) is not None:
            await tasks.pull_changed(tx, row)


async def _undone(tx: Tx, write: Row, why: str) -> None:
    """What a write that will not take effect means for its task."""
    installation_id, task_id = write["installation_id"], write["task_id"]
    task = await stored_tasks.locked(tx, installation_id, task_id) if task_id else None
    if task is None:
        return
    if write["kind"] == "issue" and task["number"] is None:
        await stored_tasks.change(tx, installation_id, task_id, note=f"It has no issue: {why}")
        await tasks.move(tx, task, "failed", BOT, "its issue could not be made")
    card = task["card_comment_id"]
    if write["kind"] == "card" and await mirror.is_deleted(tx, "comments", installation_id, card):
        # Somebody deleted it: the next change makes a new one. A 404 alone may as well mean
        # that the App could not see it for a while.
        await stored_tasks.change(tx, installation_id, task_id, card_comment_id=None)
