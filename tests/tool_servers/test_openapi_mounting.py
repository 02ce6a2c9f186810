"""OpenAPI services as people add, change and refresh them, and as agents call their tools."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
import pytest

from bot.background import mount_looks
from bot.mounts import stored_documents
from bot.mounts.specs import spec_of
from bot.tool_servers.breakers import Guarded
from bot.tool_servers.connections import ByKind, ToolResult
from bot.tool_servers.openapi.servers import OpenApiServers
from store.mounts import mounts
from tests.support.agent_endpoints import lead
from tests.support.http_service import HttpService, document, http_service, json
from tests.support.story import Workspace
from tests.support.upstreams import remove_mounts

KEY = {"auth": "query", "auth_name": "key", "secret": "k3y-of-ours-0123456789"}
LIST = {
    "operationId": "listPets",
    "summary": "List pets",
    "parameters": [
        {"name": "kind", "in": "query", "schema": {"type": "string"}},
        {"name": "key", "in": "query", "required": True},
    ],
}
PETS = document(("GET /pets", LIST), ("DELETE /pets", {"operationId": "deletePets"}))


@pytest.fixture
async def service(workspace: Workspace) -> AsyncIterator[HttpService]:
    async with http_service() as found:
        read_document = partial(stored_documents.read, workspace.store)
        servers = OpenApiServers(found.network, read_document)
        shared = workspace.dispatcher.shared
        workspace.dispatcher.shared = replace(
            shared,
            trusted_origins=frozenset([found.origin]),
            outside=replace(shared.outside, tool_servers=Guarded(ByKind({"openapi": servers}))),
        )
        yield found
        await remove_mounts(workspace)
        await servers.close()


async def manage(workspace: Workspace, action: str, **given: Any) -> dict[str, Any]:
    return await lead(workspace).call("manage_mount", mount="pets", action=action, **given)


async def refusal(workspace: Workspace, action: str, **given: Any) -> str:
    refused = await lead(workspace).refusal(
        "manage_mount", **{"mount": "pets", "action": action, **given}
    )
    return str(refused.message)


async def call(workspace: Workspace, tool: str, **arguments: Any) -> ToolResult:
    """Call it as the stored server."""
    i, shared = workspace.installation.id, workspace.dispatcher.shared
    row = await workspace.store.read(lambda tx: mounts.by_name(tx, i, "pets"))
    assert row is not None
    assert shared.outside.tool_servers is not None
    spec = spec_of(shared.keys, row)
    return await shared.outside.tool_servers.call_tool(spec, tool, arguments, 5, 10_000)


def text(data: dict[str, Any] = PETS) -> str:
    return orjson.dumps(data).decode()


async def test_a_service_with_a_document_of_its_own_says_where_its_calls_go(
    workspace: Workspace, service: HttpService
) -> None:
    own = {**PETS, "servers": [{"url": f"{service.origin}/own"}]}
    await add(workspace, service)
    person = lead(workspace)
    (listed,) = (await person.call("list_mounts"))["mounts"]
    assert listed["url"] == f"{service.origin}/v1"
    assert (await person.call("get_mount", mount="pets"))["mount"]["url"] == listed["url"]
    await manage(workspace, "remove")
    given = {"kind": "openapi", "document": text(own), **KEY}
    await manage(workspace, "add", **given)
    shown = (await person.call("get_mount", mount="pets"))["mount"]
    assert shown["url"] == f"{service.origin}/own"


async def add(workspace: Workspace, service: HttpService, **more: Any) -> dict[str, Any]:
    options = {"base_url": f"{service.origin}/v1"} | more.pop("options", {})
    given = {"kind": "openapi", "options": options, "document": text(), **KEY, **more}
    return await manage(workspace, "add", **given)


async def test_a_service_is_added_by_its_document_and_its_tools_are_called(
    workspace: Workspace, service: HttpService
) -> None:
    made = await add(workspace, service, options={"methods": ["get"], "cache_s": 60})
    assert made["mount"]["tools"] == {"active": 1, "parked": 0, "removed": 0}
    assert made["options"]["base_url"] == f"{service.origin}/v1"
    assert made["options"]["service"]["methods"] == ["get"]
    seen = await lead(workspace).call("get_mount", mount="pets")
    (listed,) = seen["listed"]
    assert (listed["name"], listed["description"]) == ("listPets", "List pets. (GET /pets)")
    service.replies.append(json([{"name": "Rex"}]))
    answer = await call(workspace, "listPets", kind="dog")
    assert answer.structured == [{"name": "Rex"}]
    assert service.received[-1].target == f"/v1/pets?kind=dog&key={KEY['secret']}"
    rows = [await workspace.rows(f"SELECT * FROM {t}") for t in ("mounts", "audit", "mount_log")]
    assert KEY["secret"] not in str([made, seen, answer, rows])


@pytest.mark.parametrize("status", [401, 403])
async def test_a_credential_that_the_service_refuses_is_said_when_it_is_added(
    workspace: Workspace, service: HttpService, status: int
) -> None:
    service.replies += [json({}), json({"message": "no"}, status)]
    note = (await add(workspace, service))["credential_note"]
    assert f"listPets answered with status {status}" in note
    seen = await lead(workspace).call("get_mount", mount="pets")
    assert note in [each["text"] for each in seen["log"]]
    assert (await manage(workspace, "change", document=text(), **KEY))["credential_note"] is None
    untried = {"document": text(), "options": {"methods": ["delete"]}, **KEY}
    note = (await manage(workspace, "change", **untried))["credential_note"]
    assert "was not tried" in note


async def test_agents_find_and_call_the_tools_of_a_service(
    workspace: Workspace, service: HttpService
) -> None:
    await add(workspace, service)
    ada = await workspace.agent("ada")
    (found,) = (await ada.call("find_tools", query="list pets", limit=1))["tools"]
    assert found["name"] == "pets__listPets"
    service.replies.append(json([{"name": "Rex"}]))
    answer = await ada.call("call_tool", tool="pets__listPets", arguments={"kind": "dog"})
    assert "Rex" in str(answer)
    refused = await ada.refusal("call_tool", tool="pets__listPets", arguments={"kind": 1})
    assert refused.code == "invalid_arguments"
    assert "`kind` must be a text" in refused.message
    service.replies.append(json({"message": "no such kind"}, 404))
    answer = await ada.call("call_tool", tool="pets__listPets", arguments={"kind": "cat"})
    assert "status 404 (Not Found)" in str(answer)
    # And one when it was added, which tried the credential.
    assert len([each for each in service.received if "/pets" in each.target]) == 3


async def test_a_document_is_fetched_and_read_again(
    workspace: Workspace, service: HttpService
) -> None:
    data = {**PETS, "servers": [{"url": "/v1"}]}
    service.replies.append(json(data))
    url = f"{service.origin}/openapi.json"
    made = await manage(workspace, "add", kind="openapi", url=url, **KEY)
    assert made["options"]["base_url"] == f"{service.origin}/v1"
    assert [each.target for each in service.received] == [
        "/openapi.json",
        f"/v1?key={KEY['secret']}",
        f"/v1/pets?key={KEY['secret']}",
    ]
    moved = document(("GET /animals", LIST), servers=[{"url": "https://evil.example"}])
    service.replies.append(json(moved))
    # A tool that is removed, and one whose path is another, are not called any more.
    made = await manage(workspace, "refresh")
    assert made["parked"] == ["listPets"]
    assert made["options"]["base_url"] == f"{service.origin}/v1"
    assert made["mount"]["tools"] == {"active": 0, "parked": 1, "removed": 1}
    service.replies.append(json({}, 404))
    why = await refusal(workspace, "refresh")
    assert "The address of the document answered with status 404" in why


async def test_the_credential_goes_to_another_address_only_if_it_is_passed_again(
    workspace: Workspace, service: HttpService
) -> None:
    await add(workspace, service)
    data = text({**PETS, "servers": [{"url": "https://evil.example"}]})
    made = await manage(workspace, "change", options={"cache_s": 5}, document=data)
    assert made["options"]["base_url"] == f"{service.origin}/v1"
    other = {"options": {"base_url": f"{service.origin}/v2"}, "document": text()}
    why = await refusal(workspace, "change", **other)
    assert "pass the credential again with another address" in why
    made = await manage(workspace, "change", **other, **KEY)
    assert made["options"]["base_url"] == f"{service.origin}/v2"
    await call(workspace, "listPets")
    assert service.received[-1].target.startswith("/v2/pets?")


async def test_operations_that_cannot_be_tools_are_named(
    workspace: Workspace, service: HttpService
) -> None:
    body = {"required": True, "content": {"image/png": {}}}
    data = document(("GET /a", {}), ("POST /b", {"requestBody": body}))
    made = await add(workspace, service, document=text(data))
    assert made["left_out"] == ["POST /b: its body is image/png"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"document": None}, "pass the address of the server, or of the document"),
        ({"document": "{"}, "The document cannot be used: The document is not valid JSON"),
        ({"options": {"operations": ["x"]}}, "paths: has no operation 'x'"),
        ({"options": {"cash": 1}}, "`options.cash` is unknown"),
        ({"options": {"paging": {"by": "x"}}}, "`options.paging.by` must be link, cursor or page"),
        ({"document": None, "url": "http://10.0.0.1"}, "must begin with https://"),
        ({"options": {"base_url": "http://10.0.0.1/"}}, "must begin with https://"),
        ({"options": {"base_url": ""}}, "servers: is missing. Pass the base address"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_is_stored(
    workspace: Workspace, service: HttpService, given: dict[str, Any], words: str
) -> None:
    options = {"base_url": f"{service.origin}/v1"} | given.get("options", {})
    asked = {"kind": "openapi", "document": text(), **KEY, **given, "options": options}
    assert words in await refusal(workspace, "add", **asked)
    assert await workspace.rows("SELECT * FROM mounts WHERE installation_id = :i") == []


async def test_a_service_that_is_away_is_failing_until_it_answers_again(
    workspace: Workspace, service: HttpService
) -> None:
    await add(workspace, service)
    service.replies.append(json({}, 503))
    assert "with status 503" in await refusal(workspace, "refresh")
    (listed,) = (await lead(workspace).call("list_mounts"))["mounts"]
    assert listed["health"] == "failing"
    workspace.clock.forward(60)
    await mount_looks.step(workspace.store, workspace.dispatcher.shared)
    (listed,) = (await lead(workspace).call("list_mounts"))["mounts"]
    assert listed["health"] == "connected"
