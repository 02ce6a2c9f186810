"""Events reach the plug-ins that handle them, and their lines reach the cards."""

import builtins
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from bot.comments import card
from bot.plugins import events, failures
from bot.plugins.package import Package
from store.engine.transaction import Store, Tx
from store.plugins import plugin_installations
from store.tasks import tasks
from tests.support.plugin_packages import package
from tests.support.plugins import PluginOffice
from tests.support.story import Clock, Workspace

CODE = """\
import pluggy

hook = pluggy.HookimplMarker("hubbub")


class Plugin:
    @hook
    async def on_event(self, event, hubbub):
        {body}

    @hook
    def card_lines(self, task, hubbub):
        {lines}


plugin = Plugin()
"""
TELL = "await hubbub.call('send_message', {'to': 'ada', 'body': event['id'] + ' ' + event['kind']})"


def handling(
    body: str = "pass", lines: str = "return []", adds: str = "events: [agent.*]"
) -> Package:
    code = CODE.format(body=body, lines=lines).encode()
    may = "{role: tester, operations: [send_message]}"
    return package(files={"echo.py": code}, adds=f"{{{adds}}}", permissions=may)


@pytest.fixture
async def office(store: Store, clock: Clock, installation_id: int) -> AsyncIterator[PluginOffice]:
    made = PluginOffice(store, clock, installation_id)
    await made.clear()
    yield made
    await made.clear()


async def work(office: PluginOffice) -> int:
    """The loop runs until nothing is left, and its pause is over."""
    office.clock.forward(60)
    done = 0
    while found := await events.step(office.store, office.plugins):
        done += found
    return done


async def use_of(office: PluginOffice) -> Any:
    i = office.installation_id
    return await office.store.read(lambda tx: plugin_installations.get(tx, i, "echo"))


async def bodies(office: PluginOffice) -> list[str]:
    q = "SELECT body FROM messages WHERE installation_id = :i ORDER BY id"
    return [row["body"] for row in await office.rows(q)]


async def test_a_plug_in_gets_each_event_that_its_manifest_names_once(
    office: PluginOffice,
) -> None:
    await office.agent("ada")
    await office.use(handling(TELL))
    await office.agent("bob")
    await work(office)
    found = await bodies(office)
    assert [each.split()[1] for each in found] == ["agent.registered"]
    assert found[0].startswith(f"{office.installation_id}:")
    await work(office)
    assert await bodies(office) == found


async def test_it_gets_no_events_from_before_it_was_turned_on(office: PluginOffice) -> None:
    await office.agent("ada")
    await office.agent("bob")
    await office.use(handling(TELL))
    await work(office)
    assert await bodies(office) == []


async def test_an_event_whose_handler_failed_comes_again_with_the_same_id(
    office: PluginOffice,
) -> None:
    """The first time the handler ends after its effect, as if it had been killed."""
    vars(builtins).pop("_echo", None)
    await office.agent("ada")
    once = "import builtins; seen = builtins.__dict__.setdefault('_echo', []); seen.append(1)"
    await office.use(handling(f"{TELL}; {once}; assert len(seen) > 1"))
    await office.agent("bob")
    await work(office)
    await work(office)
    first, second = await bodies(office)
    assert first == second
    assert (await use_of(office))["failures"] == 0


async def test_a_handler_that_keeps_failing_is_turned_off(office: PluginOffice) -> None:
    await office.use(handling("1 / 0"))
    await office.agent("bob")
    for _ in range(failures.MOST_FAILURES + 1):
        await work(office)
    found = await use_of(office)
    assert (found["state"], found["failures"]) == ("failing", failures.MOST_FAILURES)
    assert found["why"] == "It raised ZeroDivisionError: division by zero (echo.py, line 9)"


async def test_two_processes_hand_over_an_event_once(office: PluginOffice) -> None:
    await office.agent("ada")
    await office.use(handling(TELL))
    await office.agent("bob")
    use = await use_of(office)
    office.clock.forward(1)
    for _ in range(2):
        await events.hand_over(office.store, office.plugins, use.copy())
    assert len(await bodies(office)) == 1


FORWARD = "import builtins; builtins._echo.forward({0})"


@pytest.fixture
def slow(office: PluginOffice) -> Iterator[Callable[[int], str]]:
    """A handler that takes so many seconds, and then tells."""
    vars(builtins)["_echo"] = office.clock
    yield lambda seconds: f"{FORWARD.format(seconds)}; {TELL}"
    del vars(builtins)["_echo"]


async def test_a_slow_plug_in_has_the_rest_of_its_events_at_its_next_turn(
    office: PluginOffice, slow: Callable[[int], str]
) -> None:
    await office.agent("ada")
    await office.use(handling(slow(events.LOOK_FOR_S // 2)))
    for name in ("bob", "cyd", "dan", "eve", "fay"):
        await office.agent(name)
    office.clock.forward(60)
    done = []
    while found := await events.step(office.store, office.plugins):
        done.append(found)
    assert done[0] < 5
    told = await bodies(office)
    assert len(told) == len(set(told)) == 5


async def test_one_that_took_too_long_leaves_its_events_to_the_process_that_has_them_now(
    office: PluginOffice, slow: Callable[[int], str]
) -> None:
    await office.agent("ada")
    await office.use(handling(slow(events.TAKEN_S + 1)))
    await office.agent("bob")
    office.clock.forward(60)
    use = await use_of(office)
    await events.hand_over(office.store, office.plugins, use)
    taken = await use_of(office)
    other = taken["due_at"] + 7

    async def take(tx: Tx) -> None:
        assert await plugin_installations.take(tx, taken, other)

    await office.store.write(take)
    await office.store.write(lambda tx: plugin_installations.advance(tx, use, taken["seq"] + 5, 1))
    assert ((now := await use_of(office))["seq"], now["due_at"]) == (taken["seq"], other)


async def test_lines_of_a_plug_in_are_on_the_card_as_plain_text(workspace: Workspace) -> None:
    office = PluginOffice(workspace.store, workspace.clock, workspace.installation.id)
    await office.clear()
    lines = "return ['Look at @octocat <b>now</b>\\n/cancel', 'x' * 900, 7, task['state']]"
    await office.use(handling("pass", lines, adds="card_lines: true"))
    agent = await workspace.agent("ada")
    issue = await workspace.task()
    task = (await agent.call("claim_task", task=workspace.name(issue)))["task"]
    await work(office)

    async def drawn(tx: Any) -> str:
        found = await tasks.get(tx, workspace.installation.id, task["id"])
        assert found is not None
        return await card.text(tx, found)

    shown = [each for each in (await workspace.store.read(drawn)).splitlines() if "`echo`" in each]
    assert shown[0] == "- `echo`: `Look at @octocat <b>now</b> /cancel`"
    assert [len(each) < 230 for each in shown] == [True] * 3
    assert shown[2] == "- `echo`: `in_progress`"
    await office.call("manage_plugin", plugin="echo", action="disable")
    assert "`echo`" not in await workspace.store.read(drawn)
    await office.clear()
