"""Apply a repository's settings file. While it is invalid, the last valid settings hold."""

import asyncio
import base64
import json
from typing import cast

import structlog

from bot.comments import digests, replies
from bot.fetch.answers.answer import Reading
from bot.github import payloads
from bot.github.payloads import Json, at
from bot.identity.actors import BOT
from bot.identity.keyring import Keys
from bot.kernel.yaml_file import Unreadable
from bot.mirror import board_checks, issue_effects, reads
from bot.pulls import checks
from bot.repository import repository_settings, settings_file, workflow_sessions
from bot.repository.composed_tools import stored_tools
from bot.repository.repository_settings import DEFAULTS, RepositorySettings
from bot.runs import schedules
from bot.tasks import task_labels
from store.audit import records
from store.engine import json_text
from store.engine.transaction import Tx
from store.fetch import pending_reads
from store.mirror import settings_files
from store.outbox import writes
from store.tables.mirror import IssueRow, RepositorySettingsRow

log = structlog.get_logger()

# When the task label changes, one transaction looks through this many issues.
BATCH = 1000
# This stands for the hash of a folder at the file's path, because a folder's answer has none.
FOLDER = "folder"


async def apply_settings(tx: Tx, keys: Keys, r: Reading) -> None:
    if not isinstance(r.data, list):
        payloads.name(at(r.data, "type"), "the type of the settings file")
    row = await settings_files.get(tx, *r.here) or _empty_row(*r.here)
    before = now = repository_settings.parse(row["settings"])
    if row["read_at"] <= r.read_at:  # otherwise a newer read has been applied already
        now = await _apply_file(tx, r, {**row, "read_at": r.read_at}, before)
    await workflow_sessions.end_refused(tx, *r.here, now)
    await _refresh_checks(tx, r.here, before, now)
    await schedules.store(tx, *r.here, now)
    await digests.store(tx, *r.here, now)
    await board_checks.check(tx, *r.here, now)
    await stored_tools.follow(tx, keys, *r.here, now.tools)
    await _relabel(tx, r.arguments, r.installation_id, before, now)


async def _apply_file(
    tx: Tx, r: Reading, row: RepositorySettingsRow, before: RepositorySettings
) -> RepositorySettings:
    """Store the file's settings, or report its problems. Return what is in force now."""
    sha = payloads.text(at(r.data, "sha"), 64) or FOLDER
    try:
        # Parsing a hostile file may take some tenths of a second.
        new = await asyncio.to_thread(_settings_in, r.data)
    except Unreadable as exc:
        await _report(tx, r, row, sha, exc)
        return before
    stored = json.dumps(new.model_dump(mode="json", exclude_defaults=True), sort_keys=True)
    right: RepositorySettingsRow = {
        **row,
        "settings": stored,
        "sha": sha,
        "problem": None,
        "problem_sha": None,
        "narrows": int(repository_settings.narrows(new)),
    }
    await settings_files.put(tx, right)
    if sha != row["sha"]:
        where, data = str(r.here[1]), {"file": sha}
        await records.append(
            tx, r.installation_id, _committer(r), "settings.changed", where, data=data
        )
    await _cancel_report(tx, *r.here)
    return new


def _committer(r: Reading) -> str | None:
    login = r.arguments.get("committer")
    return f"@{login}" if login else None


def _empty_row(installation_id: int, repository_id: int) -> RepositorySettingsRow:
    return {
        "installation_id": installation_id,
        "repository_id": repository_id,
        "settings": "{}",
        "sha": "",
        "problem": None,
        "problem_sha": None,
        "read_at": 0,
        "narrows": 0,
    }


def _settings_in(data: Json) -> RepositorySettings:
    """The settings in GitHub's answer. Raise Unreadable."""
    size, content = at(data, "size"), at(data, "content")
    if isinstance(data, list) or at(data, "type") != "file":
        raise Unreadable("this path must be a file")
    if isinstance(size, int) and size > settings_file.RULES.longest:
        raise settings_file.too_long(size)
    return settings_file.parse(base64.b64decode(payloads.text(content)))


async def _report(
    tx: Tx, r: Reading, row: RepositorySettingsRow, sha: str, why: Unreadable
) -> None:
    """Report the problems of a file in an issue, once for each content of the file."""
    is_reported = row["problem_sha"] == sha
    problem = "\n".join(why.problems)
    await settings_files.put(tx, {**row, "problem": problem, "problem_sha": sha})
    if is_reported:
        return
    log.warning("invalid repository settings ignored", repository=r.here[1], problems=why.problems)
    await _cancel_report(tx, *r.here)
    body = replies.settings_problems(r.arguments.get("committer", ""), why.problems)
    await writes.queue(
        tx,
        r.installation_id,
        kind="issue",
        repository_id=r.here[1],
        target=_report_target(r.here[1]),
        arguments={"title": replies.SETTINGS_ISSUE, "body": body, "labels": []},
        author=BOT,
    )


def _report_target(repository_id: int) -> str:
    return f"settings {repository_id}"


async def _cancel_report(tx: Tx, installation_id: int, repository_id: int) -> None:
    """Cancel the report about an earlier content, if it was not sent yet."""
    await writes.supersede(tx, installation_id, "issue", _report_target(repository_id))


async def apply_absence(tx: Tx, installation_id: int, arguments: reads.Arguments) -> None:
    """There is no settings file, or no longer: put the defaults in force."""
    here = (installation_id, arguments["repository_id"])
    before = await repository_settings.of(tx, *here)
    if await settings_files.get(tx, *here) is not None:
        await settings_files.forget(tx, *here)
        await records.append(tx, installation_id, None, "settings.removed", str(here[1]))
    await _cancel_report(tx, *here)
    await workflow_sessions.end_refused(tx, installation_id, arguments["repository_id"], DEFAULTS)
    await _refresh_checks(tx, here, before, DEFAULTS)
    await schedules.store(tx, *here, DEFAULTS)
    await digests.store(tx, *here, DEFAULTS)
    await board_checks.check(tx, *here, DEFAULTS)
    await stored_tools.follow(tx, None, *here, {})
    await _relabel(tx, arguments, installation_id, before, DEFAULTS)


async def _refresh_checks(
    tx: Tx, here: tuple[int, int], before: RepositorySettings, now: RepositorySettings
) -> None:
    if before.check != now.check:
        await checks.refresh_all(tx, *here)


async def _relabel(
    tx: Tx,
    arguments: reads.Arguments,
    installation_id: int,
    before: RepositorySettings,
    now: RepositorySettings,
) -> None:
    """Turn open issues with a new task label into tasks. The next read continues after a batch."""
    changed = before.task_label != now.task_label
    after = 0 if changed else arguments.get("after")
    if after is None:
        return
    repository_id = arguments["repository_id"]
    rows = await settings_files.open_issues(tx, installation_id, repository_id, after, BATCH)
    for row in rows:
        if task_labels.has_label(json_text.value(row["labels"]), now.task_label):
            # The issue itself did not change, so the columns that were not read do not count.
            issue = cast("IssueRow", row)
            await issue_effects.update_task(tx, issue, issue)
    if len(rows) == BATCH:
        # The read has a subject of its own, so that a push does not start it from the beginning.
        subject = f"{repository_id} label"
        rest: reads.Arguments = {"repository_id": repository_id, "after": rows[-1]["number"]}
        await pending_reads.ask(tx, installation_id, "settings", subject, rest, priority=reads.SOON)
