"""Sends reports to a foreign tracker: each takes effect once, whatever fails in between.

A report whose outcome is unknown is looked for twice, some seconds apart, before it is sent again.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from bot.times import SECOND
from bot.trackers import gitlab
from bot.trackers.client import TIMEOUT_S, Client, Reply, Unreachable
from bot.trackers.texts import marker
from store.engine.transaction import Store, Tx
from store.tables.trackers import TrackerReportRow, TrackerRow
from store.trackers import reports, trackers

# For so long nobody else takes the report for one whose process died.
TAKEN_FOR = int(3 * TIMEOUT_S) * SECOND
# Between the looks, and between two requests that change something.
LOOK_EVERY, SPACING = 5 * SECOND, 1 * SECOND
LOOKS = 2
MOST_ATTEMPTS = 6
WAITS_S = (10, 30, 90, 300, 900)

Outcome: TypeAlias = Literal["sent", "again", "unknown", "dropped", "dead", "there", "absent"]


@dataclass(frozen=True)
class Done:
    """How a request ended. `wait_s`: until the next one. `trouble`: of the whole tracker."""

    outcome: Outcome
    why: str = ""
    wait_s: float = 0
    trouble: str = ""


async def send_next(store: Store, client: Client, tracker: TrackerRow) -> Done | None:
    """Send or look for the report that is due. None if there is none."""
    row = await store.write(lambda tx: _begin(tx, tracker))
    if row is None:
        return None
    now = await store.read(lambda tx: tx.now())
    looks = row["state"] == "unknown"
    done = await (_look if looks else _send)(client, tracker, row, now)
    await store.write(lambda tx: _record(tx, tracker, row, done))
    return done


async def _begin(tx: Tx, tracker: TrackerRow) -> TrackerReportRow | None:
    now, owned = await tx.now(), await trackers.lock_own(tx, tracker)
    if owned is None:
        return None
    row = await reports.next_of(tx, tracker["installation_id"], tracker["id"])
    if row is None or (row["state"] == "queued" and owned["report_at"] > now):
        return None
    state, attempts, looks = row["state"], row["attempts"], row["looks"]
    if state == "queued":
        state, attempts = "sending", attempts + 1
    elif state == "sending":  # its process died
        state, looks = "unknown", 0
    await reports.change(
        tx, row, state=state, attempts=attempts, looks=looks, not_before=now + TAKEN_FOR
    )
    return {**row, "state": state, "attempts": attempts, "looks": looks}


async def _send(client: Client, tracker: TrackerRow, row: TrackerReportRow, now: int) -> Done:
    project, number = tracker["project"], row["number"]
    is_comment = row["kind"] == "comment"
    ask = (
        gitlab.add_note(project, number, row["body"])
        if is_comment
        else gitlab.close_issue(project, number)
    )
    try:
        reply = await client.ask(ask)
    except Unreachable as exc:
        return Done("unknown" if exc.may_have_effect else "again", exc.why)
    return _outcome(reply, now)


def _outcome(reply: Reply, now: int) -> Done:
    status, why = reply.status, f"it answered {reply.status}"
    wait_s = gitlab.wait_s(status, reply.headers, now)
    if 200 <= status < 300:
        return Done("sent", wait_s=wait_s)
    if status in (401, 403):
        return Done("again", why, wait_s, trouble=why)
    if status == 429 or 300 <= status < 400:
        return Done("again", why, wait_s)
    if status in (404, 410):
        return Done("dropped", why)
    if status >= 500 or status == 408:
        return Done("unknown", why, wait_s)
    return Done("dead", why)


async def _look(client: Client, tracker: TrackerRow, row: TrackerReportRow, now: int) -> Done:
    try:
        if row["kind"] == "close":
            return await _look_at_state(client, tracker, row, now)
        for page in range(1, gitlab.NOTE_PAGES + 1):
            reply = await client.ask(gitlab.notes(tracker["project"], row["number"], page))
            if reply.status != 200:
                return _no_look(reply, now)
            if gitlab.has_note(reply.data, marker(row["id"]), tracker["user_id"]):
                return Done("there")
            if len(reply.data) < gitlab.PER_PAGE:
                break
    except Unreachable as exc:
        return Done("unknown", exc.why)
    except gitlab.WrongShape as exc:
        return Done("unknown", str(exc))
    return Done("absent")


async def _look_at_state(
    client: Client, tracker: TrackerRow, row: TrackerReportRow, now: int
) -> Done:
    reply = await client.ask(gitlab.one_issue(tracker["project"], row["number"]))
    if reply.status != 200:
        return _no_look(reply, now)
    is_closed = gitlab.issue(reply.data).content.state == "closed"
    return Done("there" if is_closed else "absent")


def _no_look(reply: Reply, now: int) -> Done:
    if reply.status in (404, 410):
        return Done("dropped", f"it answered {reply.status}")
    wait_s = gitlab.wait_s(reply.status, reply.headers, now)
    return Done("unknown", f"it answered {reply.status}", wait_s)


async def _record(tx: Tx, tracker: TrackerRow, row: TrackerReportRow, done: Done) -> None:
    now = await tx.now()
    changed = _columns(row, done, now)
    await reports.change(tx, row, **changed, error=done.why[:300] or None)
    if row["state"] == "sending":
        here = (tx, tracker["installation_id"], tracker["id"])
        await trackers.change(*here, report_at=now + SPACING)


def _columns(row: TrackerReportRow, done: Done, now: int) -> dict[str, Any]:
    """What becomes of the report."""
    if done.outcome in ("sent", "there"):
        return {"state": "sent", "ended_at": now}
    if done.outcome in ("dropped", "dead"):
        return {"state": done.outcome, "ended_at": now}
    if done.outcome == "unknown":
        wait = max(LOOK_EVERY, int(done.wait_s * SECOND))
        return {"state": "unknown", "not_before": now + wait}
    if done.outcome == "absent" and row["looks"] + 1 < LOOKS:
        return {"state": "unknown", "looks": row["looks"] + 1, "not_before": now + LOOK_EVERY}
    if row["attempts"] >= MOST_ATTEMPTS:
        return {"state": "dead", "ended_at": now}
    wait_s = max(done.wait_s, WAITS_S[min(row["attempts"], len(WAITS_S)) - 1])
    return {"state": "queued", "looks": 0, "not_before": now + int(wait_s * SECOND)}
