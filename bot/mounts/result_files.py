"""Keeps all of a result that was cut as a file, for the caller and for the task of its step."""

from bot.errors import Refused
from bot.files import storing
from bot.files.rules import MOST_ON_ONE
from bot.kernel.operation import Context
from bot.mounts.tool_results import Shown, Whole
from store.files import attachments
from store.files.attachments import FullAttachment
from store.tables.files import UseKind

# Bytes. A longer one is not kept: its chunks are written in one transaction.
LARGEST = 4 * 2**20
TASK: UseKind = "task"


async def keep(ctx: Context, tool: str, shown: Shown) -> FullAttachment | None:
    """The file with all of a result that was cut, if it can be kept. `shown` gets a note of it."""
    if shown.whole is None:
        return None
    row, note = await keep_whole(ctx, ctx.actor.name, tool, shown.whole)
    shown.notes.append(note)
    return row


async def keep_whole(
    ctx: Context, owner: str, tool: str, whole: Whole
) -> tuple[FullAttachment | None, str]:
    """The file, and the words about it. Without a file the words say why there is none."""
    content = whole.text.encode(errors="replace")
    name = f"{tool}.{'json' if whole.is_json else 'txt'}"
    if len(content) > LARGEST:
        return None, f"all of it was not kept as a file: it has more than {LARGEST} bytes"
    try:
        ctx.shared.files.check_size(len(content))
        row = await storing.store_whole(
            ctx.tx,
            ctx.shared.keys,
            ctx.shared.files,
            ctx.shared.rates.of(ctx.installation_id)[storing.FILE_BYTES],
            ctx.installation_id,
            owner,
            name,
            content,
        )
    except Refused as exc:
        return None, f"all of it was not kept as a file: {exc.message}"
    until = "" if await _attach(ctx, row) else ", for a day unless it is attached"
    return row, f"all of it is hubbub://blob/{row['digest']}; get_attachment reads it{until}"


async def _attach(ctx: Context, row: FullAttachment) -> bool:
    """Whoever may read the task of a step may read what its tool answered."""
    task, kind = ctx.for_task, TASK
    if task is None:
        return False
    here = (ctx.tx, ctx.installation_id, kind)
    if len(await attachments.attached_to(*here, [task])) >= MOST_ON_ONE:
        return False
    await attachments.attach(*here, task, [row["id"]])
    return True
