"""An answer that was lost: the same call with its key is done once, on every surface."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

import pytest
from mcp_types import RequestParamsMeta

from bot.dispatch.dispatcher import Dispatcher
from bot.kernel.operation import Operation
from bot.operations import OPERATIONS
from mcp_server.server import TOOLS
from mcp_server.tool_answers import KEY_META
from tests.support.mcp_clients import ERAS, connected_by
from tests.support.patience import LONG_S, SOON_S
from tests.support.server_in_process import Surface
from tests.support.story import Agent, Workspace

# Calls an operation with a key, as one surface does. Returns the answer.
CallWithKey: TypeAlias = Callable[[Surface, str, str, str, dict[str, Any]], Awaitable[Any]]


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_tool_takes_a_key_unless_it_only_reads(operation: Operation) -> None:
    schema = TOOLS[operation.name].input_schema
    assert ("key" in schema["properties"]) == (not operation.reads_only)


async def by_argument(
    surface: Surface, token: str, key: str, operation: str, arguments: dict[str, Any]
) -> Any:
    return (await surface.call(token, operation, **arguments, key=key)).data


async def by_header(
    surface: Surface, token: str, key: str, operation: str, arguments: dict[str, Any]
) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    path = f"/api/v1/{operation}"
    return (await surface.send("POST", path, json=arguments, headers=headers)).data


async def by_tool(
    surface: Surface, token: str, key: str, operation: str, arguments: dict[str, Any]
) -> Any:
    async with connected_by(surface, token) as client:
        return (await client.call_tool(operation, {**arguments, "key": key})).structured_content


def with_key(key: Any) -> RequestParamsMeta:
    return cast("RequestParamsMeta", {KEY_META: key})


def by_meta(era: str) -> CallWithKey:
    async def call(
        surface: Surface, token: str, key: str, operation: str, arguments: dict[str, Any]
    ) -> Any:
        async with connected_by(surface, token, era) as client:
            called = await client.call_tool(operation, arguments, meta=with_key(key))
        return called.structured_content

    return call


SURFACES: dict[str, CallWithKey] = {
    "argument": by_argument,
    "header": by_header,
    "tool": by_tool,
    **{f"meta, {era}": by_meta(era) for era in ERAS},
}


async def test_a_message_repeated_with_its_key_on_any_surface_is_sent_once(
    surface: Surface,
) -> None:
    token = await surface.token("ada")
    await surface.call(token, "register_agent", agent_id="ada", name="Ada")
    given = {"to": "ada", "body": "once"}
    answers = [await call(surface, token, "k", "send_message", given) for call in SURFACES.values()]
    sent = await surface.rows("SELECT id FROM messages WHERE installation_id = :i")
    assert [each["message_id"] for each in answers] == [sent[0]["id"]] * len(SURFACES)
    assert len(sent) == 1


async def test_a_key_for_another_call_is_refused(surface: Surface) -> None:
    token = await surface.token("ada")
    await surface.call(token, "register_agent", agent_id="ada", name="Ada")
    for call in SURFACES.values():
        await call(surface, token, "k", "send_message", {"to": "ada", "body": "one"})
        answer = await call(surface, token, "k", "send_message", {"to": "ada", "body": "two"})
        assert answer["error"]["code"] == "key_reused"


@pytest.mark.parametrize("key", ["", "k" * 101, 7])
async def test_a_key_in_meta_that_is_no_text_is_refused(surface: Surface, key: Any) -> None:
    token = await surface.token("ada")
    async with connected_by(surface, token) as client:
        called = await client.call_tool("list_agents", {}, meta=with_key(key))
    assert called.structured_content is not None
    assert called.structured_content["error"]["code"] == "invalid_arguments"


async def test_a_repeated_claim_gets_the_same_lease_and_another_key_another(
    workspace: Workspace,
) -> None:
    scout = await workspace.agent("scout")
    await workspace.task("one")
    await workspace.task("two")
    first = await scout.call("claim_task", key="a")
    again = await scout.call("claim_task", key="a")
    other = await scout.call("claim_task", key="b")
    assert (again["lease_id"], again["fence"]) == (first["lease_id"], first["fence"])
    assert other["task"]["id"] != first["task"]["id"]


async def test_a_repeated_version_of_a_context_is_no_conflict(workspace: Workspace) -> None:
    scout = await workspace.agent("scout")
    made = await scout.call("create_context", name="n", content=1, key="a")
    assert (await scout.call("create_context", name="n", content=1, key="a"))["context"][
        "id"
    ] == made["context"]["id"]
    change = {"context_id": made["context"]["id"], "content": 2, "expected_version": 1, "key": "b"}
    versions = [(await scout.call("update_context", **change))["context"]["version"] for _ in "12"]
    assert versions == [2, 2]


async def test_messages_taken_by_a_lost_answer_are_had_again_with_the_key(
    workspace: Workspace,
) -> None:
    scout = await workspace.agent("scout")
    await scout.call("send_message", to="scout", body="hello")
    first = await scout.call("get_messages", key="a")
    assert (await scout.call("get_messages"))["messages"] == []  # hidden for a while
    again = await scout.call("get_messages", key="a")
    assert again["messages"] == first["messages"]
    assert first["messages"]


async def test_a_wait_with_a_key_keeps_the_messages_that_end_it(workspace: Workspace) -> None:
    scout = await workspace.agent("scout")
    waiting = asyncio.create_task(scout.call("get_messages", wait_s=LONG_S, key="a"))
    async with asyncio.timeout(SOON_S):
        while not workspace.dispatcher.waiters.waiting:  # noqa: ASYNC110 - a step of the other task
            await asyncio.sleep(0.001)
    await scout.call("send_message", to="scout", body="hello")
    first = await waiting
    again = await scout.call("get_messages", wait_s=0, key="a")
    assert [each["body"] for each in first["messages"]] == ["hello"]
    assert again["messages"] == first["messages"]


# --- A claim without a key ------------------------------------------------------------------------


def elsewhere(workspace: Workspace, agent: Agent) -> Agent:
    """The agent at another process, which does not remember what it has seen."""
    return Agent(Dispatcher(workspace.store, workspace.dispatcher.shared), agent.actor)


def also_held(answer: dict[str, Any]) -> list[str]:
    return [each["message"] for each in answer["notices"] if each["kind"] == "also_held"]


async def test_an_agent_is_told_of_a_lease_beside_the_one_it_names_until_it_uses_the_fence(
    workspace: Workspace,
) -> None:
    scout = await workspace.agent("scout")
    first, second = (
        workspace.name(await workspace.task("one")),
        workspace.name(await workspace.task("two")),
    )
    lost = await scout.call("claim_task")  # this answer never arrived
    assert (lost["task"]["task"], also_held(lost)) == (first, [])
    claimed = await scout.call("claim_task")
    (told,) = also_held(claimed)
    assert f"You also hold {first} (fence {lost['fence']})." in told
    assert claimed["task"]["task"] == second
    # An agent that got the answer may read for a minute before it uses the fence.
    assert also_held(await elsewhere(workspace, scout).call("list_agents")) == []
    workspace.clock.forward(61)
    (both,) = also_held(await scout.call("list_agents"))
    assert first in both
    assert second in both
    progress = {"task": second, "fence": claimed["fence"], "status": "in_progress"}
    # It has seen both, and is told again some minutes later, by whichever process.
    assert also_held(await scout.call("update_task_status", **progress)) == []
    assert also_held(await elsewhere(workspace, scout).call("list_agents")) == [told]
    await scout.call("update_task_status", **progress | {"task": first, "fence": lost["fence"]})
    assert also_held(await elsewhere(workspace, scout).call("list_agents")) == []


@pytest.mark.parametrize("read", ["get_task", "github_get_thread"])
async def test_a_holder_who_reads_its_task_knows_of_the_lease(
    workspace: Workspace, read: str
) -> None:
    scout, other = await workspace.agent("scout"), await workspace.agent("other")
    first = workspace.name(await workspace.task("one"))
    await scout.call("claim_task")
    await other.call(read, task=first)
    workspace.clock.forward(61)
    assert len(also_held(await scout.call("list_agents"))) == 1
    assert also_held(await scout.call(read, task=first.upper())) == []
    assert also_held(await elsewhere(workspace, scout).call("list_agents")) == []


async def test_a_lease_claimed_by_name_is_told_only_beside_another_task(
    workspace: Workspace,
) -> None:
    scout = await workspace.agent("scout")
    first = workspace.name(await workspace.task("one"))
    second = workspace.name(await workspace.task("two"))
    await scout.call("claim_task", task=first)
    assert also_held(await scout.call("list_agents")) == []
    (told,) = also_held(await scout.call("get_task", task=second))
    assert f"You also hold {first} (fence 1)." in told


async def test_an_agent_whose_claims_are_lost_is_told_what_it_holds_when_nothing_is_ready(
    workspace: Workspace,
) -> None:
    scout = await workspace.agent("scout")
    first = workspace.name(await workspace.task("one"))
    assert "You also hold" not in (await scout.refusal("claim_task", label="none")).message
    await scout.call("claim_task")
    refused = await scout.refusal("claim_task")
    assert refused.code == "nothing_ready"
    assert f"You also hold {first} (fence 1)." in refused.message


async def test_a_lease_that_ended_is_not_also_held(workspace: Workspace) -> None:
    scout = await workspace.agent("scout")
    first = workspace.name(await workspace.task("one"))
    fence = (await scout.call("claim_task"))["fence"]
    await scout.call("release_task", task=first, fence=fence)
    await scout.call("claim_task", task=first)
    await workspace.time_passes(3600)
    assert also_held(await scout.call("list_agents")) == []
