"""What the mirror learns of project boards."""

import json

import aiohttp

from tests.support.server_in_process import new_guid
from tests.support.server_process import signed_headers
from tests.support.story import Workspace


async def test_a_changed_status_without_its_new_value_is_read(workspace: Workspace) -> None:
    person, issue = workspace.person, await workspace.task()
    item = person.add_to_project(person.create_project("acme", "Work"), issue)
    person.set_status(item, "Todo")
    await workspace.settle()
    workspace.github.hold_deliveries()
    workspace.clock.forward(60)
    person.set_status(item, "Done")
    (edited,) = [e for e in workspace.github.held_deliveries if e.event == "projects_v2_item"]
    payload = edited.payload
    for name in ("from", "to"):
        del payload["changes"]["field_value"][name]
    body = json.dumps(payload).encode()
    secret = workspace.github.app.webhook_secret
    headers = signed_headers("projects_v2_item", body, new_guid(), secret)
    async with aiohttp.ClientSession() as session:
        url = workspace.github.app.webhook_url
        async with session.post(str(url), data=body, headers=headers) as response:
            assert response.status == 202
    await workspace.settle()
    (value,) = await workspace.rows("SELECT name FROM project_values WHERE installation_id = :i")
    assert value["name"] == "Done"
