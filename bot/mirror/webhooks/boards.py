"""Project boards. The event of a changed Status usually carries the new value.

Older deliveries and some servers leave it out; then the item is read.
"""

from bot.github import payloads
from bot.github.payloads import Json, at
from bot.mirror import reads
from bot.mirror.changes import Changes
from bot.mirror.rows import board_rows
from bot.mirror.webhooks.event import Event


def projects_v2(event: Event) -> Changes:
    value = at(event.payload, "projects_v2")
    project = board_rows.project(event.installation_id, value, deleted=event.is_deletion)
    if event.is_deletion:
        return Changes((project,))
    fields = reads.board_fields(project.row["number"], project.row["id"])
    return Changes((project,), reads=(fields,))


def projects_v2_item(event: Event) -> Changes:
    value = at(event.payload, "projects_v2_item")
    project_node = payloads.text(at(value, "project_node_id"), 100)
    item = board_rows.item(
        event.installation_id,
        value,
        project_node,
        payloads.text(at(value, "content_node_id"), 100),
        deleted=event.is_deletion,
    )
    changed = at(event.payload, "changes", "field_value")
    if at(changed, "field_type") != "single_select":
        return Changes((item,))
    if "to" not in changed:
        return Changes((item,), reads=(reads.board_item(item.row["id"]),))
    status = board_rows.value_of(
        event.installation_id,
        item.row["id"],
        at(changed, "field_node_id"),
        _option(at(changed, "to")),
        item.row["updated_at"],
    )
    return Changes((item, status))


def _option(value: Json) -> Json:
    return value if isinstance(value, dict) else None
