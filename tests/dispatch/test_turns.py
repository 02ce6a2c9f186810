"""Many calls at once: those of one agent or installation do not crowd out those of others."""

import asyncio

import pytest

from bot.dispatch.executor import MOST_OF_AGENT, MOST_OF_INSTALLATION
from bot.dispatch.turns import Turns
from bot.errors import Refused
from bot.identity.actors import Actor
from tests.support.server_in_process import Surface

MANY = 100


async def register(surface: Surface, name: str, installation_id: int) -> Actor:
    actor = Actor(installation_id, name, "developer")
    await surface.dispatcher.call(actor, "register_agent", {"agent_id": name, "name": name})
    return actor


async def done_before(surface: Surface, crowd: list[Actor], other: Actor) -> int:
    """How many of `MANY` calls of a crowd end before a call that another agent makes later."""
    ended = []

    async def call(actor: Actor) -> None:
        await surface.dispatcher.call(actor, "update_agent", {"name": "Busy"})
        ended.append(actor)

    async with asyncio.TaskGroup() as group:
        for n in range(MANY):
            group.create_task(call(crowd[n % len(crowd)]))
        group.create_task(call(other))
    return ended.index(other)


async def test_an_agent_with_many_calls_does_not_crowd_out_another(surface: Surface) -> None:
    here = surface.installation_id
    ada, bob = [await register(surface, each, here) for each in ("ada", "bob")]
    assert await done_before(surface, [ada], bob) <= 2 * MOST_OF_AGENT


async def test_an_installation_with_many_calls_does_not_crowd_out_another(
    surface: Surface,
) -> None:
    crowd = [await register(surface, f"ada-{n}", surface.installation_id) for n in range(20)]
    bob = await register(surface, "bob", surface.installation_id + 1)
    assert await done_before(surface, crowd, bob) <= 2 * MOST_OF_INSTALLATION


async def test_a_call_does_not_wait_for_its_turn_for_ever() -> None:
    turns = Turns(1, wait_s=0.01)
    async with turns.take("ada"), turns.take("bob"):
        with pytest.raises(Refused) as refused:
            async with turns.take("ada"):
                pass
    assert refused.value.code == "rate_limited"
    async with turns.take("ada"):
        pass
