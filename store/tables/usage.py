"""What agents report of their use of models, and what the caps on it stop."""

from typing import Annotated, Literal, TypeAlias, TypedDict

from store.tables.columns import KEY, SMALL, Index, Table, Text

# Whose use a sum counts. The subject is the id of the task, agent or repository.
Scope: TypeAlias = Literal["task", "agent", "repository", "installation"]
# How near a sum is to its cap. Nothing of `ok` is stored.
OK, WARN, DRAIN, STOP = range(4)


class UsageReportRow(TypedDict):
    """One report. `cost` is in millionths of the currency."""

    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    agent_id: Annotated[str, Text(120)]
    task_id: Annotated[str | None, Text(40)]
    repository_id: int | None
    model: Annotated[str, Text(100)]
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: int
    currency: Annotated[str, Text(3)]
    at: int


class UsageSumRow(TypedDict):
    """The sum of reports, of a day since 1970 in UTC, or of all days if `day` is 0."""

    installation_id: Annotated[int, KEY]
    scope: Annotated[Scope, KEY, Text(20)]
    subject: Annotated[str, KEY, Text(120)]
    day: Annotated[int, KEY]
    currency: Annotated[str, KEY, Text(3)]
    reports: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: int
    last_at: int


class SpendHoldRow(TypedDict):
    """A cap that reported spend came near or reached.

    `repository_id` 0, `agent_id` '' and `task_id` '' mean all of the installation. `scope` and
    `day` are those of the sum, and `cap` is in millionths of the currency.
    """

    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    agent_id: Annotated[str, KEY, Text(120)]
    task_id: Annotated[str, KEY, Text(40)]
    scope: Annotated[Scope, Text(20)]
    day: int
    # One of WARN, DRAIN and STOP.
    level: Annotated[int, SMALL]
    cap: int
    currency: Annotated[str, Text(3)]
    since: int


TABLES = (
    Table(
        "usage_reports",
        UsageReportRow,
        Index("ix_usage_reports_task", "installation_id", "task_id", "agent_id"),
    ),
    Table("usage_sums", UsageSumRow, Index("ix_usage_sums_last", "last_at")),
    Table("spend_holds", SpendHoldRow),
)
