"""Boards on the simulated GitHub."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.github_client import Acme, open_acme

BOARDS = "/orgs/acme/projectsV2"


@pytest.fixture
async def acme(openapi: Path | None) -> AsyncIterator[Acme]:
    async with open_acme(openapi) as found:
        found.github.hold_deliveries()
        yield found
        assert found.github.violations == []


def board_events(acme: Acme) -> list[tuple[str, str | None]]:
    return [
        (e.event, e.action) for e in acme.github.held_deliveries if e.event.startswith("projects")
    ]


def last(acme: Acme) -> dict[str, Any]:
    return acme.github.held_deliveries[-1].payload


async def test_a_change_of_status_says_from_what_to_what(acme: Acme) -> None:
    project = acme.ada.create_project("acme", "Work", ["Todo", "Doing", "Done"])
    item = acme.ada.add_to_project(project, acme.ada.open_issue(acme.web, "Task"))
    acme.ada.set_status(item, "Todo")
    acme.clock.forward(5)
    acme.ada.set_status(item, "Done")
    change = last(acme)["changes"]["field_value"]
    assert (change["field_name"], change["field_type"]) == ("Status", "single_select")
    assert change["project_number"] == 1
    assert (change["from"]["name"], change["to"]["name"]) == ("Todo", "Done")
    assert last(acme)["projects_v2_item"]["updated_at"] == item.updated_at > item.created_at
    assert "repository" not in last(acme)
    assert last(acme)["organization"]["login"] == "acme"
    fields = (await acme.call("GET", f"{BOARDS}/1/fields")).data
    assert fields[3]["node_id"] == change["field_node_id"]
    assert [each["name"]["raw"] for each in fields[3]["options"]] == ["Todo", "Doing", "Done"]
    acme.ada.set_status(item, None)
    assert last(acme)["changes"]["field_value"]["to"] is None
    assert item.status is None


async def test_a_board_is_told_of_from_its_making_to_its_end(acme: Acme) -> None:
    project = acme.ada.create_project("acme", "Work")
    acme.ada.rename_project(project, "Plan")
    assert last(acme)["changes"] == {"title": {"from": "Work", "to": "Plan"}}
    acme.ada.close_project(project)
    acme.ada.reopen_project(project)
    acme.ada.delete_project(project)
    actions = ["created", "edited", "closed", "reopened", "deleted"]
    assert board_events(acme) == [("projects_v2", each) for each in actions]
    assert (await acme.call("GET", BOARDS)).data == []


async def test_an_item_is_archived_restored_and_deleted(acme: Acme) -> None:
    project = acme.ada.create_project("acme", "Work")
    issue = acme.ada.open_issue(acme.web, "Task")
    item = acme.ada.add_to_project(project, issue)
    assert acme.ada.add_to_project(project, issue) is item
    acme.ada.archive_item(item)
    assert last(acme)["changes"]["archived_at"] == {"from": None, "to": item.archived_at}
    listed = (await acme.call("GET", f"{BOARDS}/1/items")).data
    assert [each["archived_at"] for each in listed] == [item.archived_at]
    acme.ada.restore_item(item)
    acme.ada.delete_item(item)
    actions = ["created", "archived", "restored", "deleted"]
    assert board_events(acme)[1:] == [("projects_v2_item", each) for each in actions]


async def test_a_deleted_issue_is_on_no_board(acme: Acme) -> None:
    project = acme.ada.create_project("acme", "Work")
    issue = acme.ada.open_issue(acme.web, "Task")
    acme.ada.add_to_project(project, issue)
    acme.ada.delete_issue(issue)
    assert board_events(acme)[-1] == ("projects_v2_item", "deleted")
    assert project.items == {}


async def test_items_are_walked_by_cursors(acme: Acme) -> None:
    project = acme.ada.create_project("acme", "Work")
    for number in range(7):
        acme.ada.add_to_project(project, acme.ada.open_issue(acme.web, f"Task {number}"))
    fields = project.status_field.id
    path, found, steps = f"{BOARDS}/1/items?per_page=3&fields={fields}", [], 0
    while path:
        answer = await acme.call("GET", path)
        found += [each["content"]["title"] for each in answer.data]
        assert all(each["fields"][0]["name"] == "Status" for each in answer.data)
        links = re.findall(r'<([^>]+)>; rel="next"', answer.headers.get("Link", ""))
        path, steps = links[0] if links else "", steps + 1
    assert found == [f"Task {number}" for number in range(7)]
    assert steps == 3
    back = re.findall(r'<([^>]+)>; rel="prev"', answer.headers["Link"])[0]
    titles = [each["content"]["title"] for each in (await acme.call("GET", back)).data]
    assert titles == ["Task 3", "Task 4", "Task 5"]


async def test_what_a_token_does_not_see_has_no_content(acme: Acme) -> None:
    hidden = acme.github.repository("acme/hidden", private=True)
    acme.github.set_permission("acme/hidden", "ada", "admin")
    project = acme.ada.create_project("acme", "Work")
    acme.ada.add_to_project(project, acme.ada.open_issue(hidden, "Secret"))
    (item,) = (await acme.call("GET", f"{BOARDS}/1/items")).data
    assert (item["content"], item["fields"]) == (None, [])


async def test_what_is_not_there_is_refused(acme: Acme) -> None:
    project = acme.ada.create_project("acme", "Work")
    item = acme.ada.add_to_project(project, acme.ada.open_issue(acme.web, "Task"))
    path, status = f"{BOARDS}/1/items/{item.id}", project.status_field.id
    for value in ({"id": status, "value": "nothing"}, {"id": 1, "value": "x"}):
        assert (await acme.call("PATCH", path, {"fields": [value]})).status == 422
    assert (await acme.call("GET", f"{BOARDS}/2/items")).status == 404
    assert (await acme.call("GET", "/orgs/nobody/projectsV2")).status == 404
    gone = {"type": "Issue", "id": 1}
    assert (await acme.call("POST", f"{BOARDS}/1/items", gone)).status == 404


async def test_a_renamed_status_keeps_its_id_and_is_not_told_of(acme: Acme) -> None:
    project = acme.ada.create_project("acme", "Work")
    before, sent = project.option("Done").id, len(acme.github.held_deliveries)
    acme.ada.rename_status(project, "Done", "Finished")
    fields = (await acme.call("GET", f"{BOARDS}/1/fields")).data
    option = fields[3]["options"][2]
    assert (option["id"], option["name"]["raw"]) == (before, "Finished")
    assert len(acme.github.held_deliveries) == sent


async def test_a_bare_webhook_names_only_the_field(acme: Acme) -> None:
    project = acme.ada.create_project("acme", "Work")
    item = acme.ada.add_to_project(project, acme.ada.open_issue(acme.web, "Task"))
    acme.ada.set_status(item, "Done", bare=True)
    assert last(acme)["changes"]["field_value"].keys() == {"field_node_id", "field_type"}
    assert item.status == "Done"


async def test_a_deleted_option_takes_its_values_along_and_returns_with_another_id(
    acme: Acme,
) -> None:
    project = acme.ada.create_project("acme", "Work")
    item = acme.ada.add_to_project(project, acme.ada.open_issue(acme.web, "Task"))
    acme.ada.set_status(item, "Done")
    before, sent = project.option("Done").id, len(acme.github.held_deliveries)
    acme.ada.delete_status(project, "Done")
    assert item.status is None
    acme.ada.add_status(project, "Done")
    assert project.option("Done").id != before
    assert len(acme.github.held_deliveries) == sent


async def test_fields_are_added_renamed_and_deleted_without_events(acme: Acme) -> None:
    project = acme.ada.create_project("acme", "Work")
    item = acme.ada.add_to_project(project, acme.ada.open_issue(acme.web, "Task"))
    sent = len(acme.github.held_deliveries)
    made = acme.ada.add_field(project, "Priority", ["High", "Low"])
    assert len(acme.github.held_deliveries) == sent
    acme.ada.set_field(item, "Priority", "High")
    acme.ada.rename_field(project, "Priority", "Urgency")
    listed = (await acme.call("GET", f"{BOARDS}/1/fields")).data
    assert [each["name"] for each in listed if each["id"] == made.id] == ["Urgency"]
    assert item.value_in("Urgency") == "High"
    acme.ada.delete_field(project, "Urgency")
    assert len((await acme.call("GET", f"{BOARDS}/1/fields")).data) == len(listed) - 1


async def test_the_boards_own_workflows_move_items_and_close_issues(acme: Acme) -> None:
    project = acme.ada.create_project("acme", "Work")
    project.workflows.item_added, project.workflows.item_closed = "Todo", "Done"
    project.workflows.item_reopened, project.workflows.closes = "In Progress", "Done"
    issue = acme.ada.open_issue(acme.web, "Task")
    item = acme.ada.add_to_project(project, issue)
    assert item.status == "Todo"
    assert last(acme)["sender"]["login"] == "github-project-automation[bot]"
    acme.ada.close(issue)
    assert item.status == "Done"
    acme.ada.reopen(issue)
    assert item.status == "In Progress"
    acme.ada.set_status(item, "Done")
    assert issue.state == "closed"


async def test_a_draft_becomes_an_issue_and_keeps_its_place(acme: Acme) -> None:
    project = acme.ada.create_project("acme", "Work")
    item = acme.ada.add_draft(project, "Idea")
    acme.ada.set_status(item, "Todo")
    (listed,) = (await acme.call("GET", f"{BOARDS}/1/items")).data
    assert (listed["content_type"], listed["content"]["title"]) == ("DraftIssue", "Idea")
    issue = acme.ada.convert_draft(item, acme.web)
    assert last(acme)["action"] == "converted"
    assert last(acme)["projects_v2_item"]["content_node_id"] == f"I_{issue.id}"
    assert (item.status, issue.title) == ("Todo", "Idea")


async def test_a_field_of_an_archived_item_cannot_be_set(acme: Acme) -> None:
    project = acme.ada.create_project("acme", "Work")
    item = acme.ada.add_to_project(project, acme.ada.open_issue(acme.web, "Task"))
    acme.ada.archive_item(item)
    value = {"id": project.status_field.id, "value": project.option("Done").id}
    refused = await acme.call("PATCH", f"{BOARDS}/1/items/{item.id}", {"fields": [value]})
    assert refused.status == 422
    assert "archived" in refused.data["message"]
