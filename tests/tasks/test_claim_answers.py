"""The answer to a claim: waiting for a task, and its size."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.patience import LONG_S, SOON_S
from tests.support.story import Agent, Workspace


def tokens(answer: dict[str, Any]) -> float:
    return len(json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()) / 4


async def test_a_claim_waits_until_a_task_is_ready(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    waiting = asyncio.create_task(agent.call("claim_task", wait_s=LONG_S))
    await asyncio.sleep(0)
    issue = await workspace.task()
    async with asyncio.timeout(SOON_S):
        claimed = await waiting
    assert (claimed["task"]["task"], claimed["fence"]) == (workspace.name(issue), 1)
    assert "nothing_ready" not in claimed


async def test_a_task_that_another_gives_back_ends_the_wait(workspace: Workspace) -> None:
    name = workspace.name(await workspace.task())
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    fence = (await other.call("claim_task"))["fence"]
    waiting = asyncio.create_task(agent.call("claim_task", wait_s=LONG_S))
    await asyncio.sleep(0)
    await other.call("release_task", task=name, fence=fence)
    async with asyncio.timeout(SOON_S):
        assert (await waiting)["task"]["task"] == name


async def test_after_a_wait_nothing_ready_is_an_answer_and_without_one_an_error(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    answer = await agent.call("claim_task", wait_s=0.01, key="k")
    assert (answer["task"], answer["lease_id"], answer["fence"]) == (None, None, None)
    refused = await agent.refusal("claim_task")
    assert refused.code == "nothing_ready"
    assert refused.details.keys() == {"lacking", "events_cursor"}
    assert answer["nothing_ready"] == {"message": refused.message, **refused.details}
    # The key still belongs to no claim.
    await workspace.task()
    assert (await agent.call("claim_task", wait_s=0.01, key="k"))["fence"] == 1


async def hand_over(workspace: Workspace, body: str) -> tuple[str, Agent]:
    """A task whose last holder left as much as it may. Return its name, and the next agent."""
    first, heir = await workspace.agent("first"), await workspace.agent("heir")
    name = workspace.name(await workspace.task("Big", body))
    paths = [f"src/{'x' * 400}/{n}" for n in range(50)]
    fence = (await first.call("claim_task", task=name, paths=paths))["fence"]
    for n in range(10):
        await heir.call("send_message", to="first", task=name, body=f"note {n} " * 2800)
    await first.call("update_agent", task=name, checkpoint={"x": "y" * 59_000})
    await first.call("release_task", task=name, fence=fence, note="é" * 4000)
    return name, heir


@pytest.mark.parametrize("most", [1000, 8000, 40_000])
async def test_the_answer_to_a_claim_is_as_small_as_asked(workspace: Workspace, most: int) -> None:
    body = "word " * 13_000
    name, heir = await hand_over(workspace, body)
    claimed = await heir.call("claim_task", task=name, max_tokens=most)
    assert tokens(claimed) <= most
    assert tokens(claimed) > most * 0.3
    assert claimed["body"]["shortened"]
    assert claimed["body"]["text"] == body[: len(claimed["body"]["text"])]
    kinds = {each.partition(":")[0] for each in claimed["left_out"]}
    assert {"body", "handoff.messages"} <= kinds
    assert ("handoff.checkpoint" in kinds) == (claimed["handoff"]["checkpoint"] is None)
    assert (claimed["handoff"]["checkpoint"] is None) == (most < 40_000)


async def test_what_was_left_out_of_a_claim_is_had_by_claiming_again(workspace: Workspace) -> None:
    name, heir = await hand_over(workspace, "word " * 13_000)
    short = await heir.call("claim_task", task=name)
    whole = await heir.call("claim_task", task=name, max_tokens=100_000)
    assert (short["fence"], tokens(short) <= 8000) == (whole["fence"], True)
    assert whole["handoff"]["checkpoint"]["state"] == {"x": "y" * 59_000}
    assert len(whole["handoff"]["messages"]) == 10
    assert "left_out" not in await heir.call("claim_task", task=name, max_tokens=100_000)


async def test_a_context_is_read_part_by_part(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    text = "".join(f"{n} " for n in range(10_000))
    made = (await agent.call("create_context", name="Log", content=text))["context"]["id"]
    first = await agent.call("get_context", context_id=made, part=1)
    rest = [
        (await agent.call("get_context", context_id=made, part=n + 1))["content"]
        for n in range(1, first["parts"])
    ]
    assert first["content"] + "".join(rest) == text
    assert (first["parts"], len(first["content"])) == (3, 20_000)
    refused = await agent.refusal("get_context", context_id=made, part=4)
    assert refused.code == "invalid_arguments"
    assert "parts" not in await agent.call("get_context", context_id=made)
