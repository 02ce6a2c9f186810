"""The audit log, and the seals of its rows."""

from typing import Annotated, TypedDict

from store.tables.columns import KEY, SMALL, Default, Index, Json, Table, Text


class AuditRow(TypedDict):
    """A change of state or a refusal. Installation 0 has those that belong to no installation."""

    installation_id: Annotated[int, KEY]
    seq: Annotated[int, KEY]
    at: int
    actor: Annotated[str, Text(120)]
    operation: Annotated[str, Text(60)]
    subject: Annotated[str, Text(120)]
    data: Json
    # The id of the token or session, and where the request came from.
    credential: Annotated[str, Text(64), Default("''")]
    surface: Annotated[str, Text(20), Default("''")]
    remote: Annotated[str, Text(64), Default("''")]
    request: Annotated[str, Text(120), Default("''")]
    # done or refused; '' in rows that are older than this column.
    outcome: Annotated[str, Text(20), Default("''")]
    # The error code of a refusal.
    code: Annotated[str, Text(40), Default("''")]
    # How many equal refusals the row stands for.
    calls: Annotated[int, SMALL, Default("1")]
    hash: Annotated[str, Text(64), Default("''")]


class AuditSealRow(TypedDict):
    """Covers the rows with numbers above `after_seq`, up to `to_seq`."""

    installation_id: Annotated[int, KEY]
    number: Annotated[int, KEY]
    at: int
    after_seq: int
    to_seq: int
    # How many rows, the hash of their hashes, and the first characters of each.
    covered: int
    rows_hash: Annotated[str, Text(64)]
    marks: str
    previous: Annotated[str, Text(64)]
    # When retention deleted the rows that this seal and the ones before it cover.
    dropped_at: int | None
    # The hash of all columns above, and its signature with the key of a secret.
    hash: Annotated[str, Text(64)]
    key_id: Annotated[str, Text(16)]
    signature: Annotated[str, Text(64)]


TABLES = (
    Table(
        "audit",
        AuditRow,
        Index("ix_audit_subject", "installation_id", "subject", "actor"),
        Index("ix_audit_actor", "installation_id", "actor", "seq"),
        Index("ix_audit_operation", "installation_id", "operation", "seq"),
    ),
    Table("audit_seals", AuditSealRow),
)
