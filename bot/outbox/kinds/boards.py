"""Items of a project board: add one, and set its Status."""

from typing import Any

from bot.github.payloads import at, maybe_number
from bot.github.requests import Request
from bot.outbox.kinds.kind import Kind, Result, Sending, rest

ITEMS = "/orgs/{owner}/projectsV2/{project}/items"


def _item_result(data: Any) -> Result:
    return {"item_id": maybe_number(at(data, "id"))}


def _status_request(sending: Sending) -> Request:
    arguments = sending.arguments
    item = arguments.get("item_id") or sending.before.get("item_id")
    change = {"id": arguments["field_id"], "value": arguments["option_id"]}
    return Request("PATCH", f"{sending.path(ITEMS)}/{item}", {"fields": [change]})


KINDS = {
    # If the board has the item already, GitHub answers with that item.
    "board_item": Kind(
        "organization_projects: write",
        rest("POST", ITEMS, lambda s: {"type": s.arguments["type"], "id": s.arguments["id"]}),
        _item_result,
        overwrites="all",
    ),
    "board_status": Kind(
        "organization_projects: write", _status_request, _item_result, overwrites="all"
    ),
}
