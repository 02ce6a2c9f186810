"""Foreign trackers whose issues become tasks, those issues, and what is reported back."""

from typing import Annotated, Literal, TypeAlias, TypedDict

from store.tables.columns import KEY, SMALL, Default, Index, Json, Table, Text

TrackerKind: TypeAlias = Literal["gitlab"]
TrackerState: TypeAlias = Literal["running", "paused"]
TrackerHealth: TypeAlias = Literal["unknown", "connected", "failing"]
# `waiting`: no task was made yet. `gone`: deleted or moved there, after two looks.
LinkState: TypeAlias = Literal["waiting", "linked", "gone"]
ReportKind: TypeAlias = Literal["comment", "close"]
# `sending`: a process sends it, or died before it recorded the outcome. `unknown`: look first.
ReportState: TypeAlias = Literal["queued", "sending", "unknown", "sent", "dropped", "dead"]


class TrackerRow(TypedDict):
    """One project there, mirrored into one repository. `sealed` has the token."""

    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    name: Annotated[str, Text(40)]
    kind: Annotated[TrackerKind, Text(20)]
    url: Annotated[str, Text(1000)]
    # Its id there, which a new name does not change, and its name for people.
    project: Annotated[str, Text(40)]
    project_name: Annotated[str, Text(255)]
    repository_id: int
    sealed: bytes
    # Who Hubbub is there.
    user_id: int
    state: Annotated[TrackerState, Text(20)]
    # Grows with each change by a person. A process with an older one records nothing.
    version: int
    health: Annotated[TrackerHealth, Text(20)]
    health_why: Annotated[str | None, Text(600)]
    failures: Annotated[int, SMALL, Default("0")]
    # The newest change that was read, in the time of the other side.
    cursor_at: int | None
    # The page to read next. 0: the last one was read.
    cursor_page: Annotated[int, Default("0")]
    # Which look at all issues this is, its next page, and when the next look begins.
    sweep: Annotated[int, Default("0")]
    sweep_page: Annotated[int, Default("0")]
    sweep_at: int
    etag: Annotated[str | None, Text(300)]
    # A hash of the settings by which the issues were compared last.
    rules: Annotated[str | None, Text(64)]
    # The last event of Hubbub that was followed.
    seq: Annotated[int, Default("0")]
    # When the next poll is due, and when the next work of any kind. NULL: paused.
    poll_at: int
    due_at: int | None
    # A process works on it until then. Another one goes on after it.
    taken_until: Annotated[int, Default("0")]
    # Until when the other side wants no requests.
    limited_until: Annotated[int, Default("0")]
    # When the next report may be sent.
    report_at: Annotated[int, Default("0")]
    last_poll_at: int | None
    last_failure_at: int | None
    created_by: Annotated[str, Text(120)]
    created_at: int
    updated_at: int


class TrackerLinkRow(TypedDict):
    """One issue there, and the task that it became."""

    installation_id: Annotated[int, KEY]
    tracker_id: Annotated[str, KEY, Text(40)]
    foreign_id: Annotated[str, KEY, Text(40)]
    number: int
    url: Annotated[str, Text(1000)]
    # When it changed last, in the time of the other side, and a hash of the content.
    version: int
    hash: Annotated[str, Text(64)]
    content: Json
    state: Annotated[LinkState, Text(20)]
    task_id: Annotated[str | None, Text(40)]
    # What Hubbub wrote here last, by field.
    written: Json | None
    # The write that is under way: its id and what `written` becomes.
    pending: Json | None
    # Fields that somebody changed here, so that they no longer follow.
    kept: Json
    # The look at all issues that saw it last.
    sweep: Annotated[int, Default("0")]
    # When it was missing first, and when to look at it alone.
    missing_at: int | None
    look_at: int | None
    # When to compare it with its task. NULL: when something changes.
    due_at: int | None
    # The last state that was reported there, how many were, and when the next may be sent.
    reported: Annotated[str | None, Text(80)]
    reports: Annotated[int, SMALL, Default("0")]
    report_at: Annotated[int, Default("0")]
    created_at: int
    updated_at: int


class TrackerReportRow(TypedDict):
    """One comment or change of state for the other side."""

    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    tracker_id: Annotated[str, Text(40)]
    foreign_id: Annotated[str, Text(40)]
    number: int
    kind: Annotated[ReportKind, Text(20)]
    # The state that it reports.
    about: Annotated[str, Text(80)]
    body: str
    state: Annotated[ReportState, Text(20)]
    attempts: Annotated[int, SMALL, Default("0")]
    # How often Hubbub looked for it since its outcome became unknown.
    looks: Annotated[int, SMALL, Default("0")]
    not_before: int
    created_at: int
    ended_at: int | None
    error: Annotated[str | None, Text(300)]


TABLES = (
    Table(
        "trackers",
        TrackerRow,
        Index("ix_trackers_name", "installation_id", "name", unique=True),
        # Over all installations, for the loop.
        Index("ix_trackers_due", "due_at"),
    ),
    Table(
        "tracker_links",
        TrackerLinkRow,
        Index("ix_tracker_links_due", "installation_id", "tracker_id", "due_at"),
        Index("ix_tracker_links_look", "installation_id", "tracker_id", "look_at"),
        Index("ix_tracker_links_state", "installation_id", "tracker_id", "state", "number"),
        Index("ix_tracker_links_task", "installation_id", "task_id"),
    ),
    Table(
        "tracker_reports",
        TrackerReportRow,
        Index(
            "ix_tracker_reports_next", "installation_id", "tracker_id", "state", "not_before", "id"
        ),
        Index("ix_tracker_reports_link", "installation_id", "tracker_id", "foreign_id", "state"),
        Index("ix_tracker_reports_ended", "state", "not_before"),
    ),
)
