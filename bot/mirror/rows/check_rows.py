"""CI results of a commit: check runs, workflow runs and their jobs."""

import re
from typing import TypedDict

from bot.github.payloads import (
    Json,
    Mirrored,
    at,
    maybe_number,
    maybe_time,
    number,
    text,
    time,
    with_version,
)
from store.engine.transaction import Row

ADDRESS = re.compile(r"https?://[!-~]{1,490}")
FAILED_STEP = ("failure", "timed_out")
MOST_STEPS = 4


class CheckState(TypedDict):
    status: str
    conclusion: str | None


# When two states carry the same second, the one later in a run's life is newer.
RANKS = {"in_progress": 1, "completed": 2}


def check_run(
    installation_id: int, repository_id: int, value: Json, *, read_at: int = 0
) -> Mirrored:
    row = {
        "installation_id": installation_id,
        "id": number(at(value, "id"), "check_run.id"),
        "repository_id": repository_id,
        "head_sha": text(at(value, "head_sha"), 64),
        "name": text(at(value, "name"), 255),
        "app": text(at(value, "app", "slug"), 100),
        **_state(value),
        "started_at": maybe_time(at(value, "started_at")),
        "completed_at": maybe_time(at(value, "completed_at")),
        "url": _address(at(value, "details_url")) or _address(at(value, "html_url")),
    }
    return with_version("check_runs", row, _moment(row), read_at=read_at)


def workflow_run(
    installation_id: int, repository_id: int, value: Json, *, read_at: int = 0
) -> Mirrored:
    updated = time(at(value, "updated_at"))
    row = {
        "installation_id": installation_id,
        "id": number(at(value, "id"), "workflow_run.id"),
        "repository_id": repository_id,
        "workflow_id": maybe_number(at(value, "workflow_id")) or 0,
        "name": text(at(value, "name"), 255),
        "title": text(at(value, "display_title"), 1024),
        "event": text(at(value, "event"), 80),
        "head_branch": text(at(value, "head_branch"), 255),
        "head_sha": text(at(value, "head_sha"), 64),
        "run_number": maybe_number(at(value, "run_number")) or 0,
        "run_attempt": maybe_number(at(value, "run_attempt")) or 1,
        **_state(value),
        "created_at": time(at(value, "created_at")),
        "updated_at": updated,
    }
    # A new attempt starts from queued again, perhaps within the same second.
    moment = updated + 4 * int(str(row["run_attempt"])) + RANKS.get(str(row["status"]), 0)
    return with_version("workflow_runs", row, moment, read_at=read_at)


def workflow_job(
    installation_id: int, repository_id: int, value: Json, *, read_at: int = 0
) -> Mirrored:
    row = {
        "installation_id": installation_id,
        "id": number(at(value, "id"), "workflow_job.id"),
        "repository_id": repository_id,
        "run_id": maybe_number(at(value, "run_id")) or 0,
        "run_attempt": maybe_number(at(value, "run_attempt")) or 1,
        "name": text(at(value, "name"), 255),
        "head_sha": text(at(value, "head_sha"), 64),
        **_state(value),
        "started_at": maybe_time(at(value, "started_at")),
        "completed_at": maybe_time(at(value, "completed_at")),
        "url": _address(at(value, "html_url")),
        "failed_steps": _failed_steps(at(value, "steps")),
    }
    return with_version("workflow_jobs", row, _moment(row), read_at=read_at)


def _address(value: Json) -> str:
    """The address of a log. Agents may open it, so it is nothing else than an address."""
    found = text(value)
    return found if ADDRESS.fullmatch(found) else ""


def _failed_steps(steps: Json) -> str:
    """The names of the steps that failed, one a line."""
    entries = steps if isinstance(steps, list) else []
    failed = [each for each in entries if at(each, "conclusion") in FAILED_STEP]
    names = [" ".join(text(at(each, "name"), 100).split()) for each in failed[:MOST_STEPS]]
    return "\n".join(each for each in names if each)


def _state(value: Json) -> CheckState:
    return {
        "status": text(at(value, "status"), 20),
        "conclusion": text(at(value, "conclusion"), 40) or None,
    }


def _moment(row: Row) -> int:
    """These objects have no `updated_at`: take their newest time, then how far they got."""
    newest = max(row["started_at"] or 0, row["completed_at"] or 0)
    return int(newest) + RANKS.get(row["status"], 0)
