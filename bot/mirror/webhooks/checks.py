"""Check runs, workflow runs and their jobs."""

from bot.github.payloads import at
from bot.mirror.changes import Changes
from bot.mirror.rows import check_rows
from bot.mirror.webhooks.event import Event


def check_run(event: Event) -> Changes:
    return Changes((check_rows.check_run(*event.here, at(event.payload, "check_run")),))


def workflow_run(event: Event) -> Changes:
    return Changes((check_rows.workflow_run(*event.here, at(event.payload, "workflow_run")),))


def workflow_job(event: Event) -> Changes:
    return Changes((check_rows.workflow_job(*event.here, at(event.payload, "workflow_job")),))
