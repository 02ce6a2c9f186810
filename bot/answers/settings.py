"""A repository's settings: taken when right; when wrong, the last right ones stay in force."""

import asyncio
import base64
import json

import structlog

from bot import payloads, replies, repository_settings, settings_file, tasks
from bot.actor import BOT
from bot.answers.reading import Reading
from bot.events.event import SOON
from bot.keys import Keys
from bot.payloads import Json, at
from bot.repository_settings import DEFAULTS, RepositorySettings
from bot.settings_file import Unreadable
from store import pending_reads, writes
from store import repository_settings as stored
from store.transaction import Row, Tx

log = structlog.get_logger()

# Issues that one transaction looks through when the task label changes.
BATCH = 1000
# A folder at this path has no hash of its own.
FOLDER = "folder"


async def settings(tx: Tx, _: Keys, r: Reading) -> None:
    row = await stored.get(tx, *r.here) or _none(*r.here)
    if row["read_at"] > r.read_at:
        return  # something newer was read meanwhile
    row = row | {"read_at": r.read_at}
    sha = payloads.text(at(r.data, "sha"), 64) or FOLDER
    try:
        # A hostile file takes some tenths of a second.
        found = await asyncio.to_thread(_parsed, r.data)
    except Unreadable as exc:
        await _keep(tx, r, row, sha, exc)
    else:
        await _take(tx, r, row, sha, found)


def _none(installation_id: int, repository_id: int) -> Row:
    return {
        "installation_id": installation_id,
        "repository_id": repository_id,
        "settings": "{}",
        "sha": "",
        "problem": None,
        "problem_sha": None,
        "read_at": 0,
    }


def _parsed(data: Json) -> RepositorySettings:
    """Raise Unreadable."""
    size, content = at(data, "size"), at(data, "content")
    if isinstance(data, list) or at(data, "type") != "file":
        raise Unreadable("there is no file at this path, but something else")
    if isinstance(size, int) and size > settings_file.LONGEST:
        raise settings_file.too_long(size)
    return settings_file.parse(base64.b64decode(payloads.text(content)))


async def _take(tx: Tx, r: Reading, row: Row, sha: str, found: RepositorySettings) -> None:
    said = json.dumps(found.model_dump(mode="json", exclude_defaults=True), sort_keys=True)
    right = {"settings": said, "sha": sha, "problem": None, "problem_sha": None}
    await stored.put(tx, row | right)
    await _unsay(tx, *r.here)
    if found.task_label != repository_settings.loaded(row["settings"]).task_label:
        await _label(tx, *r.here, found.task_label, 0)
    elif (after := r.arguments.get("after")) is not None:
        await _label(tx, *r.here, found.task_label, after)


async def _keep(tx: Tx, r: Reading, row: Row, sha: str, why: Unreadable) -> None:
    """Say once for each content what is wrong with it."""
    told = row["problem_sha"] == sha
    wrong = {"problem": "\n".join(why.problems), "problem_sha": sha}
    await stored.put(tx, row | wrong)
    if told:
        return
    log.warning("repository settings not taken", repository=r.here[1], problems=why.problems)
    await _unsay(tx, *r.here)
    body = replies.wrong_settings(r.arguments.get("committer", ""), why.problems)
    await writes.queue(
        tx,
        r.installation_id,
        kind="issue",
        repository_id=r.here[1],
        target=_target(r.here[1]),
        arguments={"title": replies.WRONG_SETTINGS, "body": body, "labels": []},
        author=BOT,
    )


def _target(repository_id: int) -> str:
    return f"settings {repository_id}"


async def _unsay(tx: Tx, installation_id: int, repository_id: int) -> None:
    """What was wrong with an earlier content, if it was not said yet."""
    await writes.supersede(tx, installation_id, "issue", _target(repository_id))


async def absent(tx: Tx, installation_id: int, repository_id: int) -> None:
    """There is no such file (any more): the defaults are in force."""
    before = await repository_settings.of(tx, installation_id, repository_id)
    await stored.forget(tx, installation_id, repository_id)
    await _unsay(tx, installation_id, repository_id)
    if before.task_label != DEFAULTS.task_label:
        await _label(tx, installation_id, repository_id, DEFAULTS.task_label, 0)


async def _label(tx: Tx, installation_id: int, repository_id: int, label: str, after: int) -> None:
    """Open issues that carry the new label become tasks; the rest of many at another read."""
    rows = await stored.open_issues(tx, installation_id, repository_id, after, BATCH)
    for row in rows:
        if tasks.carries(row["labels"], label):
            await tasks.issue_changed(tx, row, row)
    if len(rows) == BATCH:
        # Of its own subject, so that a push does not make it begin anew.
        subject = f"{repository_id} label"
        arguments = {"repository_id": repository_id, "after": rows[-1]["number"]}
        this = (installation_id, "settings", subject, arguments)
        await pending_reads.ask(tx, *this, priority=SOON)
