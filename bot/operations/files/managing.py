"""What people do with files: they list them, and delete what should not be there."""

from typing import Annotated

from pydantic import Field

from bot.errors import Refused
from bot.identity import permissions
from bot.kernel.operation import Answer, Context, operation
from bot.kernel.pagination import Cursor, Limit, decode, encode
from bot.operations.files import access
from bot.operations.files.views import File, FileId, file_view
from store.files import attachments, usage

# Greater than any id of a file.
NEWEST = "f~"


class AttachmentList(Answer):
    of_mirror = False

    files: list[File]
    size: int = Field(description="bytes of all files of this owner")
    next_cursor: str | None = None


class DeletedFile(Answer):
    of_mirror = False

    deleted: str


@operation(reads_only=True)
async def list_attachments(
    ctx: Context,
    owner: Annotated[
        str | None, Field(max_length=120, description="whose: an agent's id or @login; yours")
    ] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> AttachmentList:
    """Return the files of an agent or a person that you may read, the newest first."""
    who, here = owner or ctx.actor.name, (ctx.tx, ctx.installation_id)
    rows = await attachments.page(*here, who, decode(cursor) or NEWEST, limit + 1)
    page = rows[:limit]
    shown = page
    if not permissions.leads_everywhere(ctx.actor):
        shown = await access.readable(ctx, page, [row["id"] for row in page])
    return AttachmentList(
        files=[file_view(row) for row in shown],
        size=(await usage.of(*here, who))["size"] if shown else 0,
        next_cursor=encode(page[-1]["id"]) if len(rows) > limit else None,
    )


@operation(idempotent=True, destructive=True)
async def delete_attachment(ctx: Context, attachment_id: FileId) -> DeletedFile:
    """Delete a file from everything that it is attached to. Its addresses stop working."""
    if not permissions.leads_everywhere(ctx.actor):
        raise Refused(
            "forbidden",
            "A file may be on what you cannot see. Tech-leads of all repositories may delete it.",
            **permissions.missing(ctx.actor, ctx.operation),
        )
    row = await attachments.get(ctx.tx, ctx.installation_id, attachment_id)
    if row is None:
        raise access.unknown(attachment_id)
    await attachments.remove(ctx.tx, row, ctx.now)
    return DeletedFile(deleted=attachment_id)
