"""Issues, their comments, labels and milestones."""

from bot.github.payloads import (
    Json,
    Mirrored,
    at,
    author,
    logins,
    maybe_number,
    maybe_time,
    names,
    number,
    text,
    time,
    with_version,
)


def issue(
    installation_id: int,
    repository_id: int,
    value: Json,
    *,
    deleted: bool = False,
    read_at: int = 0,
) -> Mirrored:
    updated = time(at(value, "updated_at"))
    row = {
        "installation_id": installation_id,
        "id": number(at(value, "id"), "issue.id"),
        "repository_id": repository_id,
        "number": number(at(value, "number"), "issue.number"),
        "is_pull_request": int(at(value, "pull_request") is not None),
        "title": text(at(value, "title"), 1024),
        "body": text(at(value, "body")),
        "state": text(at(value, "state"), 20) or "open",
        "state_reason": text(at(value, "state_reason"), 40) or None,
        **author(value),
        "labels": names(at(value, "labels"), "name"),
        "assignees": logins(at(value, "assignees")),
        "milestone": maybe_number(at(value, "milestone", "number")),
        "locked": int(bool(at(value, "locked"))),
        "created_at": time(at(value, "created_at")),
        "updated_at": updated,
        "closed_at": maybe_time(at(value, "closed_at")),
        "node_id": text(at(value, "node_id"), 100),
        "type": text(at(value, "type", "name"), 100),
    }
    return with_version("issues", row, updated, deleted=deleted, read_at=read_at)


def comment(
    installation_id: int,
    repository_id: int,
    issue_number: int,
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
        "number": issue_number,
        "body": text(at(value, "body")),
        **author(value),
        "via_app_id": maybe_number(at(value, "performed_via_github_app", "id")),
        "created_at": time(at(value, "created_at")),
        "updated_at": updated,
        "node_id": text(at(value, "node_id"), 100),
    }
    return with_version("comments", row, updated, deleted=deleted, read_at=read_at)


def label(
    installation_id: int,
    repository_id: int,
    value: Json,
    *,
    deleted: bool = False,
    read_at: int = 0,
) -> Mirrored:
    """GitHub gives labels no timestamp; the read after each event settles the content."""
    row = {
        "installation_id": installation_id,
        "id": number(at(value, "id"), "label.id"),
        "repository_id": repository_id,
        "name": text(at(value, "name"), 255),
        "color": text(at(value, "color"), 20),
        "description": text(at(value, "description"), 500),
    }
    return with_version("labels", row, 0, deleted=deleted, read_at=read_at)


def milestone(
    installation_id: int,
    repository_id: int,
    value: Json,
    *,
    deleted: bool = False,
    read_at: int = 0,
) -> Mirrored:
    updated = time(at(value, "updated_at"))
    row = {
        "installation_id": installation_id,
        "id": number(at(value, "id"), "milestone.id"),
        "repository_id": repository_id,
        "number": number(at(value, "number"), "milestone.number"),
        "title": text(at(value, "title"), 1024),
        "description": text(at(value, "description")),
        "state": text(at(value, "state"), 20) or "open",
        "due_on": maybe_time(at(value, "due_on")),
        "created_at": time(at(value, "created_at")),
        "updated_at": updated,
        "closed_at": maybe_time(at(value, "closed_at")),
    }
    return with_version("milestones", row, updated, deleted=deleted, read_at=read_at)
