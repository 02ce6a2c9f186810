"""GitHub's objects to the mirror's rows: pure functions of what GitHub sent.

Webhooks and REST word an object alike, so one function serves both. Fields are read
defensively: old recordings lack some, and any may be null.
"""

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

from bot.times import parsed
from store.mirror import version
from store.transaction import Row

Json: TypeAlias = Any
BIGGEST = 2**63 - 1


class Malformed(Exception):
    """An object lacks what no mirror can do without; the text names it."""


@dataclass(frozen=True)
class Mirrored:
    table: str
    row: Row


def at(value: Json, *path: str) -> Json:
    """The value at the end of a path of keys; None where it breaks off."""
    for each in path:
        value = value.get(each) if isinstance(value, dict) else None
    return value


def text(value: Json, longest: int | None = None) -> str:
    """As UTF-8 can hold it: GitHub's JSON may carry lone surrogates."""
    if not isinstance(value, str):
        return ""
    return value.encode("utf-8", "replace").decode()[:longest]


def number(value: Json, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= BIGGEST:
        return value
    raise Malformed(f"{name} is no id")


def maybe_number(value: Json) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= BIGGEST
    return value if good else None


def time(value: Json) -> int:
    return maybe_time(value) or 0


def maybe_time(value: Json) -> int | None:
    """ISO 8601, or the epoch seconds of some old payloads."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value * 1_000_000 if 0 <= value < 10**11 else None
    try:
        return parsed(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def names(value: Json, of: str) -> str:
    """A JSON list, sorted: GitHub's order means nothing."""
    found = {text(at(each, of), 255) for each in value} if isinstance(value, list) else set()
    return json.dumps(sorted(found - {""}), ensure_ascii=False)


def author(value: Json) -> Row:
    return {
        "author": text(at(value, "user", "login"), 100),
        "author_id": maybe_number(at(value, "user", "id")) or 0,
        "author_association": text(at(value, "author_association"), 40) or "NONE",
    }


def guarded(
    table: str, row: Row, updated_at: int, *, deleted: bool = False, read_at: int = 0
) -> Mirrored:
    guard = version(row, updated_at, deleted=deleted, read_at=read_at)
    return Mirrored(table, row | {"deleted": int(deleted), "version": guard})


def installation(value: Json, *, deleted: bool = False, read_at: int = 0) -> Mirrored:
    suspended = maybe_time(at(value, "suspended_at"))
    permissions = at(value, "permissions")
    row = {
        "installation_id": number(at(value, "id"), "installation.id"),
        "account": text(at(value, "account", "login"), 100),
        "account_id": maybe_number(at(value, "account", "id")) or 0,
        "account_type": text(at(value, "account", "type"), 40),
        "repository_selection": text(at(value, "repository_selection"), 20),
        "permissions": json.dumps(permissions if isinstance(permissions, dict) else {}),
        "suspended_at": suspended,
    }
    updated = time(at(value, "updated_at"))
    return guarded("installations", row, updated, deleted=deleted, read_at=read_at)


def account(installation_id: int, owner: Json) -> Mirrored:
    """All that a delivery says of its installation: any word from GitHub about it beats this."""
    row = {
        "installation_id": installation_id,
        "account": text(at(owner, "login"), 100),
        "account_id": maybe_number(at(owner, "id")) or 0,
        "account_type": text(at(owner, "type"), 40),
        "repository_selection": "",
        "permissions": "{}",
        "suspended_at": None,
    }
    return guarded("installations", row, 0)


def repository(
    installation_id: int, value: Json, *, deleted: bool = False, read_at: int = 0
) -> Mirrored:
    full_name = text(at(value, "full_name"), 250)
    if "/" not in full_name:
        raise Malformed("repository.full_name is missing")
    row = {
        "installation_id": installation_id,
        "id": number(at(value, "id"), "repository.id"),
        "full_name": full_name,
        "full_name_key": full_name.casefold()[:250],
        "private": int(bool(at(value, "private"))),
        "archived": int(bool(at(value, "archived"))),
        "default_branch": text(at(value, "default_branch"), 255) or "main",
    }
    updated = time(at(value, "updated_at"))
    return guarded("repositories", row, updated, deleted=deleted, read_at=read_at)


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
        "assignees": names(at(value, "assignees"), "login"),
        "milestone": maybe_number(at(value, "milestone", "number")),
        "locked": int(bool(at(value, "locked"))),
        "created_at": time(at(value, "created_at")),
        "updated_at": updated,
        "closed_at": maybe_time(at(value, "closed_at")),
    }
    return guarded("issues", row, updated, deleted=deleted, read_at=read_at)


def pull_request(
    installation_id: int, repository_id: int, value: Json, *, read_at: int = 0
) -> Mirrored:
    """Only what the short form inside of reviews has too, so that both make the same row."""
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
        "head_ref": text(at(value, "head", "ref"), 255),
        "head_sha": text(at(value, "head", "sha"), 64),
        "base_ref": text(at(value, "base", "ref"), 255),
        **author(value),
        "labels": names(at(value, "labels"), "name"),
        "assignees": names(at(value, "assignees"), "login"),
        "milestone": maybe_number(at(value, "milestone", "number")),
        "created_at": time(at(value, "created_at")),
        "updated_at": updated,
        "closed_at": maybe_time(at(value, "closed_at")),
        "merged_at": merged_at,
    }
    return guarded("pull_requests", row, updated, read_at=read_at)


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
    }
    return guarded("comments", row, updated, deleted=deleted, read_at=read_at)


def review(
    installation_id: int, repository_id: int, pull_number: int, value: Json, *, read_at: int = 0
) -> Mirrored:
    submitted = maybe_time(at(value, "submitted_at"))
    updated = maybe_time(at(value, "updated_at")) or submitted or 0
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
    return guarded("reviews", row, updated, read_at=read_at)


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
        "commit_id": text(at(value, "commit_id"), 64),
        "body": text(at(value, "body")),
        **author(value),
        "via_app_id": maybe_number(at(value, "performed_via_github_app", "id")),
        "created_at": time(at(value, "created_at")),
        "updated_at": updated,
    }
    return guarded("review_comments", row, updated, deleted=deleted, read_at=read_at)


def label(
    installation_id: int,
    repository_id: int,
    value: Json,
    *,
    deleted: bool = False,
    read_at: int = 0,
) -> Mirrored:
    """A label has no timestamp: the read that follows settles what it is."""
    row = {
        "installation_id": installation_id,
        "id": number(at(value, "id"), "label.id"),
        "repository_id": repository_id,
        "name": text(at(value, "name"), 255),
        "color": text(at(value, "color"), 20),
        "description": text(at(value, "description"), 500),
    }
    return guarded("labels", row, 0, deleted=deleted, read_at=read_at)


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
    return guarded("milestones", row, updated, deleted=deleted, read_at=read_at)
