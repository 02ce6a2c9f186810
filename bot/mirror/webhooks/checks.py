"""Check runs, workflow runs and their jobs."""

from bot.github.payloads import at, text
from bot.mirror.changes import Changes
from bot.mirror.rows import check_rows
from bot.mirror.webhooks.event import Event
from bot.pulls import verdict

RE_REQUESTED = "rerequested"


def check_run(event: Event) -> Changes:
    run = at(event.payload, "check_run")
    row = check_rows.check_run(*event.here, run)
    if event.action != RE_REQUESTED or row.row["name"] != verdict.NAME:
        return Changes((row,))
    return Changes((row,), rechecks=((event.repository_id, row.row["head_sha"]),))


def check_suite(event: Event) -> Changes:
    """GitHub sends a re-request only to the App whose checks these are."""
    head_sha = text(at(event.payload, "check_suite", "head_sha"), 64)
    if event.action != RE_REQUESTED or not head_sha:
        return Changes()
    return Changes(rechecks=((event.repository_id, head_sha),))


def workflow_run(event: Event) -> Changes:
    return Changes((check_rows.workflow_run(*event.here, at(event.payload, "workflow_run")),))


def workflow_job(event: Event) -> Changes:
    return Changes((check_rows.workflow_job(*event.here, at(event.payload, "workflow_job")),))
