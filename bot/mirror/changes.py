"""What a delivery or an answer of GitHub changes, as values: the mirror's writer applies them."""

from dataclasses import dataclass
from typing import Literal

from bot.github.payloads import Mirrored
from bot.mirror.reads import Read
from store.mirror.text_edits import TextKey
from store.tables.mirror import IssueRow


@dataclass(frozen=True)
class CommandText:
    """A text that may hold slash commands. `asker` wrote or edited it last."""

    source_kind: str
    source_id: int
    text: str
    before: str
    repository_id: int
    number: int
    asker: str
    # 0 if the payload has none.
    asker_id: int
    by_bot: bool
    written_at: int


@dataclass(frozen=True)
class BotCommentEdit:
    """An edit by a person of a comment that a bot wrote. It may be Hubbub's card."""

    comment_id: int
    author: str
    author_id: int
    repository_id: int
    number: int
    before: str
    body: str
    editor: str
    # 0 if the payload has none.
    editor_id: int
    edited_at: int


@dataclass(frozen=True)
class Relation:
    """`kind`: parent or blocked_by; the source is the child, or the blocked issue.

    Names (owner/repo#12) and states serve issues that the mirror does not hold.
    """

    kind: Literal["parent", "blocked_by"]
    source_id: int
    target_id: int
    source_name: str
    source_state: str
    target_name: str
    target_state: str


@dataclass(frozen=True)
class Branch:
    """A branch after a push. `sha` is None when the push deleted it; `before` is its old head."""

    repository_id: int
    name: str
    before: str
    sha: str | None
    pushed_at: int
    # Who pushed.
    by: str
    by_id: int


@dataclass(frozen=True)
class PushedCommit:
    """A commit that a push brought, with the SHA of its root folder."""

    repository_id: int
    sha: str
    tree: str


@dataclass(frozen=True)
class Transfer:
    """An issue that went to another repository, where it has a new id and number."""

    issue_id: int
    repository_id: int
    number: int
    new_issue_id: int
    new_repository_id: int
    new_number: int
    title: str


@dataclass(frozen=True)
class StalePermissions:
    """Cached permissions that may be wrong now. None means every repository, or every login."""

    repository_id: int | None = None
    login: str | None = None
    # Whose permission on that repository changed.
    person_id: int | None = None


@dataclass(frozen=True)
class Sender:
    """Who caused a webhook, and its action."""

    login: str
    id: int
    did: str


@dataclass(frozen=True)
class BoardMove:
    """A person gave an item of a board an option. `option_id` None: the event does not say which.

    `asker_id`: 0 if the payload has none.
    """

    item_id: int
    project_node_id: str
    content_node_id: str
    field_node_id: str
    option_id: str | None
    option_name: str
    asker: str
    asker_id: int
    moved_at: int


@dataclass(frozen=True)
class TextEdit:
    """An edit of a text, or of a title, that a webhook reports."""

    text: TextKey
    editor: str
    editor_id: int


@dataclass(frozen=True)
class ReviewRequest:
    """Somebody asked for a review on GitHub: a person as @login, or a team as org/team."""

    repository_id: int
    number: int
    reviewer: str
    asked_by: Sender


@dataclass(frozen=True)
class Changes:
    rows: tuple[Mirrored, ...] = ()
    reads: tuple[Read, ...] = ()
    texts: tuple[CommandText, ...] = ()
    edits: tuple[TextEdit, ...] = ()
    bot_comment_edits: tuple[BotCommentEdit, ...] = ()
    # (repository id, 1 or 0): whether the installation covers it.
    selected: tuple[tuple[int, int], ...] = ()
    # Repositories in which a feature may have been turned on.
    changed_features: tuple[int, ...] = ()
    # Issues with the body that they had before an edit.
    earlier: tuple[IssueRow, ...] = ()
    relations_added: tuple[Relation, ...] = ()
    relations_removed: tuple[Relation, ...] = ()
    branches: tuple[Branch, ...] = ()
    commits: tuple[PushedCommit, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    # (repository id, commit): somebody asks for Hubbub's check again.
    rechecks: tuple[tuple[int, str], ...] = ()
    review_requests: tuple[ReviewRequest, ...] = ()
    board_moves: tuple[BoardMove, ...] = ()
    stale_permissions: tuple[StalePermissions, ...] = ()
    # People whose sessions end.
    people_who_left: tuple[int, ...] = ()
    # Who changed the issue or the pull request that the webhook is about.
    sender: Sender | None = None
