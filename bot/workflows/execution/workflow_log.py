"""Records what happens to a workflow: its event, and its row of the audit."""

from typing import Any

from bot.audit import contents
from bot.kernel import event_recorder
from bot.kernel.notice_rules import Happening
from store.audit import records
from store.engine.transaction import Tx
from store.tables.workflows import WorkflowRow


async def record(tx: Tx, workflow: WorkflowRow, kind: str, actor: str, **data: Any) -> None:
    """Fields without a value are left out."""
    said = {
        "name": workflow["name"],
        "parent": workflow["parent_task_id"],
        **{name: value for name, value in data.items() if value is not None},
    }
    subject = workflow["id"]
    event = Happening(kind, subject, subject, actor, said, repository_id=workflow["repository_id"])
    await event_recorder.append(tx, workflow["installation_id"], event)
    shown = contents.visible(said)
    await records.append(tx, workflow["installation_id"], actor, kind, subject, data=shown)
