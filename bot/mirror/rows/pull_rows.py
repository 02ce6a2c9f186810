"""Pull requests, their reviews and the comments on their lines."""

from bot.github.payloads import (
    Json,
    Mirrored,
    at,
    author,
    logins,
    maybe_number,
    maybe_time,
    name,
    names,
    number,
    text,
    time,
    with_version,
)


def pull_request(
    installation_id: int, repository_id: int, value: Json, *, read_at: int = 0
) -> Mirrored:
    """Uses only fields that the short form in review events has too, so both give the same row."""
    updated = time(at(value, "updated_at"))
    merged_at = maybe_time(at(value, "merged_at"))
    row = {
        "installation_id": installation_id,
        "id": number(at(value, "id"), "pull_request.id"),
        "repository_id": repository_id,
        "number": number(at(value, "number"), "pull_request.number"),
        "title": text(at(value, "title"), 1024),
        "body": text(at(value, "body")),
        "state": text(at(value, "state"), 20) or "open",
        "draft": int(bool(at(value, "draft"))),
        "merged": int(merged_at is not None),
        "head_ref": head_ref(value),
        "head_sha": text(at(value, "head", "sha"), 64),
        "base_ref": text(at(value, "base", "ref"), 255),
        **author(value),
        "labels": names(at(value, "labels"), "name"),
        "assignees": logins(at(value, "assignees")),
        "milestone": maybe_number(at(value, "milestone", "number")),
        "created_at": time(at(value, "created_at")),
        "updated_at": updated,
        "closed_at": maybe_time(at(value, "closed_at")),
        "merged_at": merged_at,
        "node_id": text(at(value, "node_id"), 100),
    }
    return with_version("pull_requests", row, updated, read_at=read_at)


def head_ref(value: Json) -> str:
    """The branch, or `owner:branch` for a branch of a fork, which is none of the repository.

    No branch has a colon in its name. GitHub shows no repository if the fork was deleted.
    """
    branch = text(at(value, "head", "ref"), 255)
    if at(value, "head", "repo", "id") == at(value, "base", "repo", "id"):
        return branch
    owner = text(at(value, "head", "user", "login")) or "ghost"
    return f"{owner}:{branch}"[:255]


def review(
    installation_id: int,
    repository_id: int,
    pull_number: int,
    value: Json,
    *,
    read_at: int = 0,
    known_at: int = 0,
) -> Mirrored:
    """`known_at` is a time when the review is known to have changed; GitHub may not say one."""
    submitted = maybe_time(at(value, "submitted_at"))
    updated = maybe_time(at(value, "updated_at")) or max(submitted or 0, known_at)
    row = {
        "installation_id": installation_id,
        "id": number(at(value, "id"), "review.id"),
        "repository_id": repository_id,
        "number": pull_number,
        "state": text(at(value, "state"), 40).lower(),
        "body": text(at(value, "body")),
        **author(value),
        "commit_id": text(at(value, "commit_id"), 64),
        "submitted_at": submitted,
        "updated_at": updated,
    }
    return with_version("reviews", row, updated, read_at=read_at)


def review_comment(
    installation_id: int,
    repository_id: int,
    pull_number: int,
    value: Json,
    *,
    deleted: bool = False,
    read_at: int = 0,
) -> Mirrored:
    updated = time(at(value, "updated_at"))
    row = {
        "installation_id": installation_id,
        "id": number(at(value, "id"), "comment.id"),
        "repository_id": repository_id,
        "number": pull_number,
        "review_id": maybe_number(at(value, "pull_request_review_id")),
        "in_reply_to_id": maybe_number(at(value, "in_reply_to_id")),
        "path": text(at(value, "path"), 1024),
        "line": maybe_number(at(value, "line")),
        "diff_hunk": hunk_end(text(at(value, "diff_hunk"))),
        "commit_id": text(at(value, "commit_id"), 64),
        "body": text(at(value, "body")),
        **author(value),
        "via_app_id": maybe_number(at(value, "performed_via_github_app", "id")),
        "created_at": time(at(value, "created_at")),
        "updated_at": updated,
    }
    return with_version("review_comments", row, updated, deleted=deleted, read_at=read_at)


# Characters of the diff that are kept with a review comment.
LONGEST_HUNK = 600


def hunk_end(hunk: str, longest: int = LONGEST_HUNK) -> str:
    """The last lines of a hunk, because the comment stands on the last one."""
    if len(hunk) <= longest:
        return hunk
    _, _, whole_lines = hunk[-longest:].partition("\n")
    return whole_lines or hunk[-longest:]


def review_thread(
    installation_id: int,
    repository_id: int,
    pull: Json,
    value: Json,
    *,
    resolved: bool,
    when: Json,
    received_at: int,
) -> Mirrored:
    """`when` is the event's own time; without it the pull request's `updated_at` is used.

    At equal times the delivery received later wins, because REST has no threads to read.
    """
    comments = at(value, "comments")
    first = comments[0] if isinstance(comments, list) and comments else None
    row = {
        "installation_id": installation_id,
        "node_id": name(at(value, "node_id"), "thread.node_id"),
        "repository_id": repository_id,
        "number": number(at(pull, "number"), "pull_request.number"),
        "comment_id": maybe_number(at(first, "id")) or 0,
        "resolved": int(resolved),
    }
    updated = time(when) or time(at(pull, "updated_at"))
    return with_version("review_threads", row, updated, read_at=received_at)
