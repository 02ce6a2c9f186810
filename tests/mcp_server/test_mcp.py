"""The operations as MCP tools, in both eras of the protocol, over real HTTP."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError
from mcp_types import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR

from bot.identity.actors import ROLES
from bot.identity.permissions import is_for_people
from bot.operations import OPERATIONS
from mcp_server.server import TOOLS
from store.tables.agents import Role
from tests.support.engines import ON_SQLITE
from tests.support.mcp_clients import ERAS, connect
from tests.support.server_in_process import Answer, Surface

TOOLS_FILE = Path(__file__).parents[2] / "fixtures" / "tools.json"
ASKED = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}


def test_the_tools_are_as_published() -> None:
    """After a wanted change: HUBBUB_UPDATE_SNAPSHOTS=1 pytest tests/mcp_server/test_mcp.py."""
    found = {
        name: tool.model_dump(mode="json", by_alias=True, exclude_none=True)
        for name, tool in TOOLS.items()
    }
    if os.environ.get("HUBBUB_UPDATE_SNAPSHOTS"):
        TOOLS_FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    assert found == json.loads(TOOLS_FILE.read_text()), (
        "The tools differ from fixtures/tools.json. If you wanted that, run "
        "HUBBUB_UPDATE_SNAPSHOTS=1 make test TESTS=tests/mcp_server/test_mcp.py"
    )


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS.keys())
def test_a_tool_says_what_it_does_and_what_it_takes(tool: Any) -> None:
    assert tool.description
    assert tool.output_schema is None
    assert tool.input_schema["type"] == "object"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("era", ERAS)
@ON_SQLITE
async def test_an_agent_sees_the_tools_of_its_role(surface: Surface, era: str, role: Role) -> None:
    async with connect(surface, era, role) as client:
        shown = [tool.name for tool in (await client.list_tools()).tools]
    for_agents = [each for each in OPERATIONS.values() if not is_for_people(each.name)]
    assert shown == [
        each.name for each in for_agents if ROLES.index(role) >= ROLES.index(each.role)
    ]


@pytest.mark.parametrize("era", ERAS)
@ON_SQLITE
async def test_an_answer_is_structured_and_the_same_as_text(surface: Surface, era: str) -> None:
    async with connect(surface, era) as client:
        called = await client.call_tool("register_agent", {"agent_id": "ada", "name": "Ada 🦊"})
    assert not called.is_error
    assert called.structured_content is not None
    assert called.structured_content["agent"]["name"] == "Ada 🦊"
    [text] = called.content
    assert json.loads(text.text) == called.structured_content  # type: ignore[union-attr]


async def test_an_mcp_answer_is_the_rest_answer_without_nulls_and_defaults(
    surface: Surface,
) -> None:
    token = await surface.token("ada", "tech-lead")
    made = await surface.call(token, "create_context", name="x", content={"none": None, "no": []})
    reads: list[tuple[str, dict[str, Any]]] = [
        ("list_agents", {}),
        ("list_tasks", {}),
        ("get_messages", {}),
        ("get_budget", {}),
        ("list_contexts", {}),
        ("get_context", {"context_id": made.data["context"]["id"]}),
    ]
    async with connect(surface, role="tech-lead") as client:
        for name, arguments in reads:
            called = await client.call_tool(name, arguments)
            whole = (await surface.call(token, name, **arguments)).data
            lean = called.structured_content
            assert lean is not None
            assert [key for key, value in lean.items() if value is None] == []
            again = OPERATIONS[name].result.model_validate(lean).model_dump(mode="json")
            assert _without_times(again) == _without_times(whole)


def _without_times(answer: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in answer.items() if k not in ("as_of", "stale_s", "empty_at")}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("role", "tool", "arguments", "code"),
    [
        ("developer", "list_agents", {"bogus": 1}, "invalid_arguments"),
        ("developer", "list_agents", {"limit": "many"}, "invalid_arguments"),
        ("developer", "get_agent", {"agent_id": "nobody"}, "unknown_agent"),
        ("developer", "register_agent", {"agent_id": "eve", "name": "Eve"}, "forbidden"),
        ("observer", "claim_task", {}, "forbidden"),
    ],
)
@ON_SQLITE
async def test_a_refusal_is_an_error_in_the_same_words_as_on_rest(
    surface: Surface, era: str, role: Role, tool: str, arguments: dict[str, Any], code: str
) -> None:
    async with connect(surface, era, role) as client:
        called = await client.call_tool(tool, arguments)
    over_rest = await surface.call(await surface.token("ada", role), tool, **arguments)
    assert called.is_error
    assert over_rest.code == code
    assert called.structured_content == over_rest.data


@pytest.mark.parametrize("era", ERAS)
@ON_SQLITE
async def test_a_tool_that_does_not_exist_is_an_error_of_the_protocol(
    surface: Surface, era: str
) -> None:
    async with connect(surface, era) as client:
        with pytest.raises(
            MCPError, match=r"no tool 'claim_tsk' \(did you mean claim_task\?\)"
        ) as told:
            await client.call_tool("claim_tsk", {})
    assert told.value.code == INVALID_PARAMS


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "hubbub.example.com"}, 200),
        ({"Host": "evil.example.com"}, 421),
        ({"Origin": "https://evil.example.com"}, 403),
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer hubbub_0123_nobodys"}, 401),
    ],
)
@ON_SQLITE
async def test_only_a_known_agent_at_an_address_of_ours_is_served(
    surface: Surface, headers: dict[str, str], status: int
) -> None:
    given = ASKED | {"Authorization": f"Bearer {await surface.token()}"} | headers
    answer = await surface.send("POST", "/mcp", json=LIST, headers=given)
    assert answer.status == status


@ON_SQLITE
async def test_a_request_larger_than_4_mib_is_refused(surface: Surface) -> None:
    given = ASKED | {"Authorization": f"Bearer {await surface.token()}"}

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * 2**20

    assert (await surface.send("POST", "/mcp", data=parts(), headers=given)).status == 413


async def call_older(surface: Surface, tool: str, **arguments: Any) -> Answer:
    """A call of a tool by the older protocol, without a client library."""
    given = ASKED | {"Authorization": f"Bearer {await surface.token()}"}
    params = {"name": tool, "arguments": arguments}
    called = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return await surface.send("POST", "/mcp", json=called, headers=given)


@pytest.mark.parametrize("wait", [False, True])
@ON_SQLITE
async def test_the_older_protocol_gets_a_stream_only_for_what_may_wait(
    surface: Surface, *, wait: bool
) -> None:
    answer = await call_older(surface, "get_messages", **({"wait_s": 0.01} if wait else {}))
    assert answer.headers["Content-Type"].startswith(
        "text/event-stream" if wait else "application/json"
    )
    event = json.loads(answer.data.partition("data: ")[2]) if wait else answer.data
    assert event["result"]["structuredContent"]["messages"] == []


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("send_message", {"to": "everybody", "body": "wait_s"}),
        ("send_message", {"to": "everybody", "body": '{"wait_s": 50}'}),
        ("create_context", {"name": "plan", "content": {"wait_s": 50}}),
    ],
)
@ON_SQLITE
async def test_wait_s_inside_of_a_text_or_a_content_makes_no_stream(
    surface: Surface, tool: str, arguments: dict[str, Any]
) -> None:
    answer = await call_older(surface, tool, **arguments)
    assert answer.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"[1]", b"7", b'{"params": 7}'])
@ON_SQLITE
async def test_what_is_no_message_is_refused_by_the_protocol(surface: Surface, body: bytes) -> None:
    given = ASKED | {"Authorization": f"Bearer {await surface.token()}"}
    answer = await surface.send("POST", "/mcp", data=body, headers=given)
    assert answer.status == 400
    assert answer.data["error"]["code"] in {PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS}
