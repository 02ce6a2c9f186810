"""Items of a project board: add one, and set its Status."""

from typing import Any

from bot.github.payloads import at, maybe_number, text, time
from bot.github.requests import Request
from bot.outbox.kinds.kind import Kind, Mutation, Result, Sending, big_number, rest
from bot.tasks import board_sync
from store.engine.transaction import Tx
from store.mirror import projects, stored_issues
from store.tables.boards import ProjectRow

ITEMS = "/orgs/{owner}/projectsV2/{project}/items"


def _item_result(data: Any) -> Result:
    """`updated_at` is 0 if the answer has no time: then the mirror waits for the webhook."""
    return {"item_id": maybe_number(at(data, "id")), "updated_at": time(at(data, "updated_at"))}


def _added_result(data: Any) -> Result:
    return _item_result(data) | {"node_id": text(at(data, "node_id"), 100)}


def _status_request(sending: Sending) -> Request:
    arguments = sending.arguments
    item = arguments.get("item_id") or sending.before.get("item_id")
    change = {"id": arguments["field_id"], "value": arguments["option_id"]}
    return Request("PATCH", f"{sending.path(ITEMS)}/{item}", {"fields": [change]})


async def _project(tx: Tx, sending: Sending) -> ProjectRow | None:
    return await projects.by_number(
        tx, sending.write["installation_id"], sending.arguments["project"]
    )


async def _add_item(tx: Tx, sending: Sending) -> Mutation | None:
    project = await _project(tx, sending)
    here, arguments = sending.write["installation_id"], sending.arguments
    is_issue = arguments["type"] == "Issue"
    issue = await stored_issues.by_id(tx, here, arguments["id"]) if is_issue else None
    if project is None or issue is None or not (project["node_id"] and issue["node_id"]):
        return None
    ids = {"projectId": project["node_id"], "contentId": issue["node_id"]}
    return Mutation(
        "addProjectV2ItemById",
        ids,
        "item { id fullDatabaseId updatedAt }",
        lambda data: _item_in(data, "item") | {"node_id": text(at(data, "item", "id"), 100)},
    )


async def _set_status(tx: Tx, sending: Sending) -> Mutation | None:
    project, arguments = await _project(tx, sending), sending.arguments
    if project is None:
        return None
    here = (tx, sending.write["installation_id"])
    fields = await projects.fields(*here, project["id"])
    field = next((each for each in fields if each["id"] == arguments["field_id"]), None)
    item_id = arguments.get("item_id") or sending.before.get("item_id")
    item = await projects.item(*here, item_id) if item_id else None
    if field is None or item is None or item["project_node_id"] != project["node_id"]:
        return None
    given = {
        "projectId": project["node_id"],
        "itemId": item["node_id"],
        "fieldId": field["node_id"],
        "value": {"singleSelectOptionId": arguments["option_id"]},
    }
    return Mutation(
        "updateProjectV2ItemFieldValue",
        given,
        "projectV2Item { fullDatabaseId updatedAt }",
        lambda data: _item_in(data, "projectV2Item"),
    )


def _item_in(data: Any, name: str) -> Result:
    return {
        "item_id": big_number(at(data, name, "fullDatabaseId")),
        "updated_at": time(at(data, name, "updatedAt")),
    }


KINDS = {
    # If the board has the item already, GitHub answers with that item.
    "board_item": Kind(
        "organization_projects: write",
        rest("POST", ITEMS, lambda s: {"type": s.arguments["type"], "id": s.arguments["id"]}),
        _added_result,
        mutation=_add_item,
        overwrites="all",
    ),
    "board_status": Kind(
        "organization_projects: write",
        _status_request,
        _item_result,
        changes_nothing=board_sync.is_outdated,
        mutation=_set_status,
        overwrites="all",
    ),
}
