"""What an event is made of, and what it may change."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from bot.github import payloads
from bot.github.payloads import Json, Mirrored, at
from bot.mirror.rows import installations, issues
from store.engine.transaction import Row

# How soon a read should be done: somebody waits, the mirror is unsure, or it fills up.
NOW, SOON, LATER = 0, 1, 2


@dataclass(frozen=True)
class Ask:
    """Something that only GitHub can tell: see `bot.fetch.kinds` for the kinds."""

    kind: str
    subject: str
    arguments: dict[str, Any]
    priority: int = SOON


@dataclass(frozen=True)
class Written:
    """A text that may hold commands. `asker` is who acted, not whose comment it is."""

    source_kind: str
    source_id: int
    text: str
    before: str
    repository_id: int
    number: int
    asker: str
    by_bot: bool
    written_at: int


@dataclass(frozen=True)
class Relation:
    """`kind`: parent or blocked_by; source is the child or the blocked issue.

    Names are owner/repo#12, with states: for issues that the mirror does not hold.
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
    """A branch as a push leaves it; `sha` None: gone. `before`: its head until then."""

    repository_id: int
    name: str
    before: str
    sha: str | None
    pushed_at: int


@dataclass(frozen=True)
class Moved:
    """An issue that went to another repository, under a new id and number."""

    issue_id: int
    repository_id: int
    number: int
    new_issue_id: int
    new_repository_id: int
    new_number: int
    title: str


@dataclass(frozen=True)
class Forgotten:
    """Permissions that may have changed; without a login those of everybody."""

    repository_id: int | None = None
    login: str | None = None


@dataclass(frozen=True)
class Changes:
    rows: tuple[Mirrored, ...] = ()
    asks: tuple[Ask, ...] = ()
    texts: tuple[Written, ...] = ()
    selected: tuple[tuple[int, int], ...] = ()
    # Issues as they were before an edit.
    earlier: tuple[Row, ...] = ()
    related: tuple[Relation, ...] = ()
    unrelated: tuple[Relation, ...] = ()
    branches: tuple[Branch, ...] = ()
    moved: tuple[Moved, ...] = ()
    forgotten: tuple[Forgotten, ...] = ()


@dataclass(frozen=True)
class Event:
    """A delivery's payload with what every handler needs of it."""

    installation_id: int
    action: str
    payload: Json
    received_at: int = 0

    @property
    def repository_id(self) -> int:
        return payloads.number(at(self.payload, "repository", "id"), "repository.id")

    @property
    def here(self) -> tuple[int, int]:
        return self.installation_id, self.repository_id

    @property
    def deleted(self) -> bool:
        return self.action == "deleted"


Handler: TypeAlias = Callable[[Event], Changes]


def ask_installation(installation_id: int, priority: int = SOON) -> Ask:
    return Ask("installation", "", {"installation_id": installation_id}, priority)


def ask_repository(kind: str, repository_id: int, priority: int = SOON) -> Ask:
    return Ask(kind, str(repository_id), {"repository_id": repository_id}, priority)


def ask_numbered(kind: str, repository_id: int, number: int, priority: int = SOON) -> Ask:
    """About an issue or a pull request."""
    arguments = {"repository_id": repository_id, "which": number, "number": number}
    return Ask(kind, f"{repository_id} {number}", arguments, priority)


def ask_relations(
    kind: str, repository_id: int, number: int, issue_id: int | None, priority: int = SOON
) -> Ask:
    """With its id, the answer can be brought in before the issue itself."""
    asked = ask_numbered(kind, repository_id, number, priority)
    return replace(asked, arguments=asked.arguments | {"issue_id": issue_id})


def listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def milestone_of(event: Event, value: Json) -> tuple[Mirrored, ...]:
    milestone = at(value, "milestone")
    if not isinstance(milestone, dict):
        return ()
    return (issues.milestone(*event.here, milestone),)


def named_repositories(event: Event, name: str) -> tuple[Mirrored, ...]:
    """Repositories of which only the name is told: whatever else is said of them beats it."""
    return tuple(
        installations.repository(event.installation_id, each)
        for each in listed(at(event.payload, name))
    )


def written(
    event: Event, kind: str, value: Json, on: int, actions: tuple[str, ...]
) -> tuple[Written, ...]:
    if event.action not in actions:
        return ()
    sender = at(event.payload, "sender")
    return (
        Written(
            source_kind=kind,
            source_id=payloads.number(at(value, "id"), f"{kind}.id"),
            text=payloads.text(at(value, "body")),
            before=payloads.text(at(event.payload, "changes", "body", "from")),
            repository_id=event.repository_id,
            number=on,
            asker=payloads.text(at(sender, "login"), 100),
            by_bot=at(sender, "type") == "Bot" or at(value, "performed_via_github_app") is not None,
            written_at=payloads.time(at(value, "updated_at"))
            or payloads.time(at(value, "submitted_at")),
        ),
    )
