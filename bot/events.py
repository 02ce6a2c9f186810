"""What each webhook event means: which rows it brings, what it leaves to be read or run.

Pure functions of the payload. `EVENTS` is the whole list: an event, or an action, that is not
handled is kept in the inbox and counted, never refused.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from bot import payloads
from bot.payloads import Json, Mirrored, at
from store.transaction import Row


@dataclass(frozen=True)
class Ask:
    """Something that only GitHub can tell: see `bot.reads` for the kinds."""

    kind: str
    subject: str
    arguments: dict[str, Any]


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
class Changes:
    rows: tuple[Mirrored, ...] = ()
    asks: tuple[Ask, ...] = ()
    texts: tuple[Written, ...] = ()
    selected: tuple[tuple[int, int], ...] = ()
    # Issues as they were before an edit.
    earlier: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Event:
    """A delivery's payload with what every handler needs of it."""

    installation_id: int
    action: str
    payload: Json

    @property
    def repository_id(self) -> int:
        return payloads.number(at(self.payload, "repository", "id"), "repository.id")

    @property
    def deleted(self) -> bool:
        return self.action == "deleted"


Handler: TypeAlias = Callable[[Event], Changes]


def issues(event: Event) -> Changes:
    issue = at(event.payload, "issue")
    here = (event.installation_id, event.repository_id)
    row = payloads.issue(*here, issue, deleted=event.deleted)
    before = at(event.payload, "changes", "body", "from")
    earlier = (row.row | {"body": payloads.text(before)},) if before else ()
    return Changes((row, *_milestone_of(event, issue)), earlier=earlier)


def issue_comment(event: Event) -> Changes:
    issue, comment = at(event.payload, "issue"), at(event.payload, "comment")
    here = (event.installation_id, event.repository_id)
    on = payloads.number(at(issue, "number"), "issue.number")
    return Changes(
        (
            payloads.issue(*here, issue),
            payloads.comment(*here, on, comment, deleted=event.deleted),
            *_milestone_of(event, issue),
        ),
        texts=_written(event, "comment", comment, on, actions=("created", "edited")),
    )


def label(event: Event) -> Changes:
    row = payloads.label(
        event.installation_id,
        event.repository_id,
        at(event.payload, "label"),
        deleted=event.deleted,
    )
    return Changes((row,), asks=(ask_repository("labels", event.repository_id),))


def milestone(event: Event) -> Changes:
    value = at(event.payload, "milestone")
    here = (event.installation_id, event.repository_id)
    return Changes((payloads.milestone(*here, value, deleted=event.deleted),))


def pull_request(event: Event) -> Changes:
    value = at(event.payload, "pull_request")
    row = payloads.pull_request(event.installation_id, event.repository_id, value)
    return Changes((row, *_milestone_of(event, value)))


def pull_request_review(event: Event) -> Changes:
    review, pull = at(event.payload, "review"), at(event.payload, "pull_request")
    here = (event.installation_id, event.repository_id)
    on = payloads.number(at(pull, "number"), "pull_request.number")
    return Changes(
        (payloads.pull_request(*here, pull), payloads.review(*here, on, review)),
        texts=_written(event, "review", review, on, actions=("submitted", "edited")),
    )


def pull_request_review_comment(event: Event) -> Changes:
    comment, pull = at(event.payload, "comment"), at(event.payload, "pull_request")
    here = (event.installation_id, event.repository_id)
    on = payloads.number(at(pull, "number"), "pull_request.number")
    return Changes(
        (
            payloads.pull_request(*here, pull),
            payloads.review_comment(*here, on, comment, deleted=event.deleted),
        ),
        texts=_written(event, "review_comment", comment, on, actions=("created", "edited")),
    )


def repository(event: Event) -> Changes:
    # The row itself comes with every event; a rename has it under its new name.
    if not event.deleted:
        return Changes()
    value = at(event.payload, "repository")
    return Changes((payloads.repository(event.installation_id, value, deleted=True),))


def installation(event: Event) -> Changes:
    row = payloads.installation(at(event.payload, "installation"), deleted=event.deleted)
    asks = (READ_REPOSITORIES,) if event.action == "created" else ()
    return Changes((row, *_named(event, "repositories")), asks)


READ_REPOSITORIES = Ask("installation_repositories", "", {})


def installation_repositories(event: Event) -> Changes:
    removed = at(event.payload, "repositories_removed")
    return Changes(
        (
            payloads.installation(at(event.payload, "installation")),
            *_named(event, "repositories_added"),
        ),
        asks=(READ_REPOSITORIES,),
        selected=(
            *((row.row["id"], 1) for row in _named(event, "repositories_added")),
            *((payloads.number(at(r, "id"), "repository.id"), 0) for r in _listed(removed)),
        ),
    )


def ping(_: Event) -> Changes:
    return Changes()


EVENTS: dict[str, Handler] = {
    "installation": installation,
    "installation_repositories": installation_repositories,
    "issue_comment": issue_comment,
    "issues": issues,
    "label": label,
    "milestone": milestone,
    "ping": ping,
    "pull_request": pull_request,
    "pull_request_review": pull_request_review,
    "pull_request_review_comment": pull_request_review_comment,
    "repository": repository,
}


def changes_of(name: str, event: Event) -> Changes | None:
    """What a delivery changes; None for one that is only kept. Raise Malformed."""
    handler = EVENTS.get(name)
    if handler is None:
        return None
    found = handler(event)
    if at(event.payload, "repository") is None:
        return found
    # First, so that the rows of a repository never stand there without it.
    value = at(event.payload, "repository")
    first = payloads.repository(event.installation_id, value)
    account = payloads.account(event.installation_id, at(value, "owner"))
    return replace(found, rows=(account, first, *found.rows))


def ask_repository(kind: str, repository_id: int) -> Ask:
    return Ask(kind, str(repository_id), {"repository_id": repository_id})


def _milestone_of(event: Event, value: Json) -> tuple[Mirrored, ...]:
    milestone = at(value, "milestone")
    if not isinstance(milestone, dict):
        return ()
    return (payloads.milestone(event.installation_id, event.repository_id, milestone),)


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _named(event: Event, name: str) -> tuple[Mirrored, ...]:
    """Repositories of which only the name is told: whatever else is said of them beats it."""
    return tuple(
        payloads.repository(event.installation_id, each)
        for each in _listed(at(event.payload, name))
    )


def _written(
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
