"""The mirror: repositories, issues and pull requests as GitHub has them."""

from typing import Annotated, TypedDict

from store.tables.columns import (
    KEY,
    TERMS,
    Authored,
    Default,
    Flag,
    Index,
    Json,
    Mirrored,
    Table,
    Text,
)


class InstallationRow(Mirrored):
    installation_id: Annotated[int, KEY]
    account: Annotated[str, Text(100)]
    account_id: int
    account_type: Annotated[str, Text(40)]
    repository_selection: Annotated[str, Text(20)]
    permissions: Json
    suspended_at: int | None
    # The App that is installed; 0 before its own object was seen.
    app_id: Annotated[int, Default("0")]
    # Since when it is removed or suspended, by our clock. The grace period begins here.
    gone_at: int | None


class RepositoryRow(Mirrored):
    installation_id: Annotated[int, KEY]
    id: Annotated[int, KEY]
    full_name: Annotated[str, Text(250)]
    full_name_key: Annotated[str, Text(250)]
    private: Flag
    archived: Flag
    # Whether issues are switched on in it.
    has_issues: Annotated[Flag, Default("1")]
    default_branch: Annotated[str, Text(255)]
    # Whether the installation still covers it; `installation_repositories` has no guard.
    selected: Annotated[Flag, Default("1")]
    # When Hubbub learned that it was deleted, by our clock. A later answer of GitHub restores it.
    gone_at: int | None


class IssueRow(Authored, Mirrored):
    installation_id: Annotated[int, KEY]
    id: Annotated[int, KEY]
    repository_id: int
    number: int
    is_pull_request: Flag
    title: Annotated[str, Text(1024)]
    body: str
    state: Annotated[str, Text(20)]
    state_reason: Annotated[str | None, Text(40)]
    labels: Json
    assignees: Json
    milestone: int | None
    locked: Flag
    created_at: int
    updated_at: int
    closed_at: int | None
    node_id: Annotated[str, Text(100), Default("''")]
    type: Annotated[str, Text(100), Default("''")]


class PullRequestRow(Authored, Mirrored):
    installation_id: Annotated[int, KEY]
    id: Annotated[int, KEY]
    repository_id: int
    number: int
    title: Annotated[str, Text(1024)]
    body: str
    state: Annotated[str, Text(20)]
    draft: Flag
    merged: Flag
    head_ref: Annotated[str, Text(255)]
    head_sha: Annotated[str, Text(64)]
    base_ref: Annotated[str, Text(255)]
    labels: Json
    assignees: Json
    milestone: int | None
    created_at: int
    updated_at: int
    closed_at: int | None
    merged_at: int | None
    node_id: Annotated[str, Text(100), Default("''")]


class CommentRow(Authored, Mirrored):
    installation_id: Annotated[int, KEY]
    id: Annotated[int, KEY]
    repository_id: int
    number: int
    body: str
    via_app_id: int | None
    created_at: int
    updated_at: int
    node_id: Annotated[str, Text(100), Default("''")]


class ReviewRow(Authored, Mirrored):
    installation_id: Annotated[int, KEY]
    id: Annotated[int, KEY]
    repository_id: int
    number: int
    state: Annotated[str, Text(40)]
    body: str
    commit_id: Annotated[str, Text(64)]
    submitted_at: int | None
    updated_at: int


class ReviewCommentRow(Authored, Mirrored):
    installation_id: Annotated[int, KEY]
    id: Annotated[int, KEY]
    repository_id: int
    number: int
    review_id: int | None
    in_reply_to_id: int | None
    path: Annotated[str, Text(1024)]
    line: int | None
    # The end of the diff down to the line.
    diff_hunk: Annotated[str, Text(700), Default("''")]
    commit_id: Annotated[str, Text(64)]
    body: str
    via_app_id: int | None
    created_at: int
    updated_at: int


class LabelRow(Mirrored):
    installation_id: Annotated[int, KEY]
    id: Annotated[int, KEY]
    repository_id: int
    name: Annotated[str, Text(255)]
    color: Annotated[str, Text(20)]
    description: Annotated[str, Text(500)]


class MilestoneRow(Mirrored):
    installation_id: Annotated[int, KEY]
    id: Annotated[int, KEY]
    repository_id: int
    number: int
    title: Annotated[str, Text(1024)]
    description: str
    state: Annotated[str, Text(20)]
    due_on: int | None
    created_at: int
    updated_at: int
    closed_at: int | None


class ReviewThreadRow(Mirrored):
    installation_id: Annotated[int, KEY]
    node_id: Annotated[str, KEY, Text(100)]
    repository_id: int
    number: int
    comment_id: int
    resolved: Flag


class RelationRow(TypedDict):
    """A set without a guard: an event counts until the next read corrects it.

    `source` is the child or the blocked issue, `target` the parent or the blocker. The names and
    states are for issues that the mirror does not have.
    """

    installation_id: Annotated[int, KEY]
    kind: Annotated[str, KEY, Text(20)]
    source_id: Annotated[int, KEY]
    target_id: Annotated[int, KEY]
    source_name: Annotated[str, Text(300)]
    source_state: Annotated[str, Text(20)]
    target_name: Annotated[str, Text(300)]
    target_state: Annotated[str, Text(20)]
    # Whether it is part of a dependency cycle. Such a relation blocks nobody.
    cyclic: Annotated[Flag, Default("0")]


class TransferRow(TypedDict):
    """The new places of transferred issues, because late events still name the old place."""

    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    number: Annotated[int, KEY]
    new_repository_id: int
    new_number: int


class PullLinkRow(TypedDict):
    """The issues that a pull request closes, according to its text."""

    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    pull_number: Annotated[int, KEY]
    # Folded owner/repo; empty for the pull request's own.
    issue_repository: Annotated[str, KEY, Text(250)]
    issue_number: Annotated[int, KEY]
    how: Annotated[str, Text(20)]


class PullFilesRow(TypedDict):
    """The changed files of a head, as a JSON list of {path, status, additions, deletions}."""

    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    number: Annotated[int, KEY]
    head_sha: Annotated[str, Text(64)]
    files: Json
    # Whether the list was read to its end.
    whole: Flag
    read_at: int


class RefRow(TypedDict):
    """Branches. A push that does not continue from the known commit needs a read."""

    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    name: Annotated[str, KEY, Text(255)]
    sha: Annotated[str, Text(64)]
    pushed_at: int


class RepositorySettingsRow(TypedDict):
    """The last valid content of `.github/hubbub.yml`, and its problem now, if any."""

    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    settings: Json
    sha: Annotated[str, Text(64)]
    problem: str | None
    problem_sha: Annotated[str | None, Text(64)]
    read_at: int
    # Whether they allow less than the permission table.
    narrows: Annotated[Flag, Default("0")]


class SearchTextRow(TypedDict):
    """The text that search finds, see `store.mirror.search_index`.

    `row_id` is 0 for an issue or pull request.
    """

    installation_id: Annotated[int, KEY]
    doc: Annotated[int, KEY]
    kind: Annotated[str, Text(20)]
    repository_id: int
    number: int
    row_id: int
    author_key: Annotated[str, Text(100)]
    state: Annotated[str, Text(20)]
    labels: str
    terms: Annotated[str, TERMS]
    # The agent for which Hubbub posted it, or ''.
    agent_key: Annotated[str, Text(120), Default("''")]


class PermissionRow(TypedDict):
    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    login_key: Annotated[str, KEY, Text(100)]
    permission: Annotated[str, Text(40)]
    fetched_at: int
    # Whose it is: after a change of logins another person may have this one. 0: nobody's.
    person_id: Annotated[int, Default("0")]


class TextEditRow(TypedDict):
    """The last edit of a text. Hubbub's own edits have no row.

    `kind` is that of `store.mirror.threads`; `text_id` is 0 for the opening text and its title.
    """

    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    number: Annotated[int, KEY]
    kind: Annotated[str, KEY, Text(20)]
    text_id: Annotated[int, KEY]
    # When Hubbub learned of it, by our clock: a claim before had the text as it was.
    seen_at: int
    # Empty if no webhook named the editor.
    editor: Annotated[str, Text(100)]


class PersonRow(TypedDict):
    """A person by GitHub's id, with the login by which tasks and leases name them now."""

    installation_id: Annotated[int, KEY]
    id: Annotated[int, KEY]
    login: Annotated[str, Text(120)]
    login_key: Annotated[str, Text(120)]


TABLES = (
    Table(
        "installations",
        InstallationRow,
        # A token of GitHub Actions names the account, and not the installation.
        Index("ix_installations_account", "account_id"),
    ),
    Table(
        "repositories",
        RepositoryRow,
        Index("ix_repositories_full_name", "installation_id", "full_name_key"),
    ),
    Table(
        "issues",
        IssueRow,
        Index("ix_issues_number", "installation_id", "repository_id", "number"),
        Index("ix_issues_updated", "installation_id", "repository_id", "updated_at"),
        # For items of boards, whose events have nothing else of their issue.
        Index("ix_issues_node", "installation_id", "node_id"),
    ),
    Table(
        "pull_requests",
        PullRequestRow,
        Index("ix_pull_requests_number", "installation_id", "repository_id", "number"),
        Index("ix_pull_requests_open", "installation_id", "repository_id", "state", "number"),
        Index("ix_pull_requests_branch", "installation_id", "repository_id", "head_ref"),
        Index("ix_pull_requests_head", "installation_id", "repository_id", "head_sha"),
    ),
    Table(
        "comments",
        CommentRow,
        Index("ix_comments_number", "installation_id", "repository_id", "number", "created_at"),
        Index("ix_comments_updated", "installation_id", "repository_id", "updated_at"),
    ),
    Table(
        "reviews",
        ReviewRow,
        Index("ix_reviews_number", "installation_id", "repository_id", "number"),
    ),
    Table(
        "review_comments",
        ReviewCommentRow,
        Index("ix_review_comments_number", "installation_id", "repository_id", "number"),
    ),
    Table(
        "labels",
        LabelRow,
        Index("ix_labels_repository", "installation_id", "repository_id"),
    ),
    Table(
        "milestones",
        MilestoneRow,
        Index("ix_milestones_number", "installation_id", "repository_id", "number"),
    ),
    Table(
        "review_threads",
        ReviewThreadRow,
        Index("ix_review_threads_number", "installation_id", "repository_id", "number"),
    ),
    Table(
        "relations",
        RelationRow,
        Index("ix_relations_target", "installation_id", "kind", "target_id"),
    ),
    Table("transfers", TransferRow),
    Table(
        "pull_links",
        PullLinkRow,
        Index(
            "ix_pull_links_issue", "installation_id", "issue_number", "repository_id", "pull_number"
        ),
    ),
    Table("pull_files", PullFilesRow),
    Table("refs", RefRow),
    Table(
        "repository_settings",
        RepositorySettingsRow,
        Index("ix_repository_settings_narrows", "installation_id", "narrows"),
    ),
    Table(
        "search_texts",
        SearchTextRow,
        Index("ix_search_texts_doc", "doc", unique=True, only="sqlite"),
        Index("ix_search_texts_row", "installation_id", "row_id", "kind"),
        Index("ix_search_texts_number", "installation_id", "repository_id", "number", "row_id"),
        Index("ft_search_texts", "terms", fulltext=True, only="mysql"),
    ),
    Table(
        "permissions",
        PermissionRow,
        Index("ix_permissions_person", "installation_id", "person_id"),
    ),
    Table("text_edits", TextEditRow),
    Table(
        "people",
        PersonRow,
        Index("ix_people_login", "installation_id", "login_key", unique=True),
    ),
)
