"""Errors for writes that GitHub refused: the reason, and what the author can do. Pure."""

from typing import Any

from bot.github import features
from bot.github.outcomes import Outcome
from bot.outbox.kinds import Kind


def error_body(kind: Kind, outcome: Outcome, state: dict[str, Any]) -> dict[str, Any]:
    """The error for a refusal. `state` tells how things are now, as read after the refusal."""
    status, words = outcome.status, outcome.words
    reason, remedy = OFF if features.is_off(outcome) else _why(status, words.casefold())
    details: dict[str, Any] = {"status": status, "reason": reason, **state}
    if reason == "missing_permission":
        accepted = outcome.answer.headers.get("X-Accepted-GitHub-Permissions")
        details["accepted_permissions"] = accepted or kind.permission.replace(": ", "=")
        remedy = f"The App needs the permission {details['accepted_permissions']}. {remedy}"
    if reason == "branch_in_the_way" and state.get("branches"):
        remedy += f" There are: {', '.join(f'`{each}`' for each in state['branches'])}."
    if reason == "not_mergeable" and state.get("mergeable_state") == "dirty":
        reason, remedy = "merge_conflict", _end_of_conflict(state)
        details["reason"] = reason
    if status == 404 and kind.absent_remedy:
        remedy = kind.absent_remedy
    if "head" in state:
        remedy += f" The head is {state['head']} now."
    said = f"GitHub refused it ({status}): {words or 'no reason given'}"
    message = " ".join(part for part in (said.rstrip(".") + ".", remedy) if part)
    code = "stale_head" if reason == "stale_head" else "github_refused"
    return {"code": code, "message": message, "details": details}


def _why(status: int, words: str) -> tuple[str, str]:
    """The reason, as a code for programs, and what to do about it."""
    for phrase, reason, remedy in WORDS:
        if phrase in words:
            return reason, remedy
    return STATUSES.get(status, ("refused", ""))


def _end_of_conflict(state: dict[str, Any]) -> str:
    """A commit by the API has one parent, so only a new branch can follow both sides."""
    base, branch = state.get("base"), state.get("branch")
    return (
        f"Both sides changed the same lines. github_get_diff with `base` {branch} and `head` "
        f"{base} shows what {base} changed meanwhile. Commit the combined files to a new branch, "
        f"which starts at {base}, and open a pull request from it; or ask a person to resolve it."
    )


OFF = (
    "disabled",
    "It is turned off, not deleted. An admin turns it on in the repository's settings.",
)
COMMIT_AGAIN = (
    "github_get_diff shows what came, with `base` your old head and `head` the branch. Commit on "
    "the new head, with these changes in your files."
)
MERGE_AGAIN = (
    "github_get_diff shows the new commits, with `base` the head that you looked at. Then merge "
    "with the new `sha`."
)
NOTHING_NEW = (
    "The branch has nothing that its base lacks. Commit to it with github_commit_files first; "
    "github_get_diff compares the two."
)
BESIDE_DIFF = ("not_in_diff", "Comment only on lines that github_get_diff shows.")
WORDS = (
    (
        "not accessible by integration",
        "missing_permission",
        "An owner grants it in the settings of the App's installation.",
    ),
    ("is locked", "locked", "The conversation is locked; a person must unlock it."),
    ("archived", "archived", "The repository is archived: nothing in it can be changed."),
    (
        "git repository is empty",
        "empty_repository",
        "The repository has no commit yet. A person pushes the first one.",
    ),
    (
        "repository access blocked",
        "blocked",
        "GitHub has blocked the repository for a legal reason.",
    ),
    (
        "reference update failed",
        "branch_in_the_way",
        "A branch may be in the way: git cannot have `a` beside `a/b`.",
    ),
    ("too long", "too_long", "Write a shorter text."),
    ("expected branch to point to", "stale_head", COMMIT_AGAIN),
    ("head branch was modified", "stale_head", MERGE_AGAIN),
    # The mirror may not know a branch that was pushed a moment ago, so GitHub decides.
    (
        "head invalid",
        "unknown_branch",
        "The branch does not exist. github_commit_files creates it with its first commit.",
    ),
    ("base invalid", "unknown_branch", "The branch does not exist. Pass another `base`."),
    (
        "object does not exist",
        "unknown_commit",
        "Pass as `head` or `base` a commit of the repository, or leave it out.",
    ),
    ("must be part of the diff", *BESIDE_DIFF),
    (
        "part of the same hunk",
        "not_in_diff",
        "Let `start_line` and `line` be in one hunk of github_get_diff.",
    ),
    ("line could not be resolved", *BESIDE_DIFF),
    ("path could not be resolved", *BESIDE_DIFF),
    (
        "not part of the pull request",
        "stale_head",
        "Read the pull request with github_get_diff and pass the `sha` of its head.",
    ),
    (
        "only be requested from collaborators",
        "no_collaborator",
        "Pass an agent by its id (list_agents), or a person with access to the repository.",
    ),
    ("no commits between", "no_commits", NOTHING_NEW),
    ("not mergeable", "not_mergeable", "get_task says what it waits for."),
    ("merge conflict", "not_mergeable", "get_task says what it waits for."),
)
STATUSES = {
    403: ("forbidden", ""),
    404: ("gone", "It is not there, or the App may not see it."),
    409: ("conflict", "Read how it is now and write again."),
    410: ("gone", "It was deleted."),
    422: ("invalid", ""),
}
