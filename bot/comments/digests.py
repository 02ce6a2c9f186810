"""Keeps the digest of a repository: one comment on the issue that its settings name.

The comment is posted once and then edited, which notifies nobody, and only if something changed.
"""

import hashlib

from bot.comments import digest_text
from bot.comments.digest_text import MOST, DigestContent
from bot.identity.actors import BOT
from bot.repository.repository_settings import RepositorySettings
from bot.times import DAY, SECOND
from store.engine.transaction import Tx
from store.mirror import mirror_rows, stored_issues, stored_repositories
from store.outbox import writes
from store.tables.outbox import WriteRow
from store.tables.tasks import DigestRow
from store.tasks import digests

PERIODS = {"hour": 3600 * SECOND, "day": DAY, "week": 7 * DAY}


async def store(
    tx: Tx, installation_id: int, repository_id: int, settings: RepositorySettings
) -> None:
    """Keep the digest of new settings. One on the same issue keeps its comment."""
    wanted = settings.digest
    if wanted is None:
        await digests.remove(tx, installation_id, repository_id)
        return
    known = await digests.get(tx, installation_id, repository_id)
    if known and (known["number"], known["every"]) == (wanted.issue, wanted.every):
        return
    same = known if known and known["number"] == wanted.issue else None
    row: DigestRow = {
        "installation_id": installation_id,
        "repository_id": repository_id,
        "number": wanted.issue,
        "every": wanted.every,
        "next_at": await tx.now(),
        "write_id": same["write_id"] if same else None,
        "comment_id": same["comment_id"] if same else None,
        "shown": same["shown"] if same else None,
    }
    await digests.put(tx, row)


async def write(tx: Tx, row: DigestRow) -> bool:
    """Queue the digest whose time has come, if it says something new. Set the next time."""
    now, period = await tx.now(), PERIODS[row["every"]]
    late = (now - row["next_at"]) // period
    if late < 0 or not await digests.advance(tx, row, row["next_at"] + (late + 1) * period):
        return False
    here = (tx, row["installation_id"], row["repository_id"])
    issue = await stored_issues.issue(*here, row["number"])
    # Nothing is written while the App has no access, and while the last one is under way.
    if issue is None or await stored_repositories.repository_by_id(*here) is None:
        return False
    if (posted := await _with_comment(tx, row)) is None:
        return False
    content = await _content(tx, row, now - period)
    shown = hashlib.sha256(digest_text.lasting_text(content).encode()).hexdigest()[:16]
    if posted["comment_id"] and shown == row["shown"]:
        return False
    write_id = await _queue(tx, posted, digest_text.text(content, now))
    fresh = await digests.get(*here)
    if fresh is not None:
        first = posted["write_id"] or write_id
        new = {"write_id": first, "comment_id": posted["comment_id"], "shown": shown}
        await digests.put(tx, {**fresh, **new})  # type: ignore[typeddict-item]
    return True


async def _with_comment(tx: Tx, row: DigestRow) -> DigestRow | None:
    """The row with its comment; without one if there is none. None: it is still being posted."""
    here = (tx, row["installation_id"])
    if row["comment_id"] is None and row["write_id"]:
        first: WriteRow | None = await writes.get(*here, row["write_id"])
        if first is not None and first["state"] in writes.LIVE:
            return None
        made = (first["result"] or {}).get("comment_id") if first else None
        row = {**row, "comment_id": made}
    if row["comment_id"] is None or await mirror_rows.is_deleted(
        tx, "comments", row["installation_id"], row["comment_id"]
    ):
        return {**row, "write_id": None, "comment_id": None}
    return row


async def _queue(tx: Tx, row: DigestRow, body: str) -> str:
    arguments: dict[str, object] = {"number": row["number"], "body": body}
    if row["comment_id"] is not None:
        arguments |= {"comment_id": row["comment_id"], "mark": row["write_id"]}
    return await writes.queue(
        tx,
        row["installation_id"],
        kind="comment" if row["comment_id"] is None else "comment_edit",
        repository_id=row["repository_id"],
        target=writes.on_issue(row["repository_id"], row["number"]),
        arguments=arguments,
        author=BOT,
    )


async def _content(tx: Tx, row: DigestRow, since: int) -> DigestContent:
    here, most = (tx, row["installation_id"], row["repository_id"]), MOST + 1
    held = await digests.held_tasks(*here, most)
    working = await digests.open_tasks(*here, ("in_progress", "in_review"), 10 * most)
    free = [each for each in working if not each["held"]]
    asks = [each for each in free if each["question"]]
    reviews = [each for each in free if each["state"] == "in_review" and not each["question"]]
    running = [each for each in free if each["state"] == "in_progress" and not each["question"]]
    return DigestContent(
        needs_people=[*asks, *held, *reviews][:most],
        running=running[:most],
        ended=await digests.ended_tasks(*here, since, most),
        pending=await digests.count_pending(*here),
    )
