"""A repository's settings: taken when right; when wrong, the last right ones stay in force."""

import asyncio
import base64
import json
from typing import cast

import structlog

from bot.comments import replies
from bot.fetch.answers.answer import Reading
from bot.github import payloads
from bot.github.payloads import Json, at
from bot.identity.actors import BOT
from bot.identity.keyring import Keys
from bot.mirror import issue_effects, reads
from bot.repository import repository_settings, settings_file
from bot.repository.repository_settings import DEFAULTS, RepositorySettings
from bot.repository.settings_file import Unreadable
from bot.tasks import task_labels
from store.engine.transaction import Row, Tx
from store.fetch import pending_reads
from store.mirror import settings_files
from store.outbox import writes
from store.tables.mirror import IssueRow, RepositorySettingsRow

log = structlog.get_logger()

# Issues that one transaction looks through when the task label changes.
BATCH = 1000
# A folder at this path has no hash of its own.
FOLDER = "folder"


async def settings(tx: Tx, _: Keys, r: Reading) -> None:
    if not isinstance(r.data, list):
        payloads.name(at(r.data, "type"), "the kind of what is at the path")
    row = await settings_files.get(tx, *r.here) or _none(*r.here)
    before = now = repository_settings.loaded(row["settings"])
    if row["read_at"] <= r.read_at:  # otherwise something newer was read meanwhile
        now = await _settled(tx, r, {**row, "read_at": r.read_at}, before)
    await _relabel(tx, r.arguments, r.installation_id, before, now)


async def _settled(
    tx: Tx, r: Reading, row: RepositorySettingsRow, before: RepositorySettings
) -> RepositorySettings:
    """What is in force now."""
    sha = payloads.text(at(r.data, "sha"), 64) or FOLDER
    try:
        # A hostile file takes some tenths of a second.
        found = await asyncio.to_thread(_parsed, r.data)
    except Unreadable as exc:
        await _tell(tx, r, row, sha, exc)
        return before
    said = json.dumps(found.model_dump(mode="json", exclude_defaults=True), sort_keys=True)
    right: RepositorySettingsRow = {
        **row,
        "settings": said,
        "sha": sha,
        "problem": None,
        "problem_sha": None,
    }
    await settings_files.put(tx, right)
    await _unsay(tx, *r.here)
    return found


def _none(installation_id: int, repository_id: int) -> RepositorySettingsRow:
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


async def _tell(tx: Tx, r: Reading, row: RepositorySettingsRow, sha: str, why: Unreadable) -> None:
    """Say once for each content what is wrong with it."""
    told = row["problem_sha"] == sha
    problem = "\n".join(why.problems)
    await settings_files.put(tx, {**row, "problem": problem, "problem_sha": sha})
    if told:
        return
    log.warning("repository settings not taken", repository=r.here[1], problems=why.problems)
    await _unsay(tx, *r.here)
    body = replies.settings_problems(r.arguments.get("committer", ""), why.problems)
    await writes.queue(
        tx,
        r.installation_id,
        kind="issue",
        repository_id=r.here[1],
        target=_target(r.here[1]),
        arguments={"title": replies.SETTINGS_ISSUE, "body": body, "labels": []},
        author=BOT,
    )


def _target(repository_id: int) -> str:
    return f"settings {repository_id}"


async def _unsay(tx: Tx, installation_id: int, repository_id: int) -> None:
    """What was wrong with an earlier content, if it was not said yet."""
    await writes.supersede(tx, installation_id, "issue", _target(repository_id))


async def absent(tx: Tx, installation_id: int, arguments: Row) -> None:
    """There is no such file (any more): the defaults are in force."""
    here = (installation_id, arguments["repository_id"])
    before = await repository_settings.of(tx, *here)
    await settings_files.forget(tx, *here)
    await _unsay(tx, *here)
    await _relabel(tx, arguments, installation_id, before, DEFAULTS)


async def _relabel(
    tx: Tx,
    arguments: Row,
    installation_id: int,
    before: RepositorySettings,
    now: RepositorySettings,
) -> None:
    """Open issues that carry a new label become tasks; of many the rest at the next read."""
    changed = before.task_label != now.task_label
    after = 0 if changed else arguments.get("after")
    if after is None:
        return
    repository_id = arguments["repository_id"]
    rows = await settings_files.open_issues(tx, installation_id, repository_id, after, BATCH)
    for row in rows:
        if task_labels.carries(json.loads(row["labels"]), now.task_label):
            # The issue itself did not change, so the columns that were not read do not count.
            issue = cast("IssueRow", row)
            await issue_effects.update_task(tx, issue, issue)
    if len(rows) == BATCH:
        # Of its own subject, so that a push does not make it begin anew.
        subject = f"{repository_id} label"
        rest = {"repository_id": repository_id, "after": rows[-1]["number"]}
        await pending_reads.ask(tx, installation_id, "settings", subject, rest, priority=reads.SOON)
