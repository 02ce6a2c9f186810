"""Who may read a file: its owner, and everybody who may read what it is attached to."""

from collections.abc import Sequence

from bot.contexts import access as contexts_access
from bot.errors import Refused
from bot.identity import permissions
from bot.kernel.operation import Context
from store.files import attachments, blobs
from store.files.attachments import FullAttachment
from store.messages import messages, receipts
from store.tables.files import AttachmentUseRow, UseKind
from store.tasks import tasks

# Of each file. Who may read it by one more use must ask who attached it.
MOST_USES = 200
MOST_TASKS_OF_PERSON = 50
# Characters of a SHA-256, in hexadecimal digits.
DIGEST = 64


def unknown(attachment_id: str) -> Refused:
    return Refused(
        "unknown_attachment",
        f"There is no file {attachment_id!r} that you may read. Its owner can attach it to a "
        "message to you, or to a task or context that you may read.",
    )


async def find(ctx: Context, attachment_id: str) -> FullAttachment:
    """A file that the actor may read, by its id or its SHA-256. Raise Refused."""
    if len(attachment_id) == DIGEST:
        return await _by_digest(ctx, attachment_id)
    row = await attachments.get(ctx.tx, ctx.installation_id, attachment_id)
    rows = [row] if row else []
    # Ask in any case, so that a file of others takes as long as none.
    if not await readable(ctx, rows, [attachment_id]):
        raise unknown(attachment_id)
    return rows[0]


async def _by_digest(ctx: Context, digest: str) -> FullAttachment:
    here = (ctx.tx, ctx.installation_id)
    blob = await blobs.by_hash(*here, digest)
    rows = await attachments.of_blob(*here, blob["id"] if blob else "", MOST_USES)
    if found := await readable(ctx, rows, [row["id"] for row in rows]):
        return found[0]
    raise unknown(digest)


async def readable(
    ctx: Context, rows: Sequence[FullAttachment], ids: Sequence[str]
) -> list[FullAttachment]:
    """Those of the files that the actor may read."""
    found = await attachments.uses(ctx.tx, ctx.installation_id, ids, MOST_USES)
    seen = {use["attachment_id"] for use in await _readable_uses(ctx, found)}
    # A token that is bound to repositories learns nothing of what its agent attached elsewhere.
    elsewhere = (
        {use["attachment_id"] for use in found} if ctx.actor.repositories is not None else set()
    )
    own = {row["id"] for row in rows if row["owner"] == ctx.actor.name} - elsewhere
    return [row for row in rows if row["id"] in seen | own]


async def visible_uses(ctx: Context, attachment_id: str) -> dict[UseKind, list[str]]:
    """On what the file is, as far as the actor may read that: ids by kind."""
    found = await attachments.uses(ctx.tx, ctx.installation_id, [attachment_id], MOST_USES)
    by_kind: dict[UseKind, list[str]] = {"task": [], "context": [], "message": []}
    for use in await _readable_uses(ctx, found):
        by_kind[use["kind"]].append(use["subject"])
    return by_kind


async def _readable_uses(ctx: Context, found: Sequence[AttachmentUseRow]) -> list[AttachmentUseRow]:
    by_kind: dict[UseKind, list[AttachmentUseRow]] = {"message": [], "context": [], "task": []}
    for use in found:
        by_kind[use["kind"]].append(use)
    may = {
        "message": await _messages(ctx, _subjects(by_kind["message"])),
        "context": await contexts_access.readable_ones(
            ctx.tx, ctx.actor, _subjects(by_kind["context"])
        ),
        "task": await _tasks(ctx, _subjects(by_kind["task"])),
    }
    return [use for use in found if use["subject"] in may[use["kind"]]]


def _subjects(uses: Sequence[AttachmentUseRow]) -> list[str]:
    # At least one, so that a file of others takes the same statements as none.
    return list({use["subject"] for use in uses}) or [""]


async def _messages(ctx: Context, ids: Sequence[str]) -> set[str]:
    """Messages that the actor sent or got, and people those about tasks that they may change."""
    here = (ctx.tx, ctx.installation_id)
    mine = set(await receipts.participating(*here, ids, ctx.actor.name))
    if not ctx.actor.is_person:
        return mine
    for message_id in [each for each in ids if each not in mine][:MOST_TASKS_OF_PERSON]:
        row = await messages.get(*here, message_id)
        if row and row["task_id"] and await _may_read_messages(ctx, row["task_id"]):
            mine.add(message_id)
    return mine


async def _may_read_messages(ctx: Context, task_id: str) -> bool:
    task = await tasks.visible(ctx.tx, ctx.installation_id, task_id, ctx.actor.known_repositories)
    if task is None:
        return False
    where = task["repository_id"]
    return permissions.allows(ctx.actor, "get_task_messages", repository_id=where)


async def _tasks(ctx: Context, ids: Sequence[str]) -> set[str]:
    reach = ctx.actor.known_repositories
    rows = await tasks.several(ctx.tx, ctx.installation_id, ids, reach)
    return {row["id"] for row in rows}
