"""What GitHub's no means, in words that help its author: pure."""

import re
from typing import Any

from bot.github.channel import message_of
from bot.github.client import Answer
from bot.github.payloads import at, text
from bot.outbox.kinds import Kind

# GraphQL says it in the body, with status 200; an error without a type may be GitHub's own.
TROUBLE = re.compile(r"something went wrong|time(d )?out|try (your request )?again", re.IGNORECASE)
STATUS_OF_TYPE = {"NOT_FOUND": 404, "FORBIDDEN": 403, "STALE_DATA": 409}
UNNAMED = 500


def status_of(answer: Answer) -> int:
    """The answer's status, as REST would have given it."""
    errors = at(answer.data, "errors")
    if answer.status != 200 or not isinstance(errors, list) or not errors:
        return answer.status
    kind, words = text(at(errors[0], "type")), text(at(errors[0], "message"))
    if kind:
        return STATUS_OF_TYPE.get(kind, 422)
    return 422 if words and not TROUBLE.search(words) else UNNAMED


def explained(kind: Kind, answer: Answer, state: dict[str, Any]) -> dict[str, Any]:
    """The error's body. `state`: how things are now, as GitHub was asked after its no."""
    status, words = status_of(answer), message_of(answer)
    reason, remedy = _why(status, words.casefold())
    details: dict[str, Any] = {"status": status, "reason": reason, **state}
    if reason == "missing_permission":
        accepted = answer.headers.get("X-Accepted-GitHub-Permissions")
        details["accepted_permissions"] = accepted or kind.permission.replace(": ", "=")
        remedy = f"The App needs the permission {details['accepted_permissions']}. {remedy}"
    if "head" in state:
        remedy += f" The head is {state['head']} now."
    said = f"GitHub refused it ({status}): {words or 'no reason given'}"
    message = " ".join(part for part in (said.rstrip(".") + ".", remedy) if part)
    code = "stale_head" if reason == "stale_head" else "github_refused"
    return {"code": code, "message": message, "details": details}


def _why(status: int, words: str) -> tuple[str, str]:
    """A word for programs, and what to do."""
    for said, reason, remedy in WORDS:
        if said in words:
            return reason, remedy
    return STATUSES.get(status, ("refused", ""))


WORDS = (
    (
        "not accessible by integration",
        "missing_permission",
        "An owner grants it in the settings of the App's installation.",
    ),
    ("is locked", "locked", "The conversation is locked; a person must unlock it."),
    ("archived", "archived", "The repository is archived: nothing in it can be changed."),
    ("too long", "too_long", "Write a shorter text."),
    ("expected branch to point to", "stale_head", "Read the branch again and commit on its head."),
    ("head branch was modified", "stale_head", "Look at the new commits before you merge."),
    ("no commits between", "no_commits", "Commit to the branch first."),
    ("not mergeable", "not_mergeable", "get_task says what it waits for."),
)
STATUSES = {
    403: ("forbidden", ""),
    404: ("gone", "It is not there, or the App may not see it."),
    409: ("conflict", "Read how it is now and write again."),
    410: ("gone", "It was deleted."),
    422: ("invalid", ""),
}
