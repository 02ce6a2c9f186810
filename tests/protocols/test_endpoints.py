"""Addresses of agents: who sets them, what is shown of them, and what they must be."""

from pathlib import Path
from typing import get_args

import pytest

from bot.notifications.targets import new_secret
from bot.protocols.addresses import Address, address_of
from bot.protocols.routing import ROUTES
from bot.protocols.states import FROM_A2A, STATES, A2AState, state_of
from store.protocols import endpoints
from store.tables.tasks import TaskState
from tests.support.agent_endpoints import lead, set_endpoint
from tests.support.story import Workspace

URL = "https://agents.example.com/in/of-mine"


async def stored(workspace: Workspace, agent_id: str) -> Address:
    i, keys = workspace.installation.id, workspace.dispatcher.shared.keys
    row = await workspace.store.read(lambda tx: endpoints.get(tx, i, agent_id))
    assert row is not None
    return address_of(keys, row)


async def test_an_endpoint_is_set_once_shown_without_its_secrets_and_removed(
    workspace: Workspace,
) -> None:
    person = lead(workspace)
    made = await set_endpoint(workspace, "reviewer", "callback", URL)
    secret = made["new_secret"]
    assert secret.startswith("whsec_")
    assert await stored(workspace, "reviewer") == Address(URL, secret)
    seen = await person.call("get_agent_endpoint", agent_id="reviewer")
    assert seen["endpoint"]["address"] == "agents.example.com"
    assert seen["endpoint"]["has_secret"]
    assert secret not in str(seen)
    assert "of-mine" not in str(seen)
    (agent,) = (await person.call("list_agents"))["agents"]
    assert (agent["id"], agent["reached_by"], agent["role"]) == (
        "reviewer",
        "callback",
        "developer",
    )
    again = await set_endpoint(workspace, "reviewer", "callback", URL, options={})
    assert "new_secret" not in again
    assert (await stored(workspace, "reviewer")).secret == secret
    # Another address must not get what is signed for this one.
    moved = await set_endpoint(workspace, "reviewer", "callback", "https://b.example.com/in")
    assert moved["new_secret"] != secret
    removed = await person.call("manage_agent_endpoint", agent_id="reviewer", action="remove")
    assert removed["endpoint"] is None
    (agent,) = (await person.call("list_agents"))["agents"]
    assert agent["reached_by"] == "mcp"


async def test_the_audit_has_neither_address_nor_secret(workspace: Workspace) -> None:
    given = new_secret()
    await set_endpoint(workspace, "reviewer", "callback", URL, secret=given)
    rows = await workspace.rows("SELECT * FROM audit WHERE installation_id = :i")
    assert "manage_agent_endpoint" in str(rows)
    assert "of-mine" not in str(rows)
    assert given not in str(rows)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"url": "http://agents.example.com/in"}, "it must begin with https://"),
        ({"url": "https://127.0.0.1/in"}, "a host on the internet"),
        ({"url": "https://u:p@agents.example.com/in"}, "must not have a user name"),
        ({"url": URL, "secret": "short"}, "`secret`: pass whsec_"),
        ({"url": URL, "options": {"needs_ack": "never"}}, "`options.needs_ack`"),
        ({"url": URL, "options": {"speed": 1}}, "`options.speed`"),
        ({}, "Pass `url`"),
        ({"url": URL, "protocol": None}, "Pass `protocol`: a2a, openai, callback"),
        ({"url": URL, "action": "on", "protocol": None}, "`url` is not for on: leave it out."),
    ],
)
async def test_wrong_settings_are_refused_in_words(
    workspace: Workspace, given: dict[str, object], says: str
) -> None:
    asked = {"agent_id": "x", "action": "set", "protocol": "callback", **given}
    refused = await lead(workspace).refusal("manage_agent_endpoint", **asked)
    assert refused.code == "invalid_arguments"
    assert says in refused.message
    if "https" in says:
        assert "HUBBUB_TRUSTED_ORIGINS=http://host:port" in refused.message


async def test_only_who_leads_everywhere_sees_and_changes_endpoints(workspace: Workspace) -> None:
    agent = await workspace.agent("boss", "tech-lead")
    refused = await agent.refusal("get_agent_endpoint", agent_id="boss")
    assert "Only people may call" in refused.message
    missing = await lead(workspace).refusal("manage_agent_endpoint", agent_id="boss", action="test")
    assert missing.code == "unknown_endpoint"
    foreign = await lead(workspace).refusal(
        "get_agent_endpoint", agent_id="boss", delivery_id="e_1"
    )
    assert foreign.code == "unknown_delivery"


def test_the_page_has_the_table_of_states() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/protocols.md").read_text()
    for each in STATES:
        words = f"`{each.task}`{', with a question to people' if each.asks else ''}"
        assert f"| {words} | `{each.a2a}` | `{each.callback}` | `{each.response}` |" in page


def test_every_state_of_a_task_and_of_a2a_is_in_the_one_table() -> None:
    assert {each.task for each in STATES} == set(get_args(TaskState))
    assert FROM_A2A.keys() == set(get_args(A2AState))
    assert state_of("in_progress", asks=True).a2a == "TASK_STATE_INPUT_REQUIRED"
    assert state_of("completed", asks=True).response == "completed"
    assert set(ROUTES) == {"a2a", "openai", "callback", "plugin"}
