"""An organization's project boards, their items, and the items' single-select fields."""

from bot.github.payloads import (
    Json,
    Mirrored,
    at,
    maybe_number,
    name,
    number,
    text,
    time,
    with_version,
)


def project(
    installation_id: int, value: Json, *, deleted: bool = False, read_at: int = 0
) -> Mirrored:
    updated = time(at(value, "updated_at"))
    row = {
        "installation_id": installation_id,
        "id": number(at(value, "id"), "project.id"),
        "node_id": text(at(value, "node_id"), 100),
        "number": maybe_number(at(value, "number")) or 0,
        "title": text(at(value, "title"), 1024),
        "closed": int(at(value, "closed_at") is not None or at(value, "state") == "closed"),
        "updated_at": updated,
    }
    return with_version("projects", row, updated, deleted=deleted, read_at=read_at)


def item(
    installation_id: int,
    value: Json,
    project_node_id: str,
    content_node_id: str,
    *,
    deleted: bool = False,
    read_at: int = 0,
) -> Mirrored:
    updated = time(at(value, "updated_at"))
    row = {
        "installation_id": installation_id,
        "id": number(at(value, "id"), "item.id"),
        "node_id": text(at(value, "node_id"), 100),
        "project_node_id": project_node_id,
        "content_node_id": content_node_id,
        "content_type": text(at(value, "content_type"), 40),
        "archived": int(at(value, "archived_at") is not None),
        "updated_at": updated,
    }
    return with_version("project_items", row, updated, deleted=deleted, read_at=read_at)


def value_of(
    installation_id: int,
    item_id: int,
    field: Json,
    option: Json,
    updated_at: int,
    *,
    read_at: int = 0,
) -> Mirrored:
    """The value of an item's single-select field. `option` is {id, name}, or null for no value."""
    called = at(option, "name")
    row = {
        "installation_id": installation_id,
        "item_id": item_id,
        "field": name(field, "field"),
        "name": text(at(called, "raw") if isinstance(called, dict) else called, 255),
        "option_id": text(at(option, "id"), 100),
        "updated_at": updated_at,
    }
    return with_version("project_values", row, updated_at, read_at=read_at)
