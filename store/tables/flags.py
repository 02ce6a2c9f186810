"""Feature flags: what the operator set, and how calls with a flag on and off ended."""

from typing import Annotated, Literal, TypeAlias, TypedDict

from store.tables.columns import KEY, SMALL, Flag, Index, Table, Text

# `fallen_back`: Hubbub turned it off, because calls failed more often with it.
FlagState: TypeAlias = Literal["on", "off", "fallen_back"]


class FeatureFlagRow(TypedDict):
    """What was set for one installation, or for all others if `installation_id` is 0."""

    installation_id: Annotated[int, KEY]
    name: Annotated[str, KEY, Text(40)]
    state: Annotated[FlagState, Text(20)]
    # Of the installations, while the state is `on`.
    percentage: Annotated[int, SMALL]
    changed_at: int
    changed_by: Annotated[str, Text(120)]
    why: Annotated[str, Text(255)]


class FlagCountRow(TypedDict):
    """How calls of an installation ended in an hour since 1970, with the flag on or off."""

    installation_id: Annotated[int, KEY]
    name: Annotated[str, KEY, Text(40)]
    is_on: Annotated[Flag, KEY]
    hour: Annotated[int, KEY]
    calls: int
    errors: int


TABLES = (
    Table("feature_flags", FeatureFlagRow),
    Table("flag_counts", FlagCountRow, Index("ix_flag_counts_hour", "hour", "name")),
)
