"""Where people get notifications, what they were told, and what is still to be sent."""

from typing import Annotated, Literal, TypeAlias, TypedDict

from store.tables.columns import KEY, SMALL, Default, Flag, Index, Json, Table, Text

TargetKind: TypeAlias = Literal["webhook", "slack", "discord", "teams", "mail"]
# `stopped`: Hubbub stopped it, because it is gone.
TargetState: TypeAlias = Literal["active", "paused", "stopped"]
NotificationState: TypeAlias = Literal["waiting", "sending", "sent", "dead"]


class NotificationTargetRow(TypedDict):
    """`sealed` has the address and the secret: see `bot.notifications.targets`."""

    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    kind: Annotated[TargetKind, Text(20)]
    name: Annotated[str, Text(60)]
    # The part of the address that is no secret.
    shown: Annotated[str, Text(255)]
    sealed: bytes
    rules: Json
    state: Annotated[TargetState, Text(20)]
    # Why it is stopped.
    why: Annotated[str | None, Text(300)]
    created_at: int
    created_by: Annotated[str, Text(120)]
    # When the state was last set. It is told of what began after this time.
    since: int


class NoticedItemRow(TypedDict):
    """What needed a person when Hubbub looked last. `item`: in words, as it was first noticed."""

    installation_id: Annotated[int, KEY]
    item_key: Annotated[str, KEY, Text(255)]
    kind: Annotated[str, Text(40)]
    repository_id: int | None
    began: int
    item: Json


class NotificationRow(TypedDict):
    """One message to one target. While it waits, it collects `entries`."""

    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    target_id: Annotated[str, Text(40)]
    # Passes quiet hours.
    urgent: Flag
    state: Annotated[NotificationState, Text(20)]
    entries: Json
    # Entries that found no place.
    more: Annotated[int, SMALL, Default("0")]
    # When it is sent; while it is being sent, when another process may try.
    not_before: int
    attempts: Annotated[int, SMALL, Default("0")]
    created_at: int
    ended_at: int | None
    # Why the last attempt failed.
    error: Annotated[str | None, Text(300)]


class NotificationSweepRow(TypedDict):
    """When Hubbub looks next whether something new needs a person."""

    installation_id: Annotated[int, KEY]
    due_at: int


TABLES = (
    Table("notification_targets", NotificationTargetRow),
    Table("noticed_items", NoticedItemRow),
    Table(
        "notifications",
        NotificationRow,
        Index("ix_notifications_due", "state", "not_before"),
        Index("ix_notifications_target", "installation_id", "target_id", "state", "ended_at"),
        Index("ix_notifications_state", "installation_id", "state", "ended_at"),
    ),
    Table(
        "notification_sweeps", NotificationSweepRow, Index("ix_notification_sweeps_due", "due_at")
    ),
)
