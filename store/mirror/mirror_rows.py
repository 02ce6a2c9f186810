"""The mirror's rows, and the guard that makes every order of deliveries give one result.

A row's `version` is compared as text: deleted, then `updated_at`, then when it was read from
GitHub (0 for a webhook), then the hash of its content. So a delete is final, a newer change
wins, at equal times a read settles it, and before that the greater hash holds for now.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from store.engine import sql
from store.engine.transaction import Row, Tx
from store.tables import TABLES
from store.tables.mirror import CommentRow, InstallationRow, IssueRow, PullRequestRow, RepositoryRow


def version(
    row: Mapping[str, Any], updated_at: int, *, deleted: bool = False, read_at: int = 0
) -> str:
    content = json.dumps(row, sort_keys=True, ensure_ascii=True, default=str)
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    return f"{int(deleted)}{updated_at:017d}{read_at:017d}{digest}"


def ties(new: str, old: str) -> bool:
    """Whether a webhook has other content of the same second. A read row never ties."""
    return new[:18] == old[:18] and read_at(new) == 0 and new[35:] != old[35:]


def has_time(guard: str) -> bool:
    """Whether the row has a time of GitHub. A row seen only inside other events has none."""
    return int(guard[1:18]) > 0


def read_at(guard: str) -> int:
    """When the row was read from GitHub; 0 if it came by a webhook."""
    return int(guard[18:35])


@dataclass(frozen=True)
class Put:
    """The result of `put`. `won`: the row was stored. `tie`: it must be read from GitHub."""

    won: bool
    tie: bool
    before: Row | None


def columns(table: str) -> tuple[str, ...]:
    return TABLES[table].names


def key(table: str) -> tuple[str, ...]:
    return TABLES[table].key


async def put(tx: Tx, table: str, row: Mapping[str, Any]) -> Put:
    """Store a row if its version is the greatest. `row` has the key and `version`.

    The caller has locked the row of the repository or installation.
    """
    names, keys = tuple(row), key(table)
    where = " AND ".join(f"{k} = :{k}" for k in keys)
    before = await tx.one(f"SELECT * FROM {table} WHERE {where}", **{k: row[k] for k in keys})
    old, new = before["version"] if before else "", row["version"]
    if before is not None and _is_restored(before, row):
        await overwrite(tx, table, row)
        return Put(won=True, tie=False, before=before)
    if new > old:
        await tx.run(sql.upsert(tx.dialect, table, names, keys, "version"), **row)
    if before is None:
        return Put(won=True, tie=False, before=None)
    return Put(won=new > old, tie=ties(new, old), before=before)


def _is_restored(before: Row, row: Mapping[str, Any]) -> bool:
    """Whether GitHub shows a repository or an installation again after it was deleted.

    The owner of a repository can restore it. Nothing else that an event reported as deleted can
    come back.
    """
    if "gone_at" not in before or not before["deleted"] or row["deleted"]:
        return False
    return read_at(row["version"]) > (before["gone_at"] or 0)


async def overwrite(tx: Tx, table: str, row: Mapping[str, Any]) -> None:
    """Store a row with any version, because it is the same object at another place."""
    await tx.run(sql.upsert(tx.dialect, table, tuple(row), key(table)), **row)


async def lock_repository(tx: Tx, installation_id: int, repository_id: int) -> None:
    """Lock the repository, so that changes to its mirror wait for each other."""
    q = "SELECT id FROM repositories WHERE installation_id = :i AND id = :r FOR UPDATE"
    await tx.one(q, i=installation_id, r=repository_id)


async def lock_installation(tx: Tx, installation_id: int) -> None:
    q = "SELECT installation_id FROM installations WHERE installation_id = :i FOR UPDATE"
    await tx.one(q, i=installation_id)


async def mark_gone(tx: Tx, installation_id: int, *, gone: bool, is_news: bool = False) -> None:
    """Set since when the installation is removed or suspended, or clear it.

    `is_news`: it is gone since now, whatever happened before.
    """
    await tx.run(
        "UPDATE installations SET gone_at = CASE WHEN :gone = 0 THEN NULL WHEN :news = 1 THEN :now "
        "ELSE COALESCE(gone_at, :now) END WHERE installation_id = :i",
        gone=int(gone),
        news=int(is_news),
        now=await tx.now(),
        i=installation_id,
    )


async def mark_repository_gone(
    tx: Tx, installation_id: int, repository_id: int, *, gone: bool
) -> None:
    """Set since when the repository is deleted, or clear it."""
    await tx.run(
        "UPDATE repositories SET gone_at = :at WHERE installation_id = :i AND id = :r",
        at=await tx.now() if gone else None,
        i=installation_id,
        r=repository_id,
    )


async def select_repository(tx: Tx, installation_id: int, repository_id: int, on: int) -> None:
    await tx.run(
        "UPDATE repositories SET selected = :on WHERE installation_id = :i AND id = :r",
        on=on,
        i=installation_id,
        r=repository_id,
    )


async def installation(tx: Tx, installation_id: int) -> InstallationRow | None:
    q = "SELECT * FROM installations WHERE installation_id = :i"
    return await tx.one(q, i=installation_id)


async def app_ids(tx: Tx) -> list[int]:
    """The Apps whose installations the database has."""
    q = "SELECT DISTINCT app_id FROM installations WHERE app_id <> 0 ORDER BY app_id"
    return [row["app_id"] for row in await tx.all(q)]


async def is_suspended(tx: Tx, installation_id: int) -> bool:
    """Whether the installation is known to be suspended: GitHub gives it no token."""
    found = await installation(tx, installation_id)
    return found is not None and not found["deleted"] and found["suspended_at"] is not None


async def installation_of(tx: Tx, account: str) -> InstallationRow | None:
    """The live installation on an account, by its login in any letter case."""
    q = "SELECT * FROM installations WHERE deleted = 0 ORDER BY installation_id DESC"
    found = [r for r in await tx.all(q) if r["account"].casefold() == account.casefold()]
    return found[0] if found else None


VISIBLE = "r.deleted = 0 AND r.selected = 1"
PRESENT = (
    "NOT EXISTS (SELECT 1 FROM installations n WHERE n.installation_id = r.installation_id "
    "AND (n.deleted = 1 OR n.suspended_at IS NOT NULL))"
)


async def present_installations(tx: Tx) -> list[int]:
    """The installations that are neither removed nor suspended."""
    rows = await tx.all(
        "SELECT installation_id FROM installations WHERE deleted = 0 AND suspended_at IS NULL "
        "ORDER BY installation_id"
    )
    return [row["installation_id"] for row in rows]


class RepositoryName(TypedDict):
    installation_id: int
    id: int
    full_name: str


class WrittenText(TypedDict):
    body: str
    updated_at: int
    version: str


class IdAndNumber(TypedDict):
    id: int
    number: int


async def present_repositories(tx: Tx) -> list[RepositoryName]:
    """The repositories of all installations."""
    return await tx.all(
        "SELECT r.installation_id, r.id, r.full_name FROM repositories r "
        f"WHERE {VISIBLE} AND {PRESENT}"
    )


async def repository(tx: Tx, installation_id: int, full_name: str) -> RepositoryRow | None:
    """A repository by name in any letter case. None if the installation does not cover it."""
    q = (
        "SELECT r.* FROM repositories r WHERE r.installation_id = :i AND r.full_name_key = :n "
        f"AND {VISIBLE} AND {PRESENT}"
    )
    return await tx.one(q, i=installation_id, n=full_name.casefold())


async def repository_by_id(
    tx: Tx, installation_id: int, repository_id: int
) -> RepositoryRow | None:
    q = (
        "SELECT r.* FROM repositories r WHERE r.installation_id = :i AND r.id = :r "
        f"AND {VISIBLE} AND {PRESENT}"
    )
    return await tx.one(q, i=installation_id, r=repository_id)


async def changed_between(
    tx: Tx, table: str, installation_id: int, repository_id: int, after: int, before: int
) -> list[IdAndNumber]:
    """The rows that are not deleted and were changed from `after` until before `before`."""
    q = (
        f"SELECT id, number FROM {table} WHERE installation_id = :i AND repository_id = :r "
        "AND updated_at >= :after AND updated_at < :before AND deleted = 0"
    )
    return await tx.all(q, i=installation_id, r=repository_id, after=after, before=before)


async def issue(tx: Tx, installation_id: int, repository_id: int, number: int) -> IssueRow | None:
    """An issue, or a PR's issue, by number."""
    q = (
        "SELECT * FROM issues WHERE installation_id = :i AND repository_id = :r "
        "AND number = :n AND deleted = 0"
    )
    return await tx.one(q, i=installation_id, r=repository_id, n=number)


async def pull_request(
    tx: Tx, installation_id: int, repository_id: int, number: int
) -> PullRequestRow | None:
    q = (
        "SELECT * FROM pull_requests WHERE installation_id = :i AND repository_id = :r "
        "AND number = :n AND deleted = 0"
    )
    return await tx.one(q, i=installation_id, r=repository_id, n=number)


async def comment(tx: Tx, installation_id: int, comment_id: int) -> CommentRow | None:
    q = "SELECT * FROM comments WHERE installation_id = :i AND id = :id AND deleted = 0"
    return await tx.one(q, i=installation_id, id=comment_id)


async def written_text(tx: Tx, table: str, installation_id: int, id_: int) -> WrittenText | None:
    """The body of a row that GitHub has not deleted."""
    q = (
        f"SELECT body, updated_at, version FROM {table} WHERE installation_id = :i AND id = :id "
        "AND deleted = 0"
    )
    return await tx.one(q, i=installation_id, id=id_)


async def all_comments(
    tx: Tx, installation_id: int, repository_id: int, number: int
) -> list[CommentRow]:
    """All comments, deleted ones too."""
    q = "SELECT * FROM comments WHERE installation_id = :i AND repository_id = :r AND number = :n"
    return await tx.all(q, i=installation_id, r=repository_id, n=number)


async def newest_comments(
    tx: Tx,
    installation_id: int,
    repository_id: int,
    number: int,
    limit: int,
    *,
    deleted: bool = False,
) -> list[CommentRow]:
    """The newest comments of a thread, oldest first. `deleted`: also deleted ones."""
    which = "" if deleted else "AND deleted = 0 "
    q = (
        "SELECT * FROM comments WHERE installation_id = :i AND repository_id = :r "
        f"AND number = :n {which}ORDER BY created_at DESC, id DESC LIMIT :limit"
    )
    rows = await tx.all(q, i=installation_id, r=repository_id, n=number, limit=limit)
    return rows[::-1]


async def count_comments(tx: Tx, installation_id: int, repository_id: int, number: int) -> int:
    row = await tx.one(
        "SELECT COUNT(*) AS n FROM comments WHERE installation_id = :i AND repository_id = :r "
        "AND number = :n AND deleted = 0",
        i=installation_id,
        r=repository_id,
        n=number,
    )
    return int(row["n"]) if row else 0


async def is_deleted(tx: Tx, table: str, installation_id: int, id_: int | None) -> bool:
    """Whether GitHub reported it as deleted."""
    q = f"SELECT deleted FROM {table} WHERE installation_id = :i AND id = :id"
    row = await tx.one(q, i=installation_id, id=id_)
    return row is not None and bool(row["deleted"])


async def hide_installation(tx: Tx, installation_id: int) -> None:
    """Hide an installation that GitHub does not show. It returns when GitHub shows it later."""
    row = await installation(tx, installation_id)
    if row and not row["deleted"]:
        await tx.run(
            "UPDATE installations SET deleted = 1, version = :v WHERE installation_id = :i",
            v=_version_hiding(row, await tx.now()),
            i=installation_id,
        )
        await mark_gone(tx, installation_id, gone=True)


def _version_hiding(row: Mapping[str, Any], read_at: int) -> str:
    """The version of a row that GitHub did not show then. A later answer has a greater one."""
    return f"{row['version'][:18]}{read_at:017d}{0:016d}"


def is_final(guard: str) -> bool:
    """Whether an event reported the deletion. A row that is only hidden may return."""
    return guard.startswith("1")


async def hide(tx: Tx, table: str, row: Mapping[str, Any], read_at: int) -> bool:
    """Hide a row that GitHub does not show. It returns when GitHub shows it later."""
    hidden = _version_hiding(row, read_at)
    return bool(
        await tx.run(
            f"UPDATE {table} SET deleted = 1, version = :v WHERE installation_id = :i "
            "AND id = :id AND version < :v",
            v=hidden,
            i=row["installation_id"],
            id=row["id"],
        )
    )


def snapshot_columns(table: str) -> list[str]:
    """The columns that come from GitHub, by which tests compare mirrors."""
    local: dict[str, set[str]] = {
        "repositories": {"selected", "gone_at"},
        "installations": {"gone_at"},
    }
    return [c for c in columns(table) if c not in local.get(table, set())]


# The tables whose `version` is the guard. The `version` of a context is only a number.
MIRRORED: tuple[str, ...] = tuple(
    t.name for t in TABLES.values() if {"version", "deleted"} <= set(t.names)
)


async def content(tx: Tx, table: str, installation_id: int) -> list[dict[str, Any]]:
    """Every row of a mirrored table, in key order."""
    names = ", ".join(snapshot_columns(table))
    q = f"SELECT {names} FROM {table} WHERE installation_id = :i ORDER BY {', '.join(key(table))}"
    return await tx.all(q, i=installation_id)


async def present(tx: Tx, table: str, installation_id: int, repository_id: int) -> list[Row]:
    """The repository's labels or milestones that are not deleted."""
    q = f"SELECT * FROM {table} WHERE installation_id = :i AND repository_id = :r AND deleted = 0"
    return await tx.all(q, i=installation_id, r=repository_id)


async def repository_ids(tx: Tx, installation_id: int) -> list[int]:
    q = "SELECT id FROM repositories WHERE installation_id = :i AND deleted = 0"
    return [row["id"] for row in await tx.all(q, i=installation_id)]


async def namesakes(
    tx: Tx, installation_id: int, full_name_key: str, repository_id: int
) -> list[int]:
    """The other repositories that the mirror has under a name."""
    q = (
        "SELECT id FROM repositories WHERE installation_id = :i AND full_name_key = :name "
        "AND id <> :r AND deleted = 0"
    )
    rows = await tx.all(q, i=installation_id, name=full_name_key, r=repository_id)
    return [row["id"] for row in rows]


async def selected_repository_ids(tx: Tx, installation_id: int) -> list[int]:
    q = "SELECT id FROM repositories WHERE installation_id = :i AND deleted = 0 AND selected = 1"
    return [row["id"] for row in await tx.all(q, i=installation_id)]


async def repository_name(tx: Tx, installation_id: int, repository_id: int) -> str | None:
    """The current name, also of a repository that the installation no longer covers."""
    q = "SELECT full_name FROM repositories WHERE installation_id = :i AND id = :r"
    row = await tx.one(q, i=installation_id, r=repository_id)
    return row["full_name"] if row else None
