"""Creating a context, adding a version, and reading one."""

from typing import Annotated

from pydantic import Field

from bot.contexts import access, contents, versions
from bot.contexts.access import AccessibleContext
from bot.contexts.snapshots import version_in
from bot.errors import Refused
from bot.kernel.operation import Context, TaskRef, operation
from bot.operations.contexts.arguments import Content, ContextId, Name, Number, Remark
from bot.operations.contexts.views import (
    CreatedContext,
    OneContext,
    ReadContext,
    context_view,
    version_view,
)
from bot.operations.files import attaching
from bot.operations.files.views import FileIds, files_on
from bot.operations.tasks.access import visible_task
from bot.times import from_now, stamp
from store.contexts import contexts
from store.engine import ids
from store.tables.contexts import ContextRow

# The most versions that a history shows.
HISTORY = 100


@operation()
async def create_context(
    ctx: Context,
    name: Name,
    content: Content,
    task: TaskRef | None = None,
    note: Remark = "",
    attachments: FileIds = [],  # noqa: B006 - pydantic copies it
) -> CreatedContext:
    """Store a document of up to 1 MB. You and tech-leads can read it; share_context adds others."""
    bound = await visible_task(ctx, task) if task else None
    if await contexts.count_owned(ctx.tx, ctx.installation_id, ctx.actor.name) >= access.MOST_OWNED:
        raise access.too_many_error(
            f"You own {access.MOST_OWNED} contexts, which is the limit",
            access.MOST_OWNED,
            "Update one of them instead.",
        )
    made = contents.bytes_within_limit(content)
    row: ContextRow = {
        "installation_id": ctx.installation_id,
        "id": ids.new("c", ctx.now),
        "name": name,
        "owner": ctx.actor.name,
        "kind": contents.kind_of(content),
        "version": 1,
        "task_id": bound and bound["id"],
        "created_at": ctx.now,
        "updated_at": ctx.now,
    }
    await contexts.create(ctx.tx, row)
    await versions.add(ctx, row["id"], 1, made, note)
    new = await access.find(ctx, row["id"])
    files = await attaching.check(ctx, attachments)
    await attaching.attach(ctx, "context", row["id"], files)
    await access.record(ctx, new, "created", version=1)
    return CreatedContext(
        context=context_view(new), readable_by=access.readers(new, []), attachments=files
    )


@operation()
async def update_context(
    ctx: Context,
    context_id: ContextId,
    content: Content,
    expected_version: Annotated[Number, Field(description="the newest version you read")],
    note: Remark = "",
    attachments: FileIds = [],  # noqa: B006 - pydantic copies it
) -> OneContext:
    """Add a version after `expected_version`, which must be the newest.

    On version_conflict read the newest, merge and try again.
    """
    row = await access.find(ctx, context_id, "write")
    if contents.kind_of(content) != row["kind"]:
        must = "a text" if row["kind"] == "text" else "JSON other than a text"
        raise Refused(
            "invalid_arguments",
            f"`content` must be {must}, as in the first version of {context_id}.",
        )
    made = contents.bytes_within_limit(content)
    new = await advance(ctx, row, expected_version)
    await versions.add(ctx, context_id, new["version"], made, note)
    files = await attaching.check(ctx, attachments)
    await attaching.attach(ctx, "context", context_id, files)
    await access.record(ctx, new, "updated", version=new["version"])
    return OneContext(context=context_view(new), attachments=files)


async def advance(
    ctx: Context, row: AccessibleContext, expected: int | None = None
) -> AccessibleContext:
    """Reserve the next version's number. Return the context with this number. Raise Refused."""
    here = (ctx.tx, ctx.installation_id, row["id"])
    if not await contexts.advance(*here, ctx.now, expected=expected):
        raise await _conflict_error(ctx, row["id"], expected or 0)
    new = await access.find(ctx, row["id"], "write")
    if new["version"] > versions.MOST_VERSIONS:
        raise access.too_many_error(
            f"{row['id']} has {versions.MOST_VERSIONS} versions, which is the limit",
            versions.MOST_VERSIONS,
            "Create a new context.",
        )
    return new


async def _conflict_error(ctx: Context, context_id: str, expected: int) -> Refused:
    newest = (await access.find(ctx, context_id))["version"]
    rows = await versions.history(ctx, context_id, newest, 1)
    row = rows[0] if rows and rows[0]["version"] == newest else None
    at = stamp(row["at"]) if row else None
    by = f"by {row['author']} {from_now(row['at'], ctx.now)}" if row else "which was deleted"
    return Refused(
        "version_conflict",
        f"{context_id} is at version {newest}, {by}, not at {expected}. Read it, merge your "
        f"change, and pass expected_version {newest}. Nothing was changed.",
        version=newest,
        author=row["author"] if row else None,
        at=at,
    )


@operation(reads_only=True)
async def get_context(
    ctx: Context,
    context_id: ContextId,
    version: Number | None = None,
    snapshot_id: Annotated[
        ContextId | None, Field(description="the version in this snapshot")
    ] = None,
    history: Annotated[  # noqa: FBT002 - an argument by name
        bool, Field(description="list versions up to this number, not the content")
    ] = False,
    part: Annotated[int | None, Field(ge=1, description="this part of a long content")] = None,
) -> ReadContext:
    """Return the newest or another version of a context with its content."""
    row = await access.find(ctx, context_id)
    if snapshot_id is not None:
        version = await version_in(ctx, snapshot_id, context_id)
    if history:
        return await _history(ctx, row, version or row["version"])
    if version is None:
        read = await versions.read_newest(ctx, context_id, row["version"])
    else:
        read = await versions.read_exactly(ctx, row, version)
    content = read.value(row["kind"])
    found = ReadContext(
        context=context_view(row),
        version=version_view(read.version),
        content=content,
        broken=read.broken,
        history=[],
        attachments=(await files_on(ctx, "context", [context_id]))[context_id],
    )
    return found if part is None else _part(found, part)


# Characters: about 5,000 tokens.
PART = 20_000


def _part(whole: ReadContext, part: int) -> ReadContext:
    """The answer with one part of the content, as text. Raise Refused."""
    text = contents.canonical_bytes(whole.content).decode()
    parts = max(1, -(-len(text) // PART))
    if part > parts:
        raise Refused(
            "invalid_arguments",
            f"`part` must be at most {parts}, because the content has {parts} parts.",
        )
    content = text[(part - 1) * PART : part * PART]
    return whole.model_copy(update={"content": content, "part": part, "parts": parts})


async def _history(ctx: Context, row: AccessibleContext, upto: int) -> ReadContext:
    rows = await versions.history(ctx, row["id"], upto, HISTORY)
    if not rows:
        raise versions.unreadable(row["id"], upto)
    history = [version_view(each) for each in rows]
    return ReadContext(
        context=context_view(row), version=history[0], content=None, broken=[], history=history
    )
