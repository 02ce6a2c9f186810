"""A message that nobody got stays visible: the call was cancelled, or its connection ended."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

from bot.dispatch.callers import Caller
from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
from tests.support.engines import ON_SQLITE
from tests.support.patience import SOON_S
from tests.support.story import Agent, Workspace


async def correspondents(workspace: Workspace) -> tuple[Agent, Agent]:
    return await workspace.agent("ada"), await workspace.agent("bob")


async def attempts(reader: Agent) -> list[int]:
    """How often each message was handed out, that is handed out now."""
    return [each["attempts"] for each in (await reader.call("get_messages"))["messages"]]


async def test_a_caller_that_leaves_while_its_call_runs_hides_nothing(
    workspace: Workspace,
) -> None:
    ada, bob = await correspondents(workspace)
    for last in range(5):
        message = (await ada.call("send_message", to="bob", body="Come"))["message_id"]
        looks = iter(range(99))

        def is_gone(looks: Iterator[int] = looks, last: int = last) -> bool:
            return next(looks) >= last

        with suppress(Refused):
            await workspace.dispatcher.call(bob.actor, "get_messages", {}, None, Caller(is_gone))
        left = next(looks) > last
        assert await attempts(bob) == ([1] if left else [])
        await bob.call("mark_message_read", message_id=message)
    assert not left, "a look more than it takes, so the last answer arrived"


async def test_a_call_that_is_cancelled_at_any_moment_hides_nothing(workspace: Workspace) -> None:
    ada, bob = await correspondents(workspace)
    cancelled = 0
    for steps in range(0, 200, 4):
        message = (await ada.call("send_message", to="bob", body="Come"))["message_id"]
        call = asyncio.create_task(bob.call("get_messages"))
        for _ in range(steps):
            await asyncio.sleep(0)
        if call.done():
            break
        call.cancel()
        await asyncio.wait([call])
        cancelled += 1
        async with asyncio.timeout(SOON_S):
            while (found := await attempts(bob)) == []:  # noqa: ASYNC110 - a connection rolls back
                await asyncio.sleep(0)
        assert found == [1]
        await bob.call("mark_message_read", message_id=message)
    assert cancelled > 1


async def test_a_message_that_one_process_handed_out_can_be_marked_read_through_another(
    workspace: Workspace,
) -> None:
    """No process knows what another one has just answered, so nothing may depend on it."""
    ada, bob = await correspondents(workspace)
    elsewhere = Agent(Dispatcher(workspace.store, workspace.dispatcher.shared), bob.actor)
    first = (await ada.call("send_message", to="bob", body="First"))["message_id"]
    await ada.call("send_message", to="bob", body="Second")
    assert await attempts(bob) == [1, 1]
    await elsewhere.call("mark_message_read", message_id=first)
    workspace.clock.forward(61)
    again = await elsewhere.call("get_messages")
    assert [(each["body"], each["attempts"]) for each in again["messages"]] == [("Second", 2)]
    assert await attempts(bob) == []


@ON_SQLITE
async def test_an_answer_says_what_it_does_not_show_and_until_when(workspace: Workspace) -> None:
    ada, bob = await correspondents(workspace)
    await ada.call("send_message", to="bob", body="First")
    first = await bob.call("get_messages")
    assert (first["hidden"], first["hidden_until"]) == (0, None)
    workspace.clock.forward(20)
    await ada.call("send_message", to="bob", body="Second")
    then = await bob.call("get_messages")
    assert [each["body"] for each in then["messages"]] == ["Second"]
    assert (then["unread"], then["hidden"]) == (2, 1)
    assert then["hidden_until"].startswith("2027-01-15T08:01:0")
    workspace.clock.forward(41)
    again = await bob.call("get_messages")
    assert [(each["body"], each["attempts"]) for each in again["messages"]] == [("First", 2)]
    assert again["hidden"] == 1
