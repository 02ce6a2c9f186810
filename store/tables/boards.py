"""Mirrored projects, their fields and items."""

from typing import Annotated, TypedDict

from store.tables.columns import KEY, Flag, Index, Json, Mirrored, Table, Text


class ProjectRow(Mirrored):
    installation_id: Annotated[int, KEY]
    id: Annotated[int, KEY]
    node_id: Annotated[str, Text(100)]
    number: int
    title: Annotated[str, Text(1024)]
    closed: Flag
    updated_at: int


class ProjectFieldRow(TypedDict):
    """As the newest read has them. `options`: a JSON list of {id, name}."""

    installation_id: Annotated[int, KEY]
    id: Annotated[int, KEY]
    project_id: int
    node_id: Annotated[str, Text(100)]
    name: Annotated[str, Text(255)]
    type: Annotated[str, Text(40)]
    options: Json


class ProjectItemRow(Mirrored):
    installation_id: Annotated[int, KEY]
    id: Annotated[int, KEY]
    node_id: Annotated[str, Text(100)]
    project_node_id: Annotated[str, Text(100)]
    content_node_id: Annotated[str, Text(100)]
    content_type: Annotated[str, Text(40)]
    archived: Flag
    updated_at: int


class ProjectValueRow(Mirrored):
    """An item's value in a single-select field, such as Status."""

    installation_id: Annotated[int, KEY]
    item_id: Annotated[int, KEY]
    field: Annotated[str, KEY, Text(100)]
    name: Annotated[str, Text(255)]
    option_id: Annotated[str, Text(100)]
    updated_at: int


class BoardSyncRow(TypedDict):
    """How a repository's tasks and the board in its settings follow each other.

    `known`: JSON, for each field what the options were that stood for its values, so that renamed
    ones are found again. `problem`: why the sync is off, if it is.
    """

    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    project: int
    known: Json
    problem: str | None
    problem_at: int | None
    # When the board's fields are read again, because no event says that somebody renamed an option.
    look_at: int
    # From when on the tasks are compared with the board, and the number of the last one that was.
    # NULL: no need.
    sweep_at: int | None
    sweep_after: int


TABLES = (
    Table(
        "projects",
        ProjectRow,
        Index("ix_projects_number", "installation_id", "number"),
    ),
    Table(
        "project_fields",
        ProjectFieldRow,
        Index("ix_project_fields_project", "installation_id", "project_id"),
    ),
    Table(
        "project_items",
        ProjectItemRow,
        Index("ix_project_items_content", "installation_id", "content_node_id"),
    ),
    Table("project_values", ProjectValueRow),
    Table(
        "board_syncs",
        BoardSyncRow,
        Index("ix_board_syncs_look", "look_at"),
        Index("ix_board_syncs_sweep", "sweep_at"),
    ),
)
