"""What a caller may be told when something is refused: one shape on every surface."""

import secrets
from typing import Any

import structlog

from store.engine.transaction import StoreError

log = structlog.get_logger()

# code: (HTTP status, when)
CODES: dict[str, tuple[int, str]] = {
    "unauthenticated": (401, "There is no token, or nobody gave out this one, or it was revoked."),
    "forbidden": (403, "The actor's role or reach does not allow this."),
    "invalid_arguments": (422, "The arguments do not fit; `details.errors` names each."),
    "unknown_operation": (404, "There is no operation of this name."),
    "unknown_task": (404, "No such task, or not for this actor's eyes."),
    "unknown_repository": (404, "No such repository, or the App is not installed on it."),
    "unknown_agent": (404, "No agent of this id has registered."),
    "unknown_message": (404, "No such message, or thread, that this actor sent or got."),
    "unknown_context": (404, "No such context, version or snapshot, or not for this actor's eyes."),
    "unknown_write": (404, "No such write, or it is another agent's."),
    "unknown_comment": (404, "There is no such comment on this issue or pull request."),
    "rate_limited": (
        429,
        "The actor sent too much; `details.retry_after_s` says when it may again.",
    ),
    "inbox_full": (409, "Who is meant has too many unread messages; `details.full` names them."),
    "too_late": (409, "The write went out already, or may have."),
    "too_many_comments": (409, "The issue has had as many comments of agents as it may have."),
    "loop_stopped": (409, "Two only answered each other; `details.between` says who."),
    "stale_head": (409, "Of a write: the branch moved; `details.head` is where it is now."),
    "cancelled": (409, "Of a write: it was called back before it went out."),
    "not_registered": (409, "The agent must call register_agent first."),
    "agent_paused": (409, "The agent is paused; `details.paused_by` says by whom."),
    "already_claimed": (409, "Somebody holds the task; `details.holder` says who."),
    "nothing_ready": (409, "No ready task fits."),
    "not_claimable": (
        409,
        "The task's state does not allow a claim; `details.reasons` has all that does not.",
    ),
    "on_hold": (409, "A person put the task on hold; `details.held_by` says who."),
    "reserved": (409, "The task is reserved for another agent."),
    "blocked": (409, "Open issues block the task, or its sub-issues are open."),
    "lacks_capability": (409, "The task needs what the agent has not registered."),
    "not_holder": (409, "The actor does not hold this task."),
    "stale_fence": (409, "The lease ended meanwhile; `details.holder` says who holds it now."),
    "illegal_transition": (409, "The task cannot go there; `details.legal` lists where it can."),
    "version_conflict": (409, "The context has a newer version; `details` has it and its author."),
    "context_broken": (409, "The version cannot be read; `details.last_good` can."),
    "too_many": (409, "There are as many as there may be; `details.most` says how many."),
    "no_issue_yet": (409, "GitHub has not numbered the task's issue yet."),
    "key_reused": (409, "The idempotency key was used for another call."),
    "github_refused": (502, "Of a write: GitHub said no; the message has its words."),
    "github_away": (502, "Of a write: GitHub gave no clear answer until it was given up."),
    "too_large": (413, "The request is larger than is taken."),
    "bad_request": (400, "The request is not what this address takes."),
    "internal": (500, "A bug of ours. It was logged under `details.reference`."),
    "unavailable": (503, "The database cannot be reached. Try again."),
}


class Refused(Exception):
    """The caller asked for something that is not done; the message is theirs to read."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    @property
    def status(self) -> int:
        return CODES[self.code][0]

    def body(self) -> dict[str, Any]:
        return {
            "error": {"code": self.code, "message": self.message, "details": self.details},
        }


def failure(exc: Exception, **where: str) -> Refused:
    """What the caller is told of a failure that they have no part in; the log has the rest."""
    if isinstance(exc, StoreError):
        log.warning("database away", error=str(exc), **where)
        return Refused("unavailable", "The database cannot be used now. Try again.")
    reference = secrets.token_hex(4)
    log.error("bug", reference=reference, exc_info=exc, **where)
    return Refused(
        "internal",
        f"This failed by a fault of ours, logged under {reference}. Nothing was acknowledged.",
        reference=reference,
    )
