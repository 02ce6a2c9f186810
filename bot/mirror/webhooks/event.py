"""One webhook event as a value, and what several handlers need of a payload."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from bot.github import payloads
from bot.github.payloads import Json, Mirrored, at
from bot.mirror.changes import Changes, CommandText, Sender, TextEdit
from bot.mirror.rows import installation_rows, issue_rows
from store.mirror.text_edits import TextKey
from store.mirror.threads import TextKind


@dataclass(frozen=True)
class Event:
    """A delivery as handlers get it."""

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
    def is_deletion(self) -> bool:
        return self.action == "deleted"


Handler: TypeAlias = Callable[[Event], Changes]


def as_list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def milestone_of(event: Event, value: Json) -> tuple[Mirrored, ...]:
    milestone = at(value, "milestone")
    if not isinstance(milestone, dict):
        return ()
    return (issue_rows.milestone(*event.here, milestone),)


def named_repositories(event: Event, name: str) -> tuple[Mirrored, ...]:
    """Repositories that the event only names; any other delivery about one has newer content."""
    return tuple(
        installation_rows.repository(event.installation_id, each)
        for each in as_list(at(event.payload, name))
    )


def command_texts(
    event: Event, kind: str, value: Json, on: int, actions: tuple[str, ...]
) -> tuple[CommandText, ...]:
    """The text, if one of these actions wrote it; the sender may not be the author."""
    edited = event.action == "edited"
    if event.action not in actions or (edited and at(event.payload, "changes", "body") is None):
        return ()
    sender = at(event.payload, "sender")
    created = payloads.time(at(value, "created_at")) or payloads.time(at(value, "submitted_at"))
    updated = payloads.time(at(value, "updated_at"))
    return (
        CommandText(
            source_kind=kind,
            source_id=payloads.number(at(value, "id"), f"{kind}.id"),
            text=payloads.text(at(value, "body")),
            before=payloads.text(at(event.payload, "changes", "body", "from")),
            repository_id=event.repository_id,
            number=on,
            asker=payloads.text(at(sender, "login"), 100),
            asker_id=payloads.maybe_number(at(sender, "id")) or 0,
            by_bot=at(sender, "type") == "Bot" or at(value, "performed_via_github_app") is not None,
            written_at=(updated if edited else created) or created,
        ),
    )


def edits(event: Event, kind: TextKind, on: int, text_id: int = 0) -> tuple[TextEdit, ...]:
    """The edit that the event reports, if any. An opening text has the `text_id` 0."""
    changed = at(event.payload, "changes")
    if event.action != "edited" or not isinstance(changed, dict):
        return ()
    if changed.keys().isdisjoint(("body", "title")):
        return ()
    by = sender_of(event)
    return (TextEdit(TextKey(event.repository_id, on, kind, text_id), by.login, by.id),)


def sender_of(event: Event) -> Sender:
    sender = at(event.payload, "sender")
    login = payloads.login(sender)
    return Sender(login, payloads.maybe_number(at(sender, "id")) or 0, event.action)


def body_texts(event: Event, kind: str, value: Json) -> tuple[CommandText, ...]:
    """The text of an issue or pull request, if somebody wrote or edited it.

    An issue that comes from another repository was opened there.
    """
    if at(event.payload, "changes", "old_issue") is not None:
        return ()
    on = payloads.number(at(value, "number"), f"{kind}.number")
    return command_texts(event, kind, value, on, actions=("opened", "edited"))
