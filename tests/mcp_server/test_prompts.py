"""The MCP prompts, which hosts show as commands. The engine plays no part: SQLite alone."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError
from mcp_types import INVALID_PARAMS

from bot.identity.actors import ROLES, Actor
from bot.operations import OPERATIONS
from mcp_server.prompts import PROMPTS, get_prompt, visible_prompts
from store.engine.database import open_store
from store.tables.agents import Role
from tests.support.mcp_clients import ERAS, bridged, connect
from tests.support.server_in_process import Surface, serving

INSTALLATION = 4711
PLANS = ["plan_by_component", "plan_by_layer", "plan_test_first", "plan_by_file"]
LEAD = Actor(INSTALLATION, "ada", "tech-lead")
# What is in code in a prompt beside names of operations: their arguments.
ARGUMENTS = {name for each in OPERATIONS.values() for name in each.arguments.model_fields}


@pytest.fixture
async def server(sqlite_url: str) -> AsyncIterator[Surface]:
    store = await open_store(sqlite_url)
    async with serving(store, INSTALLATION) as made:
        yield made
    await store.close()


def text_of(result: Any) -> str:
    (message,) = result.messages
    assert message.role == "user"
    return str(message.content.text)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("observer", ["status"]),
        ("tester", ["status"]),
        ("developer", ["claim-next", "hand-over", "status", *PLANS]),
    ],
)
async def test_an_agent_sees_the_prompts_that_its_role_can_carry_out(
    server: Surface, era: str, role: Role, expected: list[str]
) -> None:
    async with connect(server, era, role) as client:
        listed = (await client.list_prompts()).prompts
        assert [each.name for each in listed] == expected
        assert all(each.description and each.arguments for each in listed)
        got = await client.get_prompt("status", {"task": "acme/rocket#12"})
        assert "Tell me how acme/rocket#12 stands" in text_of(got)


async def test_the_prompts_are_there_through_a_bridge_too(server: Surface) -> None:
    params = {"name": "claim-next"}
    listed, got = await bridged(
        server.url,
        await server.token("ada"),
        {"jsonrpc": "2.0", "id": 1, "method": "prompts/list"},
        {"jsonrpc": "2.0", "id": 2, "method": "prompts/get", "params": params},
    )
    assert [each["name"] for each in listed["result"]["prompts"]] == [*PROMPTS]
    assert "as ada" in got["result"]["messages"][0]["content"]["text"]


@pytest.mark.parametrize("name", PROMPTS)
@pytest.mark.parametrize("filled", [False, True])
def test_a_prompt_names_only_operations_and_arguments_that_exist(
    name: str, *, filled: bool
) -> None:
    given = dict.fromkeys(PROMPTS[name].arguments, "acme/rocket#12") if filled else {}
    text = text_of(get_prompt(LEAD, name, given))
    named = set(re.findall(r"`([^`]+)`", text))
    assert named <= OPERATIONS.keys() | ARGUMENTS
    assert named & OPERATIONS.keys()
    assert text.count("acme/rocket#12") == len(given)
    least = next(role for role in ROLES if PROMPTS[name] in visible(role))
    called = [OPERATIONS[each].role for each in named & OPERATIONS.keys()]
    assert all(ROLES.index(each) <= ROLES.index(least) for each in called)


def visible(role: Role) -> list[Any]:
    return [PROMPTS[each.name] for each in visible_prompts(Actor(INSTALLATION, "ada", role))]


@pytest.mark.parametrize(
    ("role", "name", "given"),
    [
        ("tech-lead", "make-coffee", {}),
        ("observer", "claim-next", {}),
        ("tech-lead", "status", {"size": "small"}),
        ("tech-lead", "status", {"task": "x" * 1001}),
    ],
)
def test_an_unknown_prompt_or_argument_is_refused(
    role: Role, name: str, given: dict[str, str]
) -> None:
    with pytest.raises(MCPError) as refused:
        get_prompt(Actor(INSTALLATION, "ada", role), name, given)
    assert refused.value.code == INVALID_PARAMS


def test_every_prompt_and_its_arguments_are_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/resources.md").read_text()
    for each in PROMPTS.values():
        role = OPERATIONS[each.operation].role
        arguments = ", ".join(f"`{name}`" for name in each.arguments)
        assert f"| `{each.name}` | {role} | {arguments} |" in page
