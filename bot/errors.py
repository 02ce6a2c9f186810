"""Errors that a caller gets: their codes, and one shape on every surface."""

import secrets
from typing import Any

from bot import secret_formats
from store.engine.transaction import StoreError

# code: (HTTP status, when)
CODES: dict[str, tuple[int, str]] = {
    "unauthenticated": (401, "The token is missing, unknown or revoked."),
    "forbidden": (
        403,
        "The caller's role does not allow this, or the repository is outside its access.",
    ),
    "invalid_arguments": (
        422,
        "An argument is wrong, missing or unknown; `details.errors`, if it is there, names each.",
    ),
    "unknown_operation": (404, "There is no operation with this name."),
    "unknown_task": (404, "The task does not exist, or the caller may not see it."),
    "unknown_repository": (
        404,
        "The repository does not exist, or the App is not installed on it.",
    ),
    "unknown_agent": (404, "No agent with this id has registered."),
    "unknown_run": (404, "There is no such run, or the agent is not one, or it is not visible."),
    "unknown_workflow": (
        404,
        "There is no such workflow, or the repository has no definition with this name.",
    ),
    "unknown_template": (404, "The repository's settings have no template with this name."),
    "unknown_message": (
        404,
        "There is no such message or thread that the caller sent or received.",
    ),
    "unknown_context": (
        404,
        "The context, version or snapshot does not exist, or the caller may not read it.",
    ),
    "unknown_attachment": (
        404,
        "The file does not exist, or the caller may not read it, or its address has expired.",
    ),
    "unknown_ref": (404, "The repository has no such branch, tag or commit."),
    "unknown_write": (404, "The write does not exist, or it belongs to another agent."),
    "unknown_endpoint": (404, "The agent has no endpoint: it connects by itself."),
    "unknown_target": (404, "There is no target of notifications with this id or name."),
    "unknown_mount": (404, "There is no tool server with this name."),
    "unknown_tracker": (404, "There is no foreign tracker with this name."),
    "unknown_tool": (404, "No tool server within reach has a tool with this name."),
    "unknown_delivery": (404, "There is no such delivery, or the caller may not see it."),
    "unknown_comment": (404, "There is no such comment on this issue or pull request."),
    "withheld": (
        403,
        "The repository withholds from agents what people without write access wrote.",
    ),
    "rate_limited": (
        429,
        "The caller sent too much; `details.retry_after_s` says when it may send again.",
    ),
    "inbox_full": (
        409,
        "The recipient has too many unread messages; `details.full` names the recipients.",
    ),
    "run_limit": (
        409,
        "A limit on agent runs is reached; `details.limit` says which.",
    ),
    "secret_in_commit": (
        422,
        "A file has a token or key; `details.path` and `details.line` say where.",
    ),
    "too_late": (
        409,
        "The write has gone out already, or may have; or the task changed after the command.",
    ),
    "too_many_comments": (
        409,
        "Agents have written as many comments on the issue as the limit allows.",
    ),
    "loop_stopped": (409, "Two agents only answered each other; `details.between` names them."),
    "own_work": (409, "The agent worked on the pull request, so it cannot decide about it."),
    "tool_parked": (409, "The tool changed, or people parked it; a tech-lead has to accept it."),
    "tool_limit": (
        429,
        "A limit on the tool is used up; `details.limit` says which, `details.retry_after_s` when.",
    ),
    "tracker_unavailable": (
        502,
        "The foreign tracker did not accept the token or the project; nothing was changed.",
    ),
    "tool_unavailable": (
        502,
        "The tool's server gave no answer, for the reason in `details.why`; call again.",
    ),
    "plugin_off": (
        409,
        "The plug-in is not turned on for the installation, or Hubbub turned it off.",
    ),
    "plugin_failed": (
        502,
        "The plug-in failed or refused the call; `details.kind` says how.",
    ),
    "unknown_plugin": (404, "The operator has installed no plug-in with this name."),
    "outcome_unknown": (
        409,
        "The call began to call somebody outside, and what came of it is not known.",
    ),
    "file_changed": (
        409,
        "The file is not the one that was opened; `details.sha` is what it has now.",
    ),
    "not_approved": (
        409,
        "Fewer agents approved the pull request than the repository asks for; `details` counts.",
    ),
    "stale_head": (409, "The branch has moved; `details.head` is its current head."),
    "cancelled": (
        409,
        "For a write: it was cancelled before it went out. For a call: its caller left too early.",
    ),
    "not_registered": (409, "The agent must call register_agent first."),
    "agent_paused": (409, "The agent is paused; `details.paused_by` says by whom."),
    "not_reachable": (409, "An agent that GitHub hosts gets no messages; comment on the issue."),
    "already_claimed": (409, "Somebody holds the task; `details.holder` says who."),
    "nothing_ready": (
        409,
        "No ready task matches; `details` has what you lack, and the cursor for wait_for_events.",
    ),
    "not_claimable": (
        409,
        "The task's state does not allow a claim; `details.reasons` lists the reasons.",
    ),
    "on_hold": (
        409,
        "The task is on hold; `details.held_by` or `details.reasons` says who set the hold.",
    ),
    "reserved": (409, "The task is reserved for another agent."),
    "blocked": (409, "Open issues block the task, or its sub-issues are open."),
    "lacks_capability": (409, "The task needs a capability that the agent has not registered."),
    "not_holder": (409, "The caller does not hold this task."),
    "pull_request_exists": (
        409,
        "The task has another open pull request, which `details` names.",
    ),
    "pull_request_open": (
        409,
        "The task has an open pull request, which `details` names, so it is not completed.",
    ),
    "no_pull_request": (
        409,
        "The task has no pull request to review, and the report has no note that says why.",
    ),
    "stale_fence": (409, "The lease has ended; `details.holder` says who holds the task now."),
    "awaits_approval": (
        409,
        "The task is a gate, or a step that needs one: only approve_task decides gates.",
    ),
    "done_by_tool": (409, "The task is a step of a workflow that Hubbub does by a tool."),
    "nothing_to_approve": (409, "The task is no open gate, and no plan waits for it."),
    "illegal_transition": (
        409,
        "The task cannot change to this state; `details.legal` lists the allowed ones.",
    ),
    "effect_changed": (409, "The effect is not the one that the preview showed; look at it again."),
    "version_conflict": (409, "The context has a newer version; `details` has it and its author."),
    "context_broken": (
        409,
        "The version cannot be decrypted; `details.last_good` is a version that can.",
    ),
    "spend_cap": (
        409,
        "The reported spend reached a cap or a budget; `details` has the cap and when it ends.",
    ),
    "too_many": (409, "A limit on the number is reached; `details.most` is the limit."),
    "workflow_running": (
        409,
        "A workflow runs on the issue already; `details.workflow` has its id.",
    ),
    "not_startable": (
        409,
        "The workflow's file is not valid, its issue is closed, or its repository takes no issues.",
    ),
    "duplicate_task": (
        409,
        "A task of the last day has the same words in its title; `details.task` names it.",
    ),
    "no_issue_yet": (409, "GitHub has not given the task's issue a number yet."),
    "relations_pending": (
        409,
        "GitHub does not have all relations of the task yet; the message names the write.",
    ),
    "key_reused": (409, "The idempotency key was used for another call."),
    "github_refused": (
        502,
        "For a write, or code to read: GitHub refused it; the message contains GitHub's reason.",
    ),
    "github_away": (502, "For a write: GitHub gave no clear answer until Hubbub gave up."),
    "too_large": (413, "The request or its content is larger than allowed."),
    "compressed_body": (415, "The body has a Content-Encoding. Send it without."),
    "request_timeout": (408, "The body of the request did not arrive in time."),
    "bad_request": (400, "This address does not accept the request."),
    "internal": (500, "A bug in Hubbub. It was logged under `details.reference`."),
    "unavailable": (
        503,
        "The database, or GitHub for the keys of its tokens, cannot be reached. Try again.",
    ),
}


class Refused(Exception):
    """An operation refuses a call. The caller gets the code, the message and the details."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        # A caller may have put a token into the wrong place, and errors are kept in logs.
        message = secret_formats.mask(message)[0]
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        # What the caller should know beside the error.
        self.notices: list[dict[str, Any]] = []
        # Whether the audit has it.
        self.is_recorded = False

    @property
    def status(self) -> int:
        return CODES[self.code][0]

    def body(self) -> dict[str, Any]:
        details = secret_formats.mask_all(self.details)
        error = {"code": self.code, "message": self.message, "details": details}
        return {"error": error, "notices": self.notices} if self.notices else {"error": error}


def refusal_in(answer: Any) -> Refused | None:
    """The refusal in an answer of Hubbub's. None for any other answer, as a gateway's."""
    match answer:
        case {"error": {"code": str(code), "message": str(message), "details": dict(details)}}:
            refused = Refused(code, message)
            refused.details = details
            # The server has marked them as sent.
            refused.notices = answer.get("notices", [])
            return refused
    return None


def failure(exc: Exception, **where: str) -> Refused:
    """The error for a failure that the caller did not cause. The log has the details."""
    import structlog  # noqa: PLC0415 - slow to load, and `hubbub call` never comes here

    log = structlog.get_logger()
    if isinstance(exc, StoreError):
        log.warning("database away", error=str(exc), **where)
        return Refused("unavailable", "The database cannot be reached. Try again.")
    reference = secrets.token_hex(4)
    log.error("bug", reference=reference, exc_info=exc, **where)
    return Refused(
        "internal",
        f"A bug in Hubbub, logged under {reference}. No change was confirmed.",
        reference=reference,
    )
