"""The outbox's sender: the one place from which anything goes to GitHub for an installation."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from bot import budget, reads, tasks, writes
from bot.actor import BOT
from bot.budget import Budget
from bot.github import REQUEST_TIMEOUT, Answer, GitHub, OutcomeUnknown, TokenRefused, Unreachable
from bot.hub import Hub
from bot.payloads import at, text
from bot.reads import Reading
from bot.times import SECOND
from bot.writes import Kind, Request, Sending
from store import budgets, leases, mirror, pending_reads, senders
from store import tasks as stored_tasks
from store import writes as outbox
from store.transaction import Row, Tx

log = structlog.get_logger()

LEASE = 3 * REQUEST_TIMEOUT * SECOND
# A send starts only if the lease lasts at least this much longer.
SEND_WITHIN = 2 * REQUEST_TIMEOUT * SECOND
# After a lease that ended by itself: its last request may still be under way.
GRACE = (REQUEST_TIMEOUT + 5) * SECOND
# Absence is believed after this many looks, this far apart.
LOOKS = 2
LOOK_EVERY = 5 * SECOND
LONGEST_WAIT = 300 * SECOND
# About two hours of no clear answer: then a write is dead, and its author is told.
MOST_FAILURES = 30
MOST_PAGES = 10


@dataclass(frozen=True)
class Turn:
    """What to do now for an installation; without either, in how many seconds to come again."""

    read: Row | None = None
    write: Row | None = None
    wait_s: float | None = None


@dataclass
class Sender:
    hub: Hub
    github: GitHub
    me: str = field(default_factory=lambda: secrets.token_hex(8))
    # Why GitHub could not be used the last time, for those who watch.
    trouble: str | None = None

    async def step(self, installation_id: int) -> float | None:
        """Send one request, if one is due: after how many seconds to come again, if at all."""
        turn = await self.hub.store.write(lambda tx: self._turn(tx, installation_id))
        if turn.read:
            await self._read(turn.read)
        elif turn.write:
            await self._write(turn.write)
        else:
            return turn.wait_s
        return 0

    async def release(self) -> None:
        """Give the leases back, at a proper end."""
        await self.hub.store.write(lambda tx: senders.release(tx, self.me))

    async def _turn(self, tx: Tx, installation_id: int) -> Turn:
        lease = await senders.acquire(tx, installation_id, self.me, LEASE, GRACE)
        if lease is None:
            return Turn(wait_s=1)
        now = await tx.now()
        # Turns of an installation are serial: what is being sent now, nobody sends any more.
        await outbox.unsettled(tx, installation_id)
        reading = await pending_reads.due(tx, installation_id, 1)
        write = None if reading else await outbox.next_due(tx, installation_id)
        if not reading and write is None:
            return Turn()
        mutates = write is not None and not _looks(write)
        known = [_budget(row) for row in await budgets.all_of(tx, installation_id)]
        ready = budget.ready_at(known, lease["last_mutation_at"], now, mutates=mutates)
        if ready > now:
            return Turn(wait_s=(ready - now) / SECOND)
        if write is None:
            return Turn(read=reading[0])
        return Turn(write=write) if _looks(write) else await self._begin(tx, write, now)

    async def _begin(self, tx: Tx, write: Row, now: int) -> Turn:
        if why := await _fenced_off(tx, write, now):
            await outbox.finish(tx, write, "cancelled", why)
            return Turn(wait_s=0)
        if not await outbox.sending(tx, write):
            return Turn(wait_s=0)
        await senders.mutated(tx, write["installation_id"])
        sent = {"sending_at": now, "attempts": write["attempts"] + 1, "looks": 0}
        return Turn(write=write | sent)

    # --- Writes ----------------------------------------------------------------------------------

    async def _write(self, write: Row) -> None:
        kind = writes.KINDS[write["kind"]]
        sending = await self.hub.store.read(lambda tx: self._sending(tx, write))
        if sending is None:
            return
        if not _looks(write):
            await self._send(sending, kind)
        elif look := kind.look(sending):
            await self._look(sending, kind, look)
        else:  # it does no harm twice
            await self._put_off(write, "queued", LOOK_EVERY)

    async def _send(self, sending: Sending, kind: Kind) -> None:
        write = sending.write
        try:
            answer = await self._request(write["installation_id"], kind.request(sending))
        except Unreachable as exc:
            # Nothing was sent. It goes out when GitHub is back, be it in a day.
            log.warning("GitHub cannot be reached", write=write["id"], why=str(exc))
            await self._put_off(write, "queued", SECOND << min(write["attempts"], 6))
        except TokenRefused as exc:
            await self._failed(write, "queued", f"GitHub gives no token: {exc}")
        except OutcomeUnknown as exc:
            await self._failed(write, "unknown", str(exc))
        else:
            await self._answered(sending, kind, answer)

    async def _sending(self, tx: Tx, write: Row) -> Sending | None:
        """None if this process was held up for so long that another may have taken over."""
        if not await senders.holds(tx, write["installation_id"], self.me, SEND_WITHIN):
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
        return Sending(write, name or "unknown/unknown", self.hub.keys, card, bound)

    async def _answered(self, sending: Sending, kind: Kind, answer: Answer) -> None:
        write, message = sending.write, _message(answer)
        if budget.limited(answer.status, answer.headers, message):
            return await self._put_off(write, "queued", SECOND)
        result = kind.result(answer.data)
        if 200 <= answer.status < 300 and next(iter(result.values())) is not None:
            return await self._sent(write, result)
        if answer.status >= 500 or answer.status < 300:
            # Also a 2xx of something that is not GitHub: what it says of the effect is nothing.
            return await self._failed(write, "unknown", f"GitHub answered {answer.status}")
        if kind.already(answer.data) and (look := kind.look(sending)):
            return await self._look(sending, kind, look, failed=1)
        return await self._refused(write, answer, message)

    async def _look(self, sending: Sending, kind: Kind, look: Request, failed: int = 0) -> None:
        """Is the effect there? First what webhooks brought: that costs no request."""
        write = sending.write
        known = sending.bound or await self.hub.store.read(lambda tx: _echo(tx, sending))
        if known is not None:
            return await self._sent(write, known)
        try:
            answer = await self._request(write["installation_id"], look)
        except (Unreachable, TokenRefused, OutcomeUnknown) as exc:
            return await self._failed(write, "unknown", str(exc))
        if answer.status != 200 or not isinstance(answer.data, list):
            return await self._failed(write, "unknown", f"its look got {answer.status}")
        found = [each for each in answer.data if kind.found(sending, each)]
        if found:
            return await self._sent(write, kind.result(found[0]))
        return await self._not_seen(write, failed)

    async def _not_seen(self, write: Row, failed: int) -> None:
        """Not seen twice, it is believed not to be there."""
        if failed and write["failures"] >= MOST_FAILURES:
            return await self._dead(write, "GitHub says it exists, and shows it nowhere")
        looks = write["looks"] + 1
        state = "queued" if looks >= LOOKS else "unknown"
        return await self._put_off(write, state, LOOK_EVERY, looks=looks, failed=failed)

    async def _sent(self, write: Row, result: dict[str, Any]) -> None:
        async def work(tx: Tx) -> None:
            if await outbox.finish(tx, write, "sent", result):
                await _follow(tx, write, result)

        await self.hub.store.write(work)

    async def _refused(self, write: Row, answer: Answer, message: str) -> None:
        """GitHub said no: the author is told what it said, and which permission is missing."""
        details: dict[str, Any] = {"status": answer.status}
        if permission := answer.headers.get("X-Accepted-GitHub-Permissions"):
            details["accepted_permissions"] = permission
        why = f"GitHub refused it ({answer.status}): {message or 'no reason given'}"
        error = {"code": "github_refused", "message": why, "details": details}

        async def work(tx: Tx) -> None:
            if await outbox.finish(tx, write, "refused", error):
                await _undone(tx, write, why)

        await self.hub.store.write(work)

    async def _failed(self, write: Row, state: str, why: str) -> None:
        """GitHub gave no clear answer: come again, ever more rarely, but not for ever."""
        if write["failures"] >= MOST_FAILURES:
            return await self._dead(write, why)
        log.warning("write put off", write=write["id"], kind=write["kind"], why=why)
        wait = min(LOOK_EVERY << min(write["failures"], 6), LONGEST_WAIT)
        return await self._put_off(write, state, wait, looks=write["looks"], failed=1)

    async def _dead(self, write: Row, why: str) -> None:
        tried = f"It was given up after {MOST_FAILURES} failures; the last: {why}."
        known = " Whether it took effect is not known." if _looks(write) else ""
        error = {"code": "github_away", "message": tried + known, "details": {}}

        async def work(tx: Tx) -> None:
            if await outbox.finish(tx, write, "dead", error):
                await _undone(tx, write, why)

        await self.hub.store.write(work)

    async def _put_off(
        self, write: Row, state: str, wait: int, *, looks: int = 0, failed: int = 0
    ) -> None:
        async def work(tx: Tx) -> None:
            until = await tx.now() + wait
            await outbox.put_off(tx, write, state, until, looks=looks, failed=failed)

        await self.hub.store.write(work)

    # --- Reads -----------------------------------------------------------------------------------

    async def _read(self, read: Row) -> None:
        kind = reads.KINDS[read["kind"]]
        path = kind.path(read["arguments"])
        read_at = await self.hub.store.read(_now)
        try:
            if not path.startswith("/"):
                path = f"/repos/{await self._repository_of(read)}/{path}"
            answer, whole = await self._list(read["installation_id"], path, kind.items)
        except (Unreachable, TokenRefused, OutcomeUnknown) as exc:
            return await self._read_failed(read, f"{type(exc).__name__}: {exc}")
        if answer is None or budget.limited(answer.status, answer.headers, _message(answer)):
            return await self._read_put_off(read)
        if answer.status not in (200, 404, 410):
            return await self._read_failed(read, f"{answer.status}: {_message(answer)}")
        if kind.lists and answer.status == 200 and not isinstance(answer.data, list):
            return await self._read_failed(read, "the answer is no list")
        reading = Reading(read["installation_id"], read["arguments"], answer.data, read_at, whole)
        try:
            await self._read_done(read, reading, answer.status)
        except Exception as exc:  # whatever GitHub said: it must not hold up the writes
            log.exception("read not applied", kind=read["kind"], subject=read["subject"])
            await self._read_failed(read, f"{type(exc).__name__}: {exc}")

    async def _repository_of(self, read: Row) -> str:
        here = (read["installation_id"], read["arguments"]["repository_id"])
        name = await self.hub.store.read(lambda tx: mirror.repository_name(tx, *here))
        return name or "unknown/unknown"

    async def _list(
        self, installation_id: int, path: str, items: str | None
    ) -> tuple[Answer | None, bool]:
        """One answer, or the pages of a list put together; and whether that is all of it.

        None: between two pages the turn was lost.
        """
        answer = await self._request(installation_id, Request("GET", path))
        whole = at(answer.data, items) if items else answer.data
        following = _next_page(answer.headers)
        for _ in range(MOST_PAGES - 1):
            if answer.status != 200 or following is None or not isinstance(whole, list):
                break
            if not await self.hub.store.write(lambda tx: self._may_go_on(tx, installation_id)):
                return None, False
            answer = await self._request(installation_id, Request("GET", following))
            more = at(answer.data, items) if items else answer.data
            whole = whole + (more if isinstance(more, list) else [])
            following = _next_page(answer.headers)
        data = whole if answer.status == 200 else answer.data
        return Answer(answer.status, answer.headers, data), following is None

    async def _may_go_on(self, tx: Tx, installation_id: int) -> bool:
        """Keep the lease for another request, if it is ours and GitHub lets us."""
        if await senders.acquire(tx, installation_id, self.me, LEASE, GRACE) is None:
            return False
        known = [_budget(row) for row in await budgets.all_of(tx, installation_id)]
        now = await tx.now()
        return budget.ready_at(known, None, now, mutates=False) <= now

    async def _read_done(self, read: Row, reading: Reading, status: int) -> None:
        async def work(tx: Tx) -> None:
            if "repository_id" in read["arguments"]:
                await mirror.lock_repository(tx, *reading.here)
            if status == 200:
                await reads.KINDS[read["kind"]].apply(tx, self.hub.keys, reading)
            else:
                await reads.gone(tx, read, status)
            await pending_reads.answered(tx, read)
            tx.rings.add(f"installation {read['installation_id']}")

        await self.hub.store.write(work)

    async def _read_put_off(self, read: Row) -> None:
        """GitHub said wait: that is no fault of the read's."""

        async def work(tx: Tx) -> None:
            await pending_reads.put_off(tx, read, await tx.now() + SECOND)

        await self.hub.store.write(work)

    async def _read_failed(self, read: Row, why: str) -> None:
        log.warning("read put off", kind=read["kind"], subject=read["subject"], why=why)

        async def work(tx: Tx) -> None:
            await pending_reads.failed(tx, read, why)

        await self.hub.store.write(work)

    # --- Both ------------------------------------------------------------------------------------

    async def _request(self, installation_id: int, request: Request) -> Answer:
        """Send it, and keep what the answer says about the limits."""
        try:
            # What concerns the installation itself is asked as the App: it may be suspended.
            answer = await (
                self.github.app_request(request.method, request.path)
                if request.path.startswith("/app/")
                else self.github.request(
                    installation_id, request.method, request.path, request.body
                )
            )
        except (Unreachable, OutcomeUnknown, TokenRefused) as exc:
            self.trouble = f"{type(exc).__name__}: {exc}"
            raise
        self.trouble = None
        await self.hub.store.write(lambda tx: _observe(tx, installation_id, request, answer))
        return answer


async def _observe(tx: Tx, installation_id: int, request: Request, answer: Answer) -> None:
    if request.method != "GET":
        await senders.mutated(tx, installation_id)
    known = [_budget(row) for row in await budgets.all_of(tx, installation_id)]
    message = _message(answer)
    for each in budget.observed(known, answer.status, answer.headers, message, await tx.now()):
        await budgets.put(tx, _row(installation_id, each))


def _budget(row: Row) -> Budget:
    return Budget(
        resource=row["resource"],
        limit=row["limit_"],
        remaining=row["remaining"],
        used=row["used"],
        reset_at=row["reset_at"],
        blocked_until=row["blocked_until"],
        failures=row["failures"],
    )


def _row(installation_id: int, known: Budget) -> Row:
    return {
        "installation_id": installation_id,
        "resource": known.resource,
        "limit_": known.limit,
        "remaining": known.remaining,
        "used": known.used,
        "reset_at": known.reset_at,
        "blocked_until": known.blocked_until,
        "failures": known.failures,
    }


async def _now(tx: Tx) -> int:
    return await tx.now()


def _looks(write: Row) -> bool:
    """Whether the next request of this write only reads."""
    return bool(write["state"] == "unknown")


async def _fenced_off(tx: Tx, write: Row, now: int) -> dict[str, Any] | None:
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


def _message(answer: Answer) -> str:
    """GitHub's words: the message, and what it says of each error."""
    errors = at(answer.data, "errors")
    each = [
        text(e) if isinstance(e, str) else " ".join(_words(e))
        for e in (errors if isinstance(errors, list) else [])
    ]
    return " ".join(part for part in (text(at(answer.data, "message")), *each) if part)[:1000]


def _words(error: Any) -> list[str]:
    found = (text(at(error, name)) for name in ("type", "code", "message"))
    return [each for each in found if each]


def _next_page(headers: Mapping[str, str]) -> str | None:
    for part in headers.get("Link", "").split(","):
        address, _, rest = part.partition(";")
        if 'rel="next"' in rest:
            return address.strip(" <>")
    return None
