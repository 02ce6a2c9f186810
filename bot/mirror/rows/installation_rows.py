"""Installations, their account and their repositories."""

import json

from bot.github.payloads import (
    Json,
    Malformed,
    Mirrored,
    at,
    maybe_number,
    maybe_time,
    number,
    text,
    time,
    with_version,
)


def installation(value: Json, *, deleted: bool = False, read_at: int = 0) -> Mirrored:
    suspended = maybe_time(at(value, "suspended_at"))
    permissions = at(value, "permissions")
    row = {
        "installation_id": number(at(value, "id"), "installation.id"),
        "account": text(at(value, "account", "login"), 100),
        "account_id": maybe_number(at(value, "account", "id")) or 0,
        "account_type": text(at(value, "account", "type"), 40),
        "repository_selection": text(at(value, "repository_selection"), 20),
        "permissions": json.dumps(
            permissions if isinstance(permissions, dict) else {}, sort_keys=True
        ),
        "suspended_at": suspended,
        "app_id": maybe_number(at(value, "app_id")) or 0,
    }
    updated = time(at(value, "updated_at"))
    return with_version("installations", row, updated, deleted=deleted, read_at=read_at)


def account(installation_id: int, owner: Json) -> Mirrored:
    """What any delivery shows of its installation; a row from GitHub's own object is newer."""
    row = {
        "installation_id": installation_id,
        "account": text(at(owner, "login"), 100),
        "account_id": maybe_number(at(owner, "id")) or 0,
        "account_type": text(at(owner, "type"), 40),
        "repository_selection": "",
        "permissions": "{}",
        "suspended_at": None,
    }
    return with_version("installations", row, 0)


def repository(
    installation_id: int, value: Json, *, deleted: bool = False, read_at: int = 0
) -> Mirrored:
    full_name = text(at(value, "full_name"), 250)
    if "/" not in full_name:
        raise Malformed("repository.full_name must be owner/name")
    row = {
        "installation_id": installation_id,
        "id": number(at(value, "id"), "repository.id"),
        "full_name": full_name,
        "full_name_key": full_name.casefold()[:250],
        "private": int(bool(at(value, "private"))),
        "archived": int(bool(at(value, "archived"))),
        # Short forms of a repository do not say it.
        "has_issues": int(at(value, "has_issues") is not False),
        "default_branch": text(at(value, "default_branch"), 255) or "main",
    }
    updated = time(at(value, "updated_at"))
    return with_version("repositories", row, updated, deleted=deleted, read_at=read_at)
