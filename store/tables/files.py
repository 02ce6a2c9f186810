"""Files that agents and people attach to messages, contexts and tasks."""

from typing import Annotated, Literal, TypeAlias, TypedDict

from store.tables.columns import KEY, SMALL, Default, Index, Json, Table, Text

# What a file can be attached to.
UseKind: TypeAlias = Literal["message", "context", "task"]
# Of the extracted text: not tried yet, there, or there is none.
TextState: TypeAlias = Literal["untried", "done", "none"]


class BlobRow(TypedDict):
    """One content of an installation, which is stored once. Its bytes are in `blob_chunks`."""

    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    digest: Annotated[str, Text(64)]
    size: int
    type: Annotated[str, Text(120)]
    # Width, height and duration, as far as they are known.
    facts: Json
    chunks: Annotated[int, SMALL]
    text_state: Annotated[TextState, Text(10), Default("'untried'")]
    # Why there is no text, or what it lacks.
    text_note: Annotated[str | None, Text(300)]
    created_at: int
    # Since when no attachment has it. None: one has.
    unused_since: int | None


class BlobChunkRow(TypedDict):
    """A part of the bytes, encrypted for its row. Parts -1, -2, … are of the extracted text."""

    installation_id: Annotated[int, KEY]
    blob_id: Annotated[str, KEY, Text(40)]
    part: Annotated[int, KEY, SMALL]
    key_id: Annotated[str, Text(20)]
    sealed: bytes


class UploadRow(TypedDict):
    """A file that is being uploaded. Its chunks are those of the blob with the same id."""

    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    owner: Annotated[str, Text(120)]
    name: Annotated[str, Text(200)]
    given_type: Annotated[str, Text(120)]
    size: int
    # What the caller expects, if it said so.
    digest: Annotated[str | None, Text(64)]
    # Bytes that are stored, without a gap.
    received: int
    created_at: int
    expires_at: int


class AttachmentRow(TypedDict):
    """A file by a name. `size`: what it counts to the quota of its owner."""

    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    blob_id: Annotated[str, Text(40)]
    name: Annotated[str, Text(200)]
    type: Annotated[str, Text(120)]
    size: int
    owner: Annotated[str, Text(120)]
    # What is odd about it: for example that the content has another type than the name says.
    note: Annotated[str | None, Text(300)]
    created_at: int
    # It goes at this time, if it is attached to nothing. None: it is attached.
    expires_at: int | None


class AttachmentUseRow(TypedDict):
    """That a file is attached to a message, a context or a task, which says who may read it."""

    installation_id: Annotated[int, KEY]
    kind: Annotated[UseKind, KEY, Text(10)]
    subject: Annotated[str, KEY, Text(40)]
    attachment_id: Annotated[str, KEY, Text(40)]


class FileUsageRow(TypedDict):
    """Bytes of all files of an agent or a person; of the installation, if `holder` is empty."""

    installation_id: Annotated[int, KEY]
    holder: Annotated[str, KEY, Text(120)]
    size: int
    files: int


TABLES = (
    Table(
        "blobs",
        BlobRow,
        Index("ix_blobs_digest", "installation_id", "digest", unique=True),
        Index("ix_blobs_unused", "installation_id", "unused_since"),
    ),
    Table("blob_chunks", BlobChunkRow, Index("ix_blob_chunks_key", "key_id")),
    Table("uploads", UploadRow, Index("ix_uploads_expiry", "installation_id", "expires_at")),
    Table(
        "attachments",
        AttachmentRow,
        Index("ix_attachments_blob", "installation_id", "blob_id"),
        Index("ix_attachments_owner", "installation_id", "owner", "id"),
        Index("ix_attachments_expiry", "installation_id", "expires_at"),
    ),
    Table(
        "attachment_uses",
        AttachmentUseRow,
        Index("ix_attachment_uses_file", "installation_id", "attachment_id"),
    ),
    Table("file_usage", FileUsageRow),
)
