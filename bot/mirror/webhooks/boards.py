"""Project boards. The event of a changed Status usually carries the new value.

Older deliveries and some servers leave it out; then the item is read. What a person changed is also
a move, which may change the task.
"""

from bot.comments.authorship import is_bot
from bot.github import payloads
from bot.github.payloads import Json, Mirrored, at
from bot.mirror import reads
from bot.mirror.changes import BoardMove, Changes
from bot.mirror.rows import board_rows
from bot.mirror.webhooks.event import Event, sender_of


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
    sender = sender_of(event)
    changed = at(event.payload, "changes", "field_value")
    if at(changed, "field_type") != "single_select":
        return Changes((item,), sender=sender)
    moves = _moves(event, item, changed)
    if "to" not in changed:
        read = reads.board_item(item.row["id"])
        return Changes((item,), reads=(read,), board_moves=moves, sender=sender)
    status = board_rows.value_of(
        event.installation_id,
        item.row["id"],
        at(changed, "field_node_id"),
        _option(at(changed, "to")),
        item.row["updated_at"],
    )
    return Changes((item, status), board_moves=moves, sender=sender)


def _moves(event: Event, item: Mirrored, changed: Json) -> tuple[BoardMove, ...]:
    """What a person moved. An App acts for nobody, and a cleared field has no meaning."""
    sender, is_said = sender_of(event), "to" in changed
    if not sender.login or at(event.payload, "sender", "type") == "Bot" or is_bot(sender.login):
        return ()
    option, field = _option(at(changed, "to")), payloads.text(at(changed, "field_node_id"), 100)
    option_id = payloads.text(at(option, "id"), 100)
    if item.row["deleted"] or not field or (is_said and not option_id):
        return ()
    return (
        BoardMove(
            item_id=item.row["id"],
            project_node_id=item.row["project_node_id"],
            content_node_id=item.row["content_node_id"],
            field_node_id=field,
            option_id=option_id if is_said else None,
            option_name=payloads.text(at(option, "name"), 255),
            asker=sender.login,
            asker_id=sender.id,
            moved_at=item.row["updated_at"],
        ),
    )


def _option(value: Json) -> Json:
    return value if isinstance(value, dict) else None
