"""What agents decided about pull requests. All agents are one App, so GitHub cannot count it."""

from typing import Annotated, TypedDict

from store.tables.columns import KEY, Index, Table, Text


class VerdictRow(TypedDict):
    installation_id: Annotated[int, KEY]
    # The write that posts the review. If it fails, the verdict does not count.
    write_id: Annotated[str, KEY, Text(40)]
    repository_id: int
    number: int
    # An agent's id, or a person's @login.
    reviewer: Annotated[str, Text(120)]
    # approved, changes_requested or commented.
    verdict: Annotated[str, Text(20)]
    # The commit that the reviewer looked at.
    head_sha: Annotated[str, Text(64)]
    at: int


TABLES = (
    Table(
        "verdicts",
        VerdictRow,
        Index("ix_verdicts_number", "installation_id", "repository_id", "number"),
    ),
)
