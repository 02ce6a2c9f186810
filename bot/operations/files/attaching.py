"""Storing a file, and attaching files to messages, contexts and tasks."""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, TypeAlias

from pydantic import BaseModel, Field

from bot.errors import Refused
from bot.files import links, storing
from bot.files.rules import LARGEST_IN_CALL, MOST_ON_ONE, UPLOAD_S
from bot.kernel.operation import Answer, Context, operation
from bot.kernel.patterns import Shape
from bot.operations.files import access
from bot.operations.files.views import File, FileName, file_name, file_view
from bot.times import SECOND, stamp
from store.files import attachments
from store.tables.files import UseKind

LARGEST_BASE64 = -(-LARGEST_IN_CALL // 3) * 4
HOW = (
    "PUT the bytes to `url`, all at once, or in parts with Content-Range: bytes first-last/size. "
    "A part that ends before the file must have a multiple of 262144 bytes. GET `url` says how "
    "much is stored. The answer to the last part has the file's id."
)


Digest: TypeAlias = Annotated[
    str,
    Field(max_length=64, description="of the upload"),
    Shape(r"^[0-9a-f]{64}$", "must be 64 hexadecimal digits in lower case"),
]


class Upload(BaseModel):
    url: str = Field(description="works for this file only, without a token")
    expires_at: str
    how: str = HOW


class AttachedFile(Answer):
    """`file`: what was stored. `upload`: where a large file goes."""

    of_mirror = False

    file: File | None = None
    upload: Upload | None = None


@operation()
async def attach_file(
    ctx: Context,
    name: Annotated[str, Field(min_length=1, max_length=300, description="the file's name")],
    text: Annotated[
        str | None, Field(max_length=LARGEST_IN_CALL, repr=False, description="the content")
    ] = None,
    base64: Annotated[
        str | None, Field(max_length=LARGEST_BASE64, repr=False, description="the content")
    ] = None,
    size: Annotated[
        int | None, Field(ge=1, description="bytes of a larger file, to get an upload address")
    ] = None,
    sha256: Digest | None = None,
) -> AttachedFile:
    """Store a file of up to 256 KiB, or get an address for a larger one.

    Its id goes into `attachments` of send_message, contexts or update_task_status within a day.
    """
    if [text, base64, size].count(None) != 2:
        raise Refused(
            "invalid_arguments",
            "Pass one of `text`, `base64` and `size`: `size` for files above "
            f"{LARGEST_IN_CALL} bytes.",
        )
    if size is not None:
        return await _begin_upload(ctx, name, size, sha256)
    content = text.encode() if text is not None else _decode(base64 or "")
    if len(content) > LARGEST_IN_CALL:
        raise Refused(
            "too_large",
            f"One call carries {LARGEST_IN_CALL} bytes of a file, and this one has "
            f"{len(content)}. Pass `size` instead, and upload it.",
            size=len(content),
            largest=LARGEST_IN_CALL,
        )
    shared = ctx.shared
    shared.files.check_size(len(content))
    row = await storing.store_whole(
        ctx.tx,
        shared.keys,
        shared.files,
        shared.rates.of(ctx.installation_id)[storing.FILE_BYTES],
        ctx.installation_id,
        ctx.actor.name,
        name,
        content,
    )
    return AttachedFile(file=file_view(row))


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise Refused("invalid_arguments", f"`base64` is not base64: {exc}.") from exc


async def _begin_upload(ctx: Context, name: str, size: int, sha256: str | None) -> AttachedFile:
    ctx.shared.files.check_size(size)
    row = await storing.begin_upload(
        ctx.tx,
        ctx.shared.rates.of(ctx.installation_id)[storing.FILE_BYTES],
        ctx.installation_id,
        ctx.actor.name,
        name,
        size,
        sha256,
    )
    path = links.upload(ctx.shared.keys, ctx.installation_id, row["id"], ctx.now)
    expires_at = stamp(ctx.now + UPLOAD_S * SECOND)
    return AttachedFile(
        upload=Upload(url=f"{ctx.shared.files.address}{path}", expires_at=expires_at)
    )


async def check(ctx: Context, ids: Sequence[str]) -> list[FileName]:
    """The files, if the actor may attach each of them. Raise Refused."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return []
    rows = await attachments.several(ctx.tx, ctx.installation_id, wanted)
    found = {row["id"]: row for row in await access.readable(ctx, rows, wanted)}
    for each in wanted:
        if each not in found:
            raise access.unknown(each)
    return [file_name(found[each]) for each in wanted]


async def attach(ctx: Context, kind: UseKind, subject: str, files: Sequence[FileName]) -> None:
    """Attach files that were checked. Raise Refused if there are too many."""
    if not files:
        return
    here = (ctx.tx, ctx.installation_id, kind)
    await attachments.attach(*here, subject, [each.id for each in files])
    if len(await attachments.attached_to(*here, [subject])) > MOST_ON_ONE:
        raise Refused(
            "too_many",
            f"A {kind} has at most {MOST_ON_ONE} files. Nothing was changed. Attach the others to "
            "another one.",
            most=MOST_ON_ONE,
        )
