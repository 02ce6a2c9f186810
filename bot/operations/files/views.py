"""What answers show of files."""

from collections.abc import Collection, Sequence
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, Field

from bot.files.rules import MOST_ON_ONE
from bot.kernel.operation import Context
from bot.times import stamp
from store.files import attachments
from store.files.attachments import FullAttachment
from store.tables.files import UseKind

FileId: TypeAlias = Annotated[str, Field(max_length=64, description="the file's id or SHA-256")]
FileIds: TypeAlias = Annotated[
    list[Annotated[str, Field(max_length=40)]],
    Field(max_length=MOST_ON_ONE, description="by attach_file"),
]


class FileName(BaseModel):
    """A file where what it is attached to is shown."""

    id: str
    name: str
    type: str
    size: int


# Left out of an answer where there is none.
Files: TypeAlias = Annotated[
    Sequence[FileName], Field(description="what is attached", exclude_if=lambda files: not files)
]


class File(FileName):
    sha256: str
    owner: str
    created_at: str
    note: str | None = Field(None, description="what is odd about it")


def file_name(row: FullAttachment) -> FileName:
    return FileName(id=row["id"], name=row["name"], type=row["type"], size=row["size"])


def file_view(row: FullAttachment) -> File:
    return File(
        **file_name(row).model_dump(),
        sha256=row["digest"],
        owner=row["owner"],
        created_at=stamp(row["created_at"]),
        note=row["note"],
    )


def uri(row: FullAttachment) -> str:
    return f"hubbub://blob/{row['digest']}"


def resource_link(shown: File) -> dict[str, Any]:
    """The file as MCP names one in its content."""
    return {
        "type": "resource_link",
        "uri": f"hubbub://blob/{shown.sha256}",
        "name": shown.name,
        "mimeType": shown.type,
        "size": shown.size,
    }


async def files_on(
    ctx: Context, kind: UseKind, subjects: Collection[str]
) -> dict[str, list[FileName]]:
    """The files on these messages, contexts or tasks, by what they are on."""
    found: dict[str, list[FileName]] = {each: [] for each in subjects}
    for row in await attachments.attached_to(ctx.tx, ctx.installation_id, kind, subjects):
        found[row["subject"]].append(file_name(row))
    return found
