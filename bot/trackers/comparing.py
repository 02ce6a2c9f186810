"""Brings a task in line with its issue there, and says there what became of the task."""

from typing import Any

from bot.comments import authorship
from bot.comments.posted_texts import posted_text
from bot.notifications.message import Links
from bot.outbox.kinds.issues import text_hash
from bot.repository.mirror_settings import Mirror
from bot.tasks import issue_state, lifecycle
from bot.tasks.states import OPEN
from bot.times import SECOND
from bot.trackers import making, reporting, rules, texts
from bot.trackers.foreign import content_of
from bot.trackers.rules import Fields, Merge, Wanted
from store.engine import json_text
from store.engine.transaction import Tx
from store.mirror import stored_issues
from store.outbox import issue_changes, writes
from store.tables.mirror import IssueRow
from store.tables.outbox import WriteRow
from store.tables.trackers import TrackerLinkRow, TrackerRow
from store.tasks import tasks
from store.tasks.tasks import FullTask
from store.trackers import links

# Until a write under way is looked at again, and the longest wait for its webhook.
LOOK_EVERY, ECHO = 10 * SECOND, 600 * SECOND
# After a write that was given up.
RETRY_AFTER = 3600 * SECOND


async def compare(
    tx: Tx, tracker: TrackerRow, foreign_id: str, mirror: Mirror, pages: Links
) -> None:
    """Carry over what changed there, and queue the report of what changed here."""
    i = tracker["installation_id"]
    link = await links.lock(tx, i, tracker["id"], foreign_id)
    if link is None or link["task_id"] is None:
        return
    task = await tasks.lock(tx, i, link["task_id"])
    if task is None:
        await links.change(tx, link, due_at=None)
        return
    issue = await _issue(tx, task)
    if not await _settle(tx, link, issue):
        return
    changed = await _carry_over(tx, tracker, link, task, issue, mirror)
    now = await tasks.get(tx, i, task["id"])
    reported = await reporting.queue(tx, link, now or task, mirror, pages)
    await links.change(tx, link, **{"due_at": None, **changed, **reported})


async def _issue(tx: Tx, task: FullTask) -> IssueRow | None:
    if task["number"] is None:
        return None
    here = (tx, task["installation_id"], task["repository_id"], task["number"])
    return await stored_issues.issue(*here)


# --- The write under way -------------------------------------------------------------------------


async def _settle(tx: Tx, link: TrackerLinkRow, issue: IssueRow | None) -> bool:
    """Whether no write is under way any more. Then `link` has what it left behind."""
    pending = link["pending"]
    if pending is None:
        return True
    now = await tx.now()
    write = await writes.get(tx, link["installation_id"], pending["write_id"])
    if write is not None and write["state"] in writes.LIVE:
        await links.change(tx, link, due_at=now + LOOK_EVERY)
        return False
    is_sent = write is None or write["state"] == "sent"
    if is_sent and not await _is_shown(tx, link, pending["fields"], issue, write, now):
        await links.change(tx, link, due_at=now + LOOK_EVERY)
        return False
    link["pending"] = None
    if is_sent:
        left = ((write and write["result"]) or {}).get("left", [])
        new = {name: each for name, each in pending["fields"].items() if name not in left}
        link["written"] = {**(link["written"] or {}), **new}
        await links.change(tx, link, pending=None, written=link["written"])
        return True
    is_dead = write is not None and write["state"] == "dead"
    await links.change(tx, link, pending=None, due_at=now + RETRY_AFTER if is_dead else None)
    return False


async def _is_shown(
    tx: Tx,
    link: TrackerLinkRow,
    fields: dict[str, Any],
    issue: IssueRow | None,
    write: WriteRow | None,
    now: int,
) -> bool:
    """Whether the mirror has what the write did, or something newer."""
    at = (write["finished_at"] if write else None) or 0
    if now > at + ECHO or (write and (write["result"] or {}).get("left")):
        return True
    if issue is None:
        return False
    if issue["updated_at"] > at + issue_state.SKEW:
        return True
    here = await _here(tx, issue, "open")
    texts_agree = all(
        getattr(here, name) == fields[name] for name in ("title", "body") if name in fields
    )
    has, pending = {each.casefold() for each in here.labels}, link["pending"] or {}
    labels_agree = has.issuperset(map(str.casefold, pending.get("adds", ())))
    return (
        texts_agree
        and labels_agree
        and has.isdisjoint(map(str.casefold, pending.get("removes", ())))
    )


async def _here(tx: Tx, issue: IssueRow, state: Wanted) -> Fields:
    """The fields as the issue has them."""
    bot = await authorship.bot_id(tx)
    found = posted_text(issue["author"], issue["author_id"], issue["body"], bot)
    text = found.text if found and found.agent else issue["body"]
    labels = tuple(json_text.value(issue["labels"]))
    return Fields(issue["title"], texts.body_hash(text), labels, state)


# --- Carrying over -------------------------------------------------------------------------------


async def _carry_over(
    tx: Tx,
    tracker: TrackerRow,
    link: TrackerLinkRow,
    task: FullTask,
    issue: IssueRow | None,
    mirror: Mirror,
) -> dict[str, Any]:
    """The columns of the link that change."""
    wanted, body = making.wanted_fields(tracker, link, mirror)
    written = link["written"] or wanted.as_json
    state = rules.state_here(task["state"])
    # Without an issue only the state can follow.
    here = await _here(tx, issue, state) if issue else _as_written(written, state)
    public = rules.matches(content_of(link["content"]), mirror)
    merge = rules.merge(wanted, written, here, follows_texts=public and issue is not None)
    new = written | merge.agreed
    if merge.state is not None:
        await _move(tx, making.author_of(tracker), task, merge.state)
        new["state"] = merge.state
    pending = await _queue(tx, tracker, task, issue, merge, body) if issue else None
    if pending is not None and (pending["adds"] or pending["removes"]):
        # Labels count as written only once they are.
        pending["fields"]["labels"] = new["labels"]
        new["labels"] = written["labels"]
    due_at = None if pending is None else await tx.now()
    return {"written": new, "pending": pending, "kept": list(merge.kept), "due_at": due_at}


def _as_written(written: dict[str, Any], state: Wanted) -> Fields:
    return Fields(written["title"], written["body"], tuple(written["labels"]), state)


async def _queue(
    tx: Tx,
    tracker: TrackerRow,
    task: FullTask,
    issue: IssueRow,
    merge: Merge,
    body: str,
) -> dict[str, Any] | None:
    """Queue the write of what changed. It leaves out what somebody changes before it is sent."""
    arguments: dict[str, Any] = {}
    if "title" in merge.changes:
        arguments["title"] = merge.changes["title"]
    if "body" in merge.changes:
        arguments["body"] = body
    expected = {
        name: text_hash(issue[name])  # type: ignore[literal-required]
        for name in arguments
    }
    if merge.add or merge.remove:
        arguments["labels"] = {"add": list(merge.add), "remove": list(merge.remove)}
    if not arguments:
        return None
    write_id = await writes.queue(
        tx,
        task["installation_id"],
        kind=issue_changes.KIND,
        repository_id=task["repository_id"],
        target=writes.on_issue(task["repository_id"], issue["number"]),
        arguments={"number": issue["number"], **arguments, "expected": expected},
        author=making.author_of(tracker),
        task_id=task["id"],
    )
    return {
        "write_id": write_id,
        "fields": dict(merge.changes),
        "adds": list(merge.add),
        "removes": list(merge.remove),
    }


async def _move(tx: Tx, author: str, task: FullTask, to: Wanted) -> None:
    """End or reopen the task as the issue there was."""
    here = (tx, task["installation_id"])
    if to == "open":
        await lifecycle.move(tx, task, "pending", author, "the issue there was reopened")
        await tasks.change(*here, task["id"], retried_at=await tx.now())
    else:
        if task["state"] not in OPEN:  # it failed, and its issue is open
            await lifecycle.move(tx, task, "pending", author, "the issue there was closed")
            task = await tasks.lock(*here, task["id"]) or task
        await lifecycle.move(tx, task, to, author, "the issue there was closed")
    moved = await tasks.get(*here, task["id"])
    if moved is None or moved["number"] is None:
        return
    await issue_state.withdraw_queued(*here, moved["repository_id"], moved["number"])
    await issue_state.follow(tx, moved)
