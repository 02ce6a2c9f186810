"""What each webhook event changes: pure functions from the payload to `Changes`.

`EVENTS` lists all handlers. The inbox keeps and counts any other event or action; it never
rejects one.
"""

from dataclasses import replace

from bot.github.payloads import at
from bot.mirror.changes import Changes
from bot.mirror.rows import installation_rows
from bot.mirror.webhooks import (
    boards,
    checks,
    installations,
    issues,
    pulls,
    relations,
    repositories,
)
from bot.mirror.webhooks.event import Event, Handler

EVENTS: dict[str, Handler] = {
    "check_run": checks.check_run,
    "check_suite": checks.check_suite,
    "create": repositories.create,
    "delete": repositories.delete,
    "github_app_authorization": installations.github_app_authorization,
    "installation": installations.installation,
    "installation_repositories": installations.installation_repositories,
    "installation_target": installations.installation_target,
    "issue_comment": issues.issue_comment,
    "issue_dependencies": relations.issue_dependencies,
    "issues": issues.issues,
    "label": issues.label,
    "member": installations.member,
    "membership": installations.membership,
    "milestone": issues.milestone,
    "organization": installations.organization,
    "ping": installations.ping,
    "projects_v2": boards.projects_v2,
    "projects_v2_item": boards.projects_v2_item,
    "pull_request": pulls.pull_request,
    "pull_request_review": pulls.pull_request_review,
    "pull_request_review_comment": pulls.pull_request_review_comment,
    "pull_request_review_thread": pulls.pull_request_review_thread,
    "push": repositories.push,
    "repository": repositories.repository,
    "sub_issues": relations.sub_issues,
    "team": installations.team,
    "workflow_job": checks.workflow_job,
    "workflow_run": checks.workflow_run,
}


def changes_of(name: str, event: Event) -> Changes | None:
    """The changes of a delivery; None for an event without a handler. Raise Malformed."""
    handler = EVENTS.get(name)
    if handler is None:
        return None
    found = handler(event)
    if at(event.payload, "repository") is None:
        return found
    # The repository comes first: the mirror must never hold its rows without it.
    value = at(event.payload, "repository")
    first = installation_rows.repository(event.installation_id, value)
    account = installation_rows.account(event.installation_id, at(value, "owner"))
    return replace(found, rows=(account, first, *found.rows))
