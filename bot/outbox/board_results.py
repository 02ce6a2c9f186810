"""What a write to a board means for the mirror.

The answer is put into the mirror at once, with the time that GitHub gave. So the webhook about it
brings nothing new, and what somebody else set after it is known to be later.
"""

from typing import Any

from bot.github.payloads import Mirrored
from bot.mirror import reads
from bot.mirror.rows import board_rows
from bot.tasks import board_sync
from bot.times import stamp
from store.engine.transaction import Tx
from store.mirror import mirror_rows, projects, stored_installations, stored_issues
from store.outbox import writes
from store.tables.outbox import WriteRow
from store.tasks import tasks

KINDS = (board_sync.ADD, board_sync.KIND)


async def lock(tx: Tx, write: WriteRow) -> None:
    """Rows of boards name no repository, so the installation's row is locked for them."""
    if write["kind"] in KINDS:
        await stored_installations.lock_installation(tx, write["installation_id"])


async def apply_success(tx: Tx, write: WriteRow, result: dict[str, Any]) -> None:
    if write["kind"] not in KINDS or not result.get("updated_at"):
        return
    found = await (_item if write["kind"] == board_sync.ADD else _value)(tx, write, result)
    if found is not None:
        await mirror_rows.put(tx, found.table, found.row)


async def _item(tx: Tx, write: WriteRow, result: dict[str, Any]) -> Mirrored | None:
    i, given = write["installation_id"], write["arguments"]
    project = await projects.by_number(tx, i, given["project"])
    issue = await stored_issues.by_id(tx, i, given["id"]) if given["type"] == "Issue" else None
    if project is None or issue is None or not result.get("node_id"):
        return None
    shown = {
        "id": result["item_id"],
        "node_id": result["node_id"],
        "content_type": given["type"],
        "updated_at": stamp(result["updated_at"]),
    }
    nodes = (project["node_id"], issue["node_id"])
    return board_rows.item(i, shown, *nodes, read_at=await tx.now())


async def _value(tx: Tx, write: WriteRow, result: dict[str, Any]) -> Mirrored | None:
    i, given = write["installation_id"], write["arguments"]
    project = await projects.by_number(tx, i, given["project"])
    known = await projects.fields(tx, i, project["id"]) if project else []
    field = next((each for each in known if each["id"] == given["field_id"]), None)
    if field is None:
        return None
    option = next((o for o in field["options"] if o["id"] == given["option_id"]), None)
    if option is None:
        return None
    where, at = (result["item_id"], field["node_id"]), result["updated_at"]
    return board_rows.value_of(i, *where, option, at, read_at=await tx.now())


async def apply_failure(tx: Tx, write: WriteRow, *, is_cancelled: bool) -> None:
    """Read again what GitHub refused to change. What was cancelled is queued again by the bot."""
    if write["kind"] not in KINDS:
        return
    if not is_cancelled:
        await _read_again(tx, write)
    elif write["task_id"] is not None:
        shown = await tasks.get(tx, write["installation_id"], write["task_id"])
        if shown is not None:
            await board_sync.show(tx, shown, writes.AGENTS)


async def _read_again(tx: Tx, write: WriteRow) -> None:
    """A field, an option, the item or the project may be gone, and no event has said so."""
    i, given = write["installation_id"], write["arguments"]
    if (project := await projects.by_number(tx, i, given["project"])) is not None:
        await reads.queue(tx, i, reads.board_fields(project["number"], project["id"]))
    if (write["error"] or {}).get("details", {}).get("status") == 404:
        await reads.queue(tx, i, reads.ALL_PROJECTS)
    if given.get("item_id"):
        await reads.queue(tx, i, reads.board_item(given["item_id"]))
