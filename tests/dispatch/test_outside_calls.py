"""Operations that call somebody outside: between two transactions, and once for their key."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bot.dispatch.callers import Caller
from bot.dispatch.execution import Call
from bot.dispatch.executor import MOST_OF_AGENT
from bot.dispatch.outside_calls import OutsideCalls
from bot.errors import Refused
from bot.identity.actors import Actor
from bot.kernel.operation import Answer, Context
from bot.kernel.outside import Outside, OutsideCall
from bot.operations import OPERATIONS
from tests.support.server_in_process import Surface


class Heard(Answer):
    word: str


@dataclass
class Service:
    """Somebody outside, whose answers the test gives when it likes."""

    surface: Surface
    actor: Actor
    finish: Callable[[Context, str], Awaitable[Answer]]
    asked: list[str] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, _: Outside) -> str:
        self.asked.append("word?")
        await self.may_answer.wait()
        return "hello"

    def call(self, key: str = "k", timeout_s: float = 60, **changed: Any) -> Call:
        async def run(_ctx: Context, **_arguments: Any) -> OutsideCall[str]:
            return OutsideCall(self.answer, self.finish, timeout_s)

        operation = replace(OPERATIONS["delete_message"], run=run, result=Heard)
        arguments = operation.parse({"message_id": "m1"})
        shared = self.surface.dispatcher.shared
        made = Call(operation, self.actor, arguments, key, shared, is_keyed=True)
        return replace(made, **changed)

    async def execute(self, call: Call) -> Answer:
        return await self.surface.dispatcher.executor.execute(call)


async def told(_: Context, word: str) -> Answer:
    return Heard(word=word)


@pytest.fixture
async def service(surface: Surface) -> Service:
    actor = Actor(surface.installation_id, "ada", "developer")
    await surface.dispatcher.call(actor, "register_agent", {"agent_id": "ada", "name": "Ada"})
    return Service(surface, actor, told)


async def code_of(call: Awaitable[Answer]) -> str:
    with pytest.raises(Refused) as refused:
        await call
    return refused.value.code


async def until_asked(service: Service, times: int = 1) -> None:
    while len(service.asked) < times:  # noqa: ASYNC110 - the call runs in another task
        await asyncio.sleep(0)


async def test_a_call_that_is_repeated_with_its_key_calls_out_once(service: Service) -> None:
    service.may_answer.set()
    first = await service.execute(service.call())
    again = await service.execute(service.call())
    assert (first, again) == (
        Heard(word="hello", as_of=first.as_of, stale_s=first.stale_s, behind=first.behind),
        Heard(word="hello", as_of=again.as_of, stale_s=again.stale_s, behind=again.behind),
    )
    assert service.asked == ["word?"]


async def test_a_repeat_during_the_call_waits_for_its_answer(service: Service) -> None:
    first = asyncio.create_task(service.execute(service.call()))
    await until_asked(service)
    second = asyncio.create_task(service.execute(service.call()))
    await asyncio.sleep(0)
    service.may_answer.set()
    assert (await first, service.asked) == (await second, ["word?"])


async def test_a_call_with_a_key_goes_on_when_its_caller_leaves(service: Service) -> None:
    left = asyncio.create_task(service.execute(service.call()))
    await until_asked(service)
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    service.may_answer.set()
    answer = await service.execute(service.call())
    assert (vars(answer)["word"], service.asked) == ("hello", ["word?"])


async def test_a_call_without_a_key_ends_when_its_caller_leaves(service: Service) -> None:
    ended = asyncio.Event()

    async def wait(_: Outside) -> str:
        service.asked.append("word?")
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    service.answer = wait  # type: ignore[method-assign]
    left = asyncio.create_task(service.execute(service.call(is_keyed=False)))
    await until_asked(service)
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    assert ended.is_set()


async def test_the_outcome_of_a_call_that_was_cut_off_is_unknown(service: Service) -> None:
    """As after the end of the process: the key was used, and no answer was kept."""
    cut = asyncio.create_task(service.execute(service.call(key="other")))
    await until_asked(service)
    for task in asyncio.all_tasks():
        if "OutsideCalls._run" in repr(task.get_coro()):
            task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cut
    assert await code_of(service.execute(service.call(key="other"))) == "outcome_unknown"
    assert service.asked == ["word?"]


async def test_a_call_that_takes_too_long_is_ended_and_its_key_stays_used(
    service: Service,
) -> None:
    assert await code_of(service.execute(service.call(timeout_s=0))) == "outcome_unknown"
    assert await code_of(service.execute(service.call())) == "outcome_unknown"


async def test_a_call_that_is_refused_afterwards_can_be_repeated(service: Service) -> None:
    async def refuse(_ctx: Context, _word: str) -> Answer:
        raise Refused("not_reachable", "Nobody there.")

    service.may_answer.set()
    service.finish = refuse
    assert await code_of(service.execute(service.call())) == "not_reachable"
    service.finish = told
    assert vars(await service.execute(service.call()))["word"] == "hello"


async def test_a_revoked_token_gets_no_answer_and_does_not_call_again(service: Service) -> None:
    revoked = asyncio.Event()
    call = service.call(caller=Caller(is_revoked=revoked.is_set))
    first = asyncio.create_task(service.execute(call))
    await until_asked(service)
    revoked.set()
    service.may_answer.set()
    assert await code_of(first) == "unauthenticated"
    assert vars(await service.execute(service.call()))["word"] == "hello"
    assert service.asked == ["word?"]


async def test_calls_that_wait_outside_take_no_turn_of_others(service: Service) -> None:
    waiting = [
        asyncio.create_task(service.execute(service.call(key=f"k{n}")))
        for n in range(2 * MOST_OF_AGENT)
    ]
    await until_asked(service, 2 * MOST_OF_AGENT)
    service.may_answer.set()
    assert len({str(vars(each)["word"]) for each in await asyncio.gather(*waiting)}) == 1


def test_no_digest_is_made_of_a_call_while_none_runs(surface: Surface, service: Service) -> None:
    call = service.call()
    assert OutsideCalls(surface.store).running(call) is None
    assert "digest" not in vars(call)
