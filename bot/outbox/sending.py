"""A write's way to GitHub: sent, looked for when nobody knows, and what follows from its end."""

from dataclasses import replace
from typing import Any

import structlog

from bot.github import limits
from bot.github.channel import Channel, limited
from bot.github.client import Answer, OutcomeUnknown, TokenRefused, Unreachable, link
from bot.github.requests import Request
from bot.identity.keyring import Keys
from bot.mirror import issue_effects, pull_effects
from bot.outbox import effects, fairness, kinds, refusals
from bot.outbox.kinds import Kind, Sending
from bot.tasks import lifecycle
from bot.times import SECOND
from store.engine.transaction import Tx
from store.mirror import branches, mirror_rows
from store.outbox import budgets, sender_leases
from store.outbox import writes as outbox
from store.tables.outbox import WriteRow
from store.tasks import leases
from store.tasks import tasks as stored_tasks

log = structlog.get_logger()

# Absence is believed after this many looks, this far apart.
LOOKS = 2
LOOK_EVERY = 5 * SECOND
LONGEST_WAIT = 300 * SECOND
# About two hours of no clear answer: then a write is dead, and its author is told.
MOST_FAILURES = 30
# So often a 404 may be GitHub's own delay: what it made it does not know everywhere at once.
LAG_TRIES = 2
# Of a list that is looked through.
MOST_PAGES = 10


def only_looks(write: WriteRow) -> bool:
    """Whether the next request of this write only reads."""
    return bool(write["state"] == "unknown")


async def fenced_off(tx: Tx, write: WriteRow, now: int) -> dict[str, Any] | None:
    """Why a fenced write must not go out any more, or None."""
    if write["lease_id"] is None:
        return None
    lease = await leases.get(tx, write["installation_id"], write["lease_id"])
    overdue = lease is not None and lease["state"] == "held" and leases.ran_out(lease, now)
    if lease is not None and lease["state"] in leases.PROPER and not overdue:
        return None
    how = "expired" if lease is None or overdue else lease["state"]
    return {
        "code": "stale_fence",
        "message": f"Not sent: the lease it was written under {how} before its turn came.",
        "details": {"lease_id": write["lease_id"]},
    }


async def write_out(channel: Channel, keys: Keys, write: WriteRow) -> None:
    kind = kinds.KINDS[write["kind"]]
    sending = await channel.store.read(lambda tx: _sending(channel, keys, tx, write))
    if sending is None:
        return
    why = missing(sending) or kind.unless(sending)
    if why and not only_looks(write):
        await _unsent(channel, write, why)
    elif not only_looks(write):
        await _send(channel, keys, sending, kind)
    elif look := kind.look(sending):
        await _look(channel, sending, kind, look)
    else:  # it does no harm twice
        await _put_off(channel, write, "queued", LOOK_EVERY)


def missing(sending: Sending) -> str | None:
    """Why it cannot be sent: that which it builds on did not come about."""
    after = sending.arguments.get("after")
    if after is None or sending.before:
        return None
    return f"what it builds on did not take effect: see get_write for {after}"


async def _send(channel: Channel, keys: Keys, sending: Sending, kind: Kind) -> None:
    try:
        if asked := kind.prepare(sending):
            prepared = await _prepared(channel, keys, sending, kind, asked)
            if prepared is None:
                return
            sending = prepared
            if (result := kind.needless(sending)) is not None:
                await _sent(channel, sending.write, result)
                return
        answer = await channel.request(sending.write["installation_id"], kind.request(sending))
    except (Unreachable, TokenRefused, OutcomeUnknown) as exc:
        await _no_answer(channel, sending.write, exc)
    else:
        await _answered(channel, sending, kind, answer)


async def _prepared(
    channel: Channel, keys: Keys, sending: Sending, kind: Kind, asked: list[Request]
) -> Sending | None:
    """With what GitHub had to be asked first; None if it does not go out now."""
    found: list[Any] = []
    for each in asked:
        answer = await _asked(channel, sending.write, each)
        if answer.status == 404 and each is not asked[-1]:
            found.append(None)
        elif answer.status == 200 and isinstance(answer.data, dict) and answer.data:
            found.append(answer.data)
        else:
            await _not_prepared(channel, sending, kind, answer)
            return None
    return await _still_to_be_sent(channel, keys, sending.write, tuple(found))


async def _still_to_be_sent(
    channel: Channel, keys: Keys, write: WriteRow, prepared: tuple[Any, ...]
) -> Sending | None:
    """After the reads: by the same lease of ours, and of its author's."""

    async def look(tx: Tx) -> tuple[Sending | None, dict[str, Any] | None]:
        return await _sending(channel, keys, tx, write), await fenced_off(tx, write, await tx.now())

    again, why = await channel.store.read(look)
    if why is not None:
        await channel.store.write(lambda tx: outbox.finish(tx, write, "cancelled", why))
    elif again is None:
        await _put_off(channel, write, "queued", SECOND)
    else:
        return replace(again, prepared=prepared)
    return None


async def _asked(channel: Channel, write: WriteRow, request: Request) -> Answer:
    here = write["installation_id"]
    if not await channel.store.write(lambda tx: channel.may_go_on(tx, here)):
        raise Unreachable("the line is closed")
    try:
        return await channel.request(here, request)
    except OutcomeUnknown as exc:
        # Only this question may have been lost: the write itself was not sent.
        raise Unreachable(str(exc)) from exc


async def _not_prepared(channel: Channel, sending: Sending, kind: Kind, answer: Answer) -> None:
    if limited(answer):
        await _put_off(channel, sending.write, "queued", SECOND)
    elif answer.status >= 500 or answer.status in (401, 200):
        await _failed(channel, sending.write, "queued", f"GitHub answered {answer.status}")
    else:
        await _declined(channel, sending, kind, answer)


async def _no_answer(
    channel: Channel, write: WriteRow, exc: Unreachable | TokenRefused | OutcomeUnknown
) -> None:
    if isinstance(exc, OutcomeUnknown):
        return await _failed(channel, write, "unknown", str(exc))
    if isinstance(exc, TokenRefused):
        return await _failed(channel, write, "queued", f"GitHub gives no token: {exc}")
    # Nothing was sent. It goes out when GitHub is back, be it in a day.
    log.warning("GitHub cannot be reached", write=write["id"], why=str(exc))
    await channel.store.write(lambda tx: _give_back(tx, write))
    return await _put_off(channel, write, "queued", SECOND << min(write["attempts"], 6))


async def _give_back(tx: Tx, write: WriteRow) -> None:
    """What was taken before it went out."""
    here = (tx, write["installation_id"])
    await limits.spend(*here, fairness.cost(write), back=True)
    await budgets.spend(*here, write["author"], -1)


async def _sending(channel: Channel, keys: Keys, tx: Tx, write: WriteRow) -> Sending | None:
    """None if this process was held up for so long that another may have taken over."""
    here = write["installation_id"]
    if not await sender_leases.holds(tx, here, channel.me, channel.timing.send_within):
        return None
    name = await mirror_rows.repository_name(tx, here, write["repository_id"])
    after = write["arguments"].get("after")
    before = await outbox.get(tx, here, after) if after else None
    return Sending(
        write,
        name or "unknown/unknown",
        keys,
        known=await kinds.KINDS[write["kind"]].know(tx, write),
        before=(before and before["result"]) or {},
    )


async def _answered(channel: Channel, sending: Sending, kind: Kind, answer: Answer) -> None:
    write, status = sending.write, refusals.status_of(answer)
    if limited(answer):
        await _put_off(channel, write, "queued", SECOND)
    elif (result := _result(kind, write, status, answer)) is not None:
        await _sent(channel, write, result)
    elif status >= 500 or status < 300:
        # Also a 2xx of something that is not GitHub: what it says of the effect is nothing.
        await _failed(channel, write, "unknown", f"GitHub answered {status}")
    elif status == 401:
        await _failed(channel, write, "queued", "GitHub does not take its own token")
    elif kind.already(status, answer.data) and (look := kind.look(sending)):
        await _look(channel, sending, kind, look, refusal=answer)
    else:
        await _declined(channel, sending, kind, answer)


def _result(kind: Kind, write: WriteRow, status: int, answer: Answer) -> dict[str, Any] | None:
    """What is kept of an answer by which it is done; None of any other."""
    lag = status == 404 and write["failures"] < LAG_TRIES
    if status in kind.done and not lag:
        return {"done": True}
    result = kind.result(answer.data) if 200 <= status < 300 else {}
    return result if next(iter(result.values()), None) is not None else None


async def _declined(channel: Channel, sending: Sending, kind: Kind, answer: Answer) -> None:
    """GitHub said no. What was made a moment ago it may not know everywhere yet: ask again."""
    write = sending.write
    if refusals.status_of(answer) == 404 and write["failures"] < LAG_TRIES:
        return await _put_off(channel, write, "queued", LOOK_EVERY, failed=1)
    state: dict[str, Any] = {}
    if (asked := kind.explain(sending)) is not None:
        state = await _how_it_is(channel, write, kind, asked)
    return await _refused(channel, write, refusals.explained(kind, answer, state))


async def _how_it_is(
    channel: Channel, write: WriteRow, kind: Kind, asked: Request
) -> dict[str, Any]:
    """For the error's sake alone: without an answer the error says less."""
    here = write["installation_id"]
    if not await channel.store.write(lambda tx: channel.may_go_on(tx, here)):
        return {}
    try:
        answer = await channel.request(here, asked)
    except (Unreachable, TokenRefused, OutcomeUnknown):
        return {}
    found = kind.state_of(answer.data) if answer.status == 200 else {}
    return {name: value for name, value in found.items() if value is not None}


async def _look(
    channel: Channel, sending: Sending, kind: Kind, look: Request, refusal: Answer | None = None
) -> None:
    """Is the effect there? First what webhooks brought: that costs no request."""
    write = sending.write
    echo = sending.known.get("echo") or await channel.store.read(lambda tx: _echo(tx, sending))
    if echo is not None:
        return await _sent(channel, write, echo)
    try:
        entries = await _entries(channel, write, kind, look)
    except (Unreachable, TokenRefused, OutcomeUnknown) as exc:
        return await _failed(channel, write, "unknown", str(exc))
    if entries is None:
        return await _failed(channel, write, "unknown", "its look got no list")
    found = [kind.result(each) for each in entries if kind.found(sending, each)]
    if told := [each for each in found if next(iter(each.values())) is not None]:
        return await _sent(channel, write, told[0])
    if refusal is not None and write["failures"] >= kind.retries:
        return await _declined(channel, sending, kind, refusal)
    return await _not_seen(channel, write, int(refusal is not None))


async def _entries(
    channel: Channel, write: WriteRow, kind: Kind, look: Request
) -> list[Any] | None:
    """All that the look lists, page by page; None if GitHub did not give it."""
    entries: list[Any] = []
    here = write["installation_id"]
    for _ in range(MOST_PAGES):
        answer = await channel.request(here, look)
        if answer.status in kind.absent:
            return entries
        if answer.status != 200 or limited(answer):
            return None
        page = kind.entries(answer.data)
        if page is None or not all(isinstance(each, dict) for each in page):
            return None
        entries += page
        if (further := link(answer)) is None:
            return entries
        if not await channel.store.write(lambda tx: channel.may_go_on(tx, here)):
            return None
        look = Request("GET", further)
    # There is more than is looked through: what was not found may be there.
    return None


async def _not_seen(channel: Channel, write: WriteRow, failed: int) -> None:
    """Not seen twice, it is believed not to be there."""
    looks = write["looks"] + 1
    state = "queued" if looks >= LOOKS or failed else "unknown"
    return await _put_off(channel, write, state, LOOK_EVERY, looks=looks, failed=failed)


async def _sent(channel: Channel, write: WriteRow, result: dict[str, Any]) -> None:
    async def work(tx: Tx) -> None:
        if await outbox.finish(tx, write, "sent", result):
            await _follow(tx, write, result)

    await channel.store.write(work)


async def _unsent(channel: Channel, write: WriteRow, why: str) -> None:
    error = {"code": "github_refused", "message": f"Not sent: {why}.", "details": {}}
    await _refused(channel, write, error)


async def _refused(channel: Channel, write: WriteRow, error: dict[str, Any]) -> None:
    async def work(tx: Tx) -> None:
        if await outbox.finish(tx, write, "refused", error):
            await effects.apply_failure(tx, write, error["message"])

    await channel.store.write(work)


async def _failed(channel: Channel, write: WriteRow, state: str, why: str) -> None:
    """GitHub gave no clear answer: come again, ever more rarely, but not for ever."""
    # One that was sent just now is looked for, however often it failed before.
    looked_for = state != "unknown" or only_looks(write)
    if write["failures"] >= MOST_FAILURES + (0 if looked_for else LOOKS):
        return await _dead(channel, write, why, unknown=state == "unknown")
    log.warning("write put off", write=write["id"], kind=write["kind"], why=why)
    wait = min(LOOK_EVERY << min(write["failures"], 6), LONGEST_WAIT)
    return await _put_off(channel, write, state, wait, looks=write["looks"], failed=1)


async def _dead(channel: Channel, write: WriteRow, why: str, *, unknown: bool) -> None:
    tried = f"It was given up after {MOST_FAILURES} failures; the last: {why}."
    known = " Whether it took effect is not known." if unknown else ""
    error = {"code": "github_away", "message": tried + known, "details": {}}

    async def work(tx: Tx) -> None:
        if await outbox.finish(tx, write, "dead", error):
            await effects.apply_failure(tx, write, why)

    await channel.store.write(work)


async def _put_off(
    channel: Channel, write: WriteRow, state: str, wait: int, *, looks: int = 0, failed: int = 0
) -> None:
    async def work(tx: Tx) -> None:
        until = await tx.now() + wait
        await outbox.put_off(tx, write, state, until, looks=looks, failed=failed)

    await channel.store.write(work)


async def _echo(tx: Tx, sending: Sending) -> dict[str, Any] | None:
    """The comment as it came back by webhook: the cheapest proof that it was made."""
    write = sending.write
    if write["kind"] not in ("comment", "card") or sending.known.get("comment_id"):
        return None
    here = (write["installation_id"], write["repository_id"], write["arguments"]["number"])
    # One that somebody deleted since was made all the same.
    for row in await mirror_rows.newest_comments(tx, *here, 100, deleted=True):
        if sending.is_mine({"body": row["body"], "user": {"login": row["author"]}}):
            return {"comment_id": row["id"], "url": None}
    return None


async def _follow(tx: Tx, write: WriteRow, result: dict[str, Any]) -> None:
    """What a write that took effect means for the mirror and for its task."""
    installation_id, task_id = write["installation_id"], write["task_id"]
    if "branch" in write["arguments"]:
        await _branch_moved(tx, write, result["head"])
    if task_id is None:
        return
    if write["kind"] == "card":
        await stored_tasks.change(
            tx, installation_id, task_id, card_comment_id=result["comment_id"]
        )
    elif write["kind"] == "issue":
        here = (write["repository_id"], result["id"], result["number"])
        await issue_effects.bind_issue(tx, installation_id, task_id, *here)
        tx.rings.add(f"installation {installation_id}")
    elif write["kind"] == "pull":
        await stored_tasks.change(tx, installation_id, task_id, pull_number=result["number"])
        task = await stored_tasks.get(tx, installation_id, task_id)
        if task is not None:
            await lifecycle.record(tx, task, "task.pull", write["author"], number=result["number"])
        here = (installation_id, write["repository_id"], result["number"])
        if (row := await mirror_rows.pull_request(tx, *here)) is not None:
            await pull_effects.update_tasks(tx, row, None)


async def _branch_moved(tx: Tx, write: WriteRow, head: str) -> None:
    """Its push is told in a moment; what is committed until then builds on it.

    Not if it is found late, when the branch may have moved on.
    """
    given, here = write["arguments"], (write["installation_id"], write["repository_id"])
    before = await outbox.get(tx, here[0], given["after"]) if "after" in given else None
    was = given.get("head") or (before and (before["result"] or {}).get("head"))
    known = await branches.get(tx, *here, given["branch"])
    if known is None or known["sha"] == was:
        await branches.settle(tx, *here, given["branch"], head)
