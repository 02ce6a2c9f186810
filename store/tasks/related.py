"""A task's issue and its pull requests, and which other tables have more about them.

So callers ask those tables only where there is something.
"""

from functools import cache
from typing import TypedDict

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.mirror import text_policies
from store.mirror.pulls import BEGAN_UNRESOLVED, ChangedFile
from store.mirror.stored_issues import ThreadText
from store.tasks.tasks import FullTask


class OpeningRow(ThreadText):
    """The columns of an issue that a task shows, and which other tables have more about it."""

    node_id: str
    labels: str
    assignees: str
    milestone: int | None
    private: int | None
    settings: str | None
    was_edited: int
    has_comments: int
    has_relations: int
    has_pulls: int
    on_boards: int
    has_usage: int
    has_files: int
    is_step: int


# The index by which each of the tables below is read, see `sql.by_index`.
INDEXES = {
    "issues g": "ix_issues_number",
    "comments c": "ix_comments_number",
    "relations s": "PRIMARY",
    "relations z": "ix_relations_target",
    "pull_links k": "ix_pull_links_issue",
    "pull_links l": "ix_pull_links_issue",
    "project_items o": "ix_project_items_content",
    "pull_requests p": "ix_pull_requests_number",
    "review_comments c": "ix_review_comments_number",
    "review_threads d": "ix_review_threads_number",
    "reviews v": "ix_reviews_number",
    "verdicts w": "ix_verdicts_number",
    "check_runs u": "ix_check_runs_head",
    "usage_sums y": "PRIMARY",
    "workflow_steps f": "ix_workflow_steps_task",
    "attachment_uses x": "PRIMARY",
}


@cache
def _with_indexes(dialect: sql.Dialect, statement: str) -> str:
    for table, index in INDEXES.items():
        for word in ("FROM", "JOIN"):
            named = sql.by_index(dialect, table, index)
            statement = statement.replace(f"{word} {table} ", f"{word} {named} ")
    return statement


OPENING = (
    "SELECT g.id, g.node_id, g.author, g.author_id, g.author_association, g.body, g.labels, "
    f"g.assignees, g.milestone, g.created_at, {text_policies.COLUMNS.format(of='g')}, "
    f"{text_policies.was_edited('g')} AS was_edited, "
    "EXISTS (SELECT 1 FROM comments c WHERE c.installation_id = g.installation_id "
    "AND c.repository_id = g.repository_id AND c.number = g.number) AS has_comments, "
    # Not `kind IN`: MariaDB would read all relations of the installation.
    "(EXISTS (SELECT 1 FROM relations s WHERE s.installation_id = g.installation_id "
    "AND s.kind = 'parent' AND s.source_id = g.id) "
    "OR EXISTS (SELECT 1 FROM relations s WHERE s.installation_id = g.installation_id "
    "AND s.kind = 'blocked_by' AND s.source_id = g.id) "
    "OR EXISTS (SELECT 1 FROM relations z WHERE z.installation_id = g.installation_id "
    "AND z.kind = 'parent' AND z.target_id = g.id)) AS has_relations, "
    "EXISTS (SELECT 1 FROM pull_links k WHERE k.installation_id = g.installation_id "
    "AND k.issue_number = g.number) AS has_pulls, "
    "EXISTS (SELECT 1 FROM project_items o WHERE o.installation_id = g.installation_id "
    "AND o.content_node_id = g.node_id) AS on_boards, "
    "EXISTS (SELECT 1 FROM usage_sums y WHERE y.installation_id = g.installation_id "
    "AND y.scope = 'task' AND y.subject = :t AND y.day = 0) AS has_usage, "
    "EXISTS (SELECT 1 FROM attachment_uses x WHERE x.installation_id = g.installation_id "
    "AND x.kind = 'task' AND x.subject = :t) AS has_files, "
    "EXISTS (SELECT 1 FROM workflow_steps f WHERE f.installation_id = g.installation_id "
    "AND f.task_id = :t) AS is_step "
    "FROM issues g WHERE g.installation_id = :i AND g.repository_id = :r AND g.number = :n "
    "AND g.deleted = 0"
)


async def opening(tx: Tx, task: FullTask) -> OpeningRow | None:
    """The task's issue. None until GitHub has numbered it."""
    if task["number"] is None:
        return None
    here = {"i": task["installation_id"], "r": task["repository_id"]}
    return await tx.one(_with_indexes(tx.dialect, OPENING), n=task["number"], t=task["id"], **here)


class RelatedPull(TypedDict):
    """A pull request of a task, with what decides about its merge.

    `how` it belongs to the task: closes, branch or opened. `unresolved`: how many threads nobody
    resolved. `files`: of the newest head whose files are known.
    """

    installation_id: int
    repository_id: int
    number: int
    title: str
    state: str
    draft: int
    merged: int
    head_ref: str
    head_sha: str
    base_ref: str
    author: str
    author_id: int
    author_association: str
    full_name: str
    how: str
    unresolved: int
    files: list[ChangedFile]
    has_verdicts: int
    has_checks: int


OF_PULL = (
    "p.installation_id, p.repository_id, p.number, p.title, p.state, p.draft, p.merged, "
    "p.head_ref, p.head_sha, p.base_ref, p.author, p.author_id, p.author_association, "
    "r.full_name, "
    "(SELECT COUNT(*) FROM review_comments c WHERE c.installation_id = p.installation_id "
    "AND c.repository_id = p.repository_id AND c.number = p.number "
    f"AND {BEGAN_UNRESOLVED}) AS unresolved, "
    "(SELECT f.files FROM pull_files f WHERE f.installation_id = p.installation_id "
    "AND f.repository_id = p.repository_id AND f.number = p.number) AS files, "
    "(EXISTS (SELECT 1 FROM reviews v WHERE v.installation_id = p.installation_id "
    "AND v.repository_id = p.repository_id AND v.number = p.number) "
    "OR EXISTS (SELECT 1 FROM verdicts w WHERE w.installation_id = p.installation_id "
    "AND w.repository_id = p.repository_id AND w.number = p.number)) AS has_verdicts, "
    "EXISTS (SELECT 1 FROM check_runs u WHERE u.installation_id = p.installation_id "
    "AND u.repository_id = p.repository_id AND u.head_sha = p.head_sha) AS has_checks "
)
SHOWN = "p.deleted = 0 AND r.deleted = 0 AND r.selected = 1"
NAMING = (
    f"SELECT l.how, {OF_PULL}"
    "FROM pull_links l "
    "JOIN pull_requests p ON p.installation_id = l.installation_id "
    "AND p.repository_id = l.repository_id AND p.number = l.pull_number "
    "JOIN repositories r ON r.installation_id = p.installation_id AND r.id = p.repository_id "
    f"WHERE l.installation_id = :i AND l.issue_number = :n AND {SHOWN} AND "
    "((l.repository_id = :r AND l.issue_repository = '') OR l.issue_repository = :name) "
    "ORDER BY p.created_at DESC, p.id DESC LIMIT :limit"
)
OPENED = (
    f"SELECT 'opened' AS how, {OF_PULL}"
    "FROM pull_requests p "
    "JOIN repositories r ON r.installation_id = p.installation_id AND r.id = p.repository_id "
    f"WHERE p.installation_id = :i AND p.repository_id = :r AND p.number = :n AND {SHOWN}"
)


async def pulls_naming(tx: Tx, task: FullTask, limit: int) -> list[RelatedPull]:
    """The pull requests that name the task's issue, newest first."""
    rows = await tx.all(
        _with_indexes(tx.dialect, NAMING),
        i=task["installation_id"],
        r=task["repository_id"],
        n=task["number"],
        name=task["full_name"].casefold(),
        limit=limit,
    )
    return [_decode(row) for row in rows]


async def pull_opened(tx: Tx, task: FullTask) -> RelatedPull | None:
    """The pull request that the task's holder opened."""
    row = await tx.one(
        _with_indexes(tx.dialect, OPENED),
        i=task["installation_id"],
        r=task["repository_id"],
        n=task["pull_number"],
    )
    return _decode(row) if row else None


def _decode(row: RelatedPull) -> RelatedPull:
    row["files"] = json_text.value(row["files"]) if row["files"] else []  # type: ignore[arg-type]
    return row
