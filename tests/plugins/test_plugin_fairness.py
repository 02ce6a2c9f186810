"""One plug-in, one installation and one slow app hold up nobody else, and stopped means stopped."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.background.tasks_by_key import TasksByKey
from bot.kernel.fair_turns import Turns
from bot.plugins import events, installing, running
from store.engine.database import open_store
from store.plugins import plugin_installations, plugins
from tests.plugins.test_plugin_events import handling
from tests.plugins.test_plugins_in_use import coded
from tests.support import bubblewrap
from tests.support.plugin_packages import package
from tests.support.plugins import PluginOffice
from tests.support.story import Clock, Workspace

AGAIN = "{role: developer, operations: [echo__say]}"
IN_SANDBOX = b"""\
from hubbub_plugin import operation, run


@operation
def say(hubbub, text=""):
    return hubbub.call("echo__say", {}) if text else 1


run()
"""


@pytest.fixture
async def office(sqlite_url: str, clock: Clock) -> AsyncIterator[PluginOffice]:
    opened = await open_store(sqlite_url, clock)
    yield PluginOffice(opened, clock, 7)
    await opened.close()


# --- Turns ---------------------------------------------------------------------------------------


async def test_a_trusted_plug_in_whose_calls_call_it_again_does_not_wait_for_itself(
    office: PluginOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "MOST_CALLS", (1, 1))
    body = "return (await hubbub.call('echo__say', {}))['result'] if text else 1"
    await office.use(coded(body, permissions=AGAIN))
    found = await asyncio.gather(*(office.call("echo__say", text="x") for _ in range(2)))
    assert [each["result"] for each in found] == [1, 1]


async def test_a_plug_in_in_the_sandbox_whose_calls_call_it_again_does_not_wait_for_itself(
    office: PluginOffice,
) -> None:
    bubblewrap.skip_without()
    code = {"main.py": IN_SANDBOX}
    await office.use(package(files=code, kind="process", entry="main.py", permissions=AGAIN))
    calls = (office.call("echo__say", text="x") for _ in range(running.MOST_IN_SANDBOX[0]))
    found = await asyncio.gather(*calls)
    assert [each["result"]["result"] for each in found] == [1] * len(found)


async def test_an_installation_takes_some_places_and_the_others_are_for_others() -> None:
    turns, order = Turns(3, 2), list[int]()
    ends = asyncio.Event()

    async def work(installation_id: int) -> None:
        async with turns.one(installation_id):
            order.append(installation_id)
            await ends.wait()

    tasks = [asyncio.create_task(work(each)) for each in (1, 1, 1, 1, 2, 2, 3)]
    await asyncio.sleep(0)
    assert order == [1, 1, 2]
    tasks[2].cancel()
    ends.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    # The third one waited longer, but the others have fewer.
    assert sorted(order) == [1, 1, 1, 2, 2, 3]
    async with turns.one(1), turns.one(1), turns.one(2):
        pass


async def test_who_has_the_fewest_calls_comes_first() -> None:
    turns, order = Turns(2, 2), list[int]()

    async def work(installation_id: int) -> None:
        async with turns.one(installation_id):
            order.append(installation_id)

    async with turns.one(1):
        async with turns.one(1):
            tasks = [asyncio.create_task(work(each)) for each in (1, 1, 2)]
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
    assert order == [2, 1, 1]


async def test_a_call_that_is_cancelled_as_its_turn_comes_gives_it_back() -> None:
    turns = Turns(1, 1)

    async def work() -> None:
        async with turns.one(1):
            raise AssertionError

    async with turns.one(1):
        waiting = asyncio.create_task(work())
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with turns.one(1):
        pass


async def test_a_plug_in_that_takes_long_to_load_holds_up_no_other(
    office: PluginOffice,
) -> None:
    hangs = b"import time\nfor _ in range(1_000): time.sleep(0.01)\n"
    await office.use(package("slow", files={"echo.py": hangs}))
    await office.use(package())
    loading = asyncio.create_task(office.refused("slow__say"))
    while not office.plugins._loading:  # noqa: ASYNC110 - a step of the other task
        await asyncio.sleep(0)
    assert (await office.call("echo__say", text="a"))["result"] == {"said": "a"}
    assert not loading.done()
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)


# --- Events --------------------------------------------------------------------------------------


async def test_an_event_that_takes_long_in_one_installation_holds_up_no_other(
    office: PluginOffice,
) -> None:
    other = PluginOffice(office.store, office.clock, 8)
    other.plugins = office.plugins
    here = "if event['id'].startswith('7:'): await __import__('asyncio').sleep(60)"
    await office.use(handling(here))
    await other.enable("echo")
    for each in (office, other):
        await each.agent("bob")
    office.clock.forward(60)
    tasks = TasksByKey("test")

    async def look() -> None:
        for use in await events.due(office.store, office.plugins):
            work = events.drain(office.store, office.plugins, use)
            tasks.start(use["installation_id"], lambda work=work: work)  # type: ignore[misc]

    async def seq(each: PluginOffice) -> int:
        i = each.installation_id
        row = await office.store.read(lambda tx: plugin_installations.get(tx, i, "echo"))
        assert row is not None
        return row["seq"]

    before = await seq(office), await seq(other)
    await look()
    slow, quick = tasks.running
    await quick
    assert (await seq(office), await seq(other)) == (before[0], before[1] + 1)
    assert tasks.running == [slow]
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)


async def test_a_plug_in_that_is_turned_off_gets_none_of_the_events_that_were_read(
    office: PluginOffice,
) -> None:
    off = "await hubbub.call('send_message', {'to': 'ada', 'body': 'stop me'})"
    await office.agent("ada")
    await office.use(handling(off))
    for each in ("bob", "cid", "dan"):
        await office.agent(each)
    office.clock.forward(60)
    before = office.plugins.call_operation
    assert before is not None

    async def stop(*given: object) -> object:
        await office.call("manage_plugin", plugin="echo", action="disable")
        return await before(*given)  # type: ignore[arg-type]

    office.plugins.call_operation = stop  # type: ignore[assignment]
    await events.step(office.store, office.plugins)
    q = "SELECT body FROM messages WHERE installation_id = :i"
    assert len(await office.rows(q)) == 1


async def test_a_bug_in_one_task_ends_no_other() -> None:
    tasks, done = TasksByKey("test"), list[int]()

    async def work(n: int) -> None:
        done.append(1 // n)

    for n in (0, 1, 1):
        tasks.start(n, lambda n=n: work(n))  # type: ignore[misc]
    await asyncio.gather(*tasks.running)
    assert (done, tasks.running) == ([1], [])


# --- Stopped -------------------------------------------------------------------------------------


async def test_a_plug_in_that_was_stopped_does_not_run_where_it_is_loaded(
    office: PluginOffice,
) -> None:
    await office.use(package())
    await office.call("echo__say")
    [found] = await office.plugins.all_of()
    digest = found.row["digest"]
    await office.store.write(lambda tx: plugins.stop(tx, "echo", digest, "It was changed."))
    assert await office.refused("echo__say") == (
        "plugin_failed: The plug-in echo failed (refused): It was changed."
    )


@pytest.mark.parametrize("how", ["disabled", "revoked", "removed"])
async def test_what_a_plug_in_queued_is_not_sent_after_it_was_stopped(
    workspace: Workspace, how: str
) -> None:
    office = PluginOffice(workspace.store, workspace.clock, workspace.installation.id)
    await office.clear()
    may = "{role: developer, operations: [github_comment_issue]}"
    body = "return await hubbub.call('github_comment_issue', {'issue': text, 'body': 'Spam.'})"
    await office.use(coded(body, permissions=may))
    issue = await workspace.task()
    [write] = (await office.call("echo__say", text=workspace.name(issue)))["result"]["writes"]
    digest = (await office.plugins.all_of())[0].row["digest"]
    if how == "disabled":
        await office.call("manage_plugin", plugin="echo", action="disable")
    elif how == "revoked":
        await office.store.write(lambda tx: plugins.stop(tx, "echo", digest, "It is revoked."))
    else:
        await installing.remove(office.store, "echo")
    await workspace.settle()
    [shown] = (await office.call("get_write", write_id=write["write_id"]))["writes"]
    assert shown["state"] == "cancelled"
    assert shown["refusal"]["message"] == "plugin/echo was turned off before its turn came."
    assert "Spam." not in [each.body for each in issue.comments]
    await office.clear()
