"""Plug-ins that are installed and turned on: their operations, and what they may do."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent

from bot.errors import Refused
from bot.identity.actors import Actor
from bot.kernel.plugin_calls import Failure, HookCall, PluginResult
from bot.plugins import failures, plugin_code, trusted
from bot.plugins.package import Package
from bot.plugins.values import GetValue, Values
from mcp_server import plugin_prompts
from store.engine.transaction import Store
from store.plugins import plugin_installations, plugins
from store.tables.plugins import PluginInstallationRow
from tests.support.plugin_packages import package
from tests.support.plugins import PluginOffice
from tests.support.repeating_store import RepeatingStore
from tests.support.story import Clock, Workspace

# A plug-in whose operation does what the test says.
CODE = """\
import asyncio
import os
import time

import pluggy

hook = pluggy.HookimplMarker("hubbub")


class Plugin:
    @hook
    def operations(self):
        return {{"say": self.say}}

    async def say(self, hubbub, text=""):
        {body}


plugin = Plugin()
"""


def coded(body: str, name: str = "echo", **changed: str) -> Package:
    return package(name, files={"echo.py": CODE.format(body=body).encode()}, **changed)


@pytest.fixture
async def office(store: Store, clock: Clock, installation_id: int) -> AsyncIterator[PluginOffice]:
    made = PluginOffice(store, clock, installation_id)
    await made.clear()
    yield made
    await made.clear()


async def test_an_operation_of_a_plug_in_is_called_by_its_full_name(office: PluginOffice) -> None:
    await office.use(package())
    agent = await office.agent("ada")
    answer = await agent.call("echo__say", text="hello")
    assert (answer["plugin"], answer["result"]) == ("echo", {"said": "hello"})
    audited = await office.rows("SELECT actor, operation FROM audit WHERE installation_id = :i")
    assert {"actor": "ada", "operation": "echo__say"} in audited


SEVERAL = b"""\
import pluggy

hook = pluggy.HookimplMarker("hubbub")


class Plugin:
    @hook
    def operations(self):
        return {"say": lambda hubbub, text="": {"said": text}}

    @hook(specname="operations")
    def more_operations(self):
        return {"shout": lambda hubbub: {"said": "AH"}}

    @hook
    async def card_lines(self, task, hubbub):
        return ["one"]

    @hook(specname="card_lines")
    def more_lines(self, task, hubbub):
        return ["two"]

    @hook
    async def on_event(self, event, hubbub):
        await hubbub.change("seen", lambda seen: [*seen, "a"], default=[])

    @hook(specname="on_event")
    async def another(self, event, hubbub):
        await hubbub.change("seen", lambda seen: [*seen, "b"], default=[])


plugin = Plugin()
"""
SEVERAL_ADD = (
    "{operations: [{name: say, description: Says}, {name: shout, description: Shouts}], "
    "events: [task.created], card_lines: true}"
)


async def test_a_hook_may_be_implemented_by_several_functions(office: PluginOffice) -> None:
    await office.use(package(files={"echo.py": SEVERAL}, adds=SEVERAL_ADD))
    assert (await office.call("echo__shout"))["result"] == {"said": "AH"}
    assert (await office.call("echo__say"))["result"] == {"said": ""}
    use = await use_of(office)
    lines = HookCall("card_lines", arguments={"task": {}})
    assert sorted((await office.plugins.call("echo", use, lines)).value) == ["one", "two"]
    event = HookCall("event", arguments={"event": {}})
    assert (await office.plugins.call("echo", use, event)).failure is None
    kept = Values(office.store, office.plugins.keys, office.installation_id, "echo")
    assert sorted((await kept.get(GetValue(name="seen")))["value"]) == ["a", "b"]


async def test_a_plug_in_that_is_off_or_unknown_is_not_called(office: PluginOffice) -> None:
    await office.install(package())
    assert (await office.refused("echo__say")).startswith("plugin_off: The plug-in echo is not")
    assert (await office.refused("echo__shout")).startswith("unknown_tool: ")
    await office.enable("echo")
    assert (await office.refused("echo__say", words="x")).startswith("invalid_arguments: ")
    await office.call("manage_plugin", plugin="echo", action="disable")
    assert (await office.refused("echo__say")).startswith("plugin_off: ")


async def test_the_role_of_the_caller_counts(office: PluginOffice) -> None:
    await office.use(package())
    observer = await office.agent("olaf", "observer")
    with pytest.raises(Refused, match="echo__say needs the role developer; olaf has observer"):
        await observer.call("echo__say")


async def test_a_repeated_key_calls_the_plug_in_once(office: PluginOffice) -> None:
    await office.use(coded("return {'at': time.perf_counter()}"))
    agent = await office.agent("ada")
    first = await agent.call("echo__say", key="k")
    assert (await agent.call("echo__say", key="k"))["result"] == first["result"]


async def test_two_plug_ins_may_have_the_same_operation(office: PluginOffice) -> None:
    await office.use(coded("return 1"))
    await office.use(coded("return 2", name="other"))
    agent = await office.agent("ada")
    found = [(await agent.call(f"{each}__say"))["result"] for each in ("echo", "other")]
    assert found == [1, 2]


async def test_a_plug_in_calls_what_its_manifest_names_as_an_actor_of_its_own(
    office: PluginOffice,
) -> None:
    body = "return await hubbub.call('send_message', {'to': 'bob', 'body': text})"
    may = "{role: tester, operations: [send_message, claim_task]}"
    await office.use(coded(body, permissions=may))
    ada, bob = await office.agent("ada"), await office.agent("bob")
    await ada.call("echo__say", text="hello")
    [message] = (await bob.call("get_messages"))["messages"]
    assert (message["sender"], message["body"]) == ("plugin/echo", "hello")
    audited = await office.rows("SELECT actor, operation FROM audit WHERE installation_id = :i")
    assert {"actor": "plugin/echo", "operation": "send_message"} in audited


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        ("list_tasks", "does not name list_tasks"),
        ("claim_task", "claim_task needs the role developer; plugin/echo has tester"),
        ("list_audit", "Only people may call list_audit"),
        ("manage_plugin", "Only people may call manage_plugin"),
    ],
)
async def test_a_plug_in_may_do_no_more_than_its_manifest_and_its_role(
    office: PluginOffice, operation: str, why: str
) -> None:
    may = "{role: tester, operations: [claim_task, list_audit, manage_plugin]}"
    await office.use(coded(f"return await hubbub.call('{operation}', {{}})", permissions=may))
    assert why in await office.refused("echo__say")


async def test_a_person_may_give_a_plug_in_a_lower_role(office: PluginOffice) -> None:
    body = "return await hubbub.call('send_message', {'to': 'ada', 'body': 'x'})"
    may = "{role: tester, operations: [send_message]}"
    await office.use(coded(body, permissions=may), role="observer")
    await office.agent("ada")
    assert "send_message needs the role tester" in await office.refused("echo__say")
    await office.enable("echo", role="tech-lead")
    assert (await office.call("get_plugin", plugin="echo"))["plugin"]["role"] == "tester"


async def test_a_plug_in_sees_for_its_caller_what_the_caller_may_see(
    workspace: Workspace,
) -> None:
    office = PluginOffice(workspace.store, workspace.clock, workspace.installation.id)
    await office.clear()
    body = "return len((await hubbub.call('list_tasks', {}))['tasks'])"
    await office.use(coded(body, permissions="{operations: [list_tasks]}"))
    await workspace.task()
    stranger = Actor(workspace.installation.id, "eve", "developer", frozenset({7}))
    await office.dispatcher.call(stranger, "register_agent", {"agent_id": "eve", "name": "eve"})
    found = [
        (await office.dispatcher.call(each, "echo__say", {}))["result"]
        for each in (office.person, stranger)
    ]
    assert found == [1, 0]
    await office.clear()


async def test_plug_ins_that_call_each_other_are_stopped(office: PluginOffice) -> None:
    for name, other in (("ping", "pong"), ("pong", "ping")):
        body = f"return await hubbub.call('{other}__say', {{}})"
        may = f"{{role: developer, operations: [{other}__say]}}"
        await office.use(coded(body, name=name, permissions=may))
    assert "Plug-ins called each other 4 times in a row" in await office.refused("ping__say")


# --- Plug-ins that fail --------------------------------------------------------------------------

FAILING = {
    "raise KeyError('x')": "plugin_failed: The plug-in echo failed (trap): It raised KeyError: 'x'",
    "raise ValueError('Say more.')": "plugin_failed: The plug-in echo failed (error): Say more.",
    "return object()": "plugin_failed: The plug-in echo failed (bad_output): What it returned is "
    "not JSON",
    "return 'x' * 300_000": "plugin_failed: The plug-in echo failed (bad_output): What it returned "
    "is longer than",
    "await asyncio.sleep(60)": "plugin_failed: The plug-in echo failed (timed_out): It took longer",
    "raise SystemExit": "plugin_failed: The plug-in echo failed (trap): It raised SystemExit",
    "while True: pass": "plugin_failed: The plug-in echo failed (timed_out): It took longer",
}


@pytest.mark.parametrize("body", FAILING)
async def test_a_plug_in_that_fails_says_how(
    office: PluginOffice, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "timed_out" in FAILING[body]:
        monkeypatch.setitem(plugin_code.TIMEOUTS_S, "operation", 0.2)
    await office.use(coded(body))
    assert (await office.refused("echo__say")).startswith(FAILING[body])


async def test_a_plug_in_that_hangs_holds_up_nobody(office: PluginOffice, tmp_path: Path) -> None:
    end = tmp_path / "end"
    await office.use(coded(f"while not os.path.exists({str(end)!r}): time.sleep(0.01)"))
    await office.use(coded("return 2", name="other"))
    hanging = asyncio.create_task(office.call("echo__say"))
    agent = await office.agent("ada")
    assert (await agent.call("other__say"))["result"] == 2
    assert not hanging.done()
    end.touch()
    assert (await hanging)["result"] is None


async def test_a_call_that_ended_as_its_time_was_over_ends_no_other_thread() -> None:
    async def work() -> None:
        pass

    call, end, well = trusted._Thread(work), threading.Event(), threading.Event()
    call.start()
    call.join()
    # As if the loop had not heard of its end yet.
    call.ended = asyncio.Event()

    def wait() -> None:
        while not end.is_set():
            time.sleep(0.001)
        well.set()

    other = threading.Thread(target=wait)
    other.start()
    # The system gives the number of a thread that ended to another one.
    call._ident = other.ident  # type: ignore[attr-defined]
    await call.stop()
    end.set()
    other.join()
    assert well.is_set()


async def test_a_plug_in_that_keeps_failing_is_turned_off_and_others_go_on(
    office: PluginOffice,
) -> None:
    await office.use(coded("1 / 0"))
    await office.use(package("other"))
    for _ in range(failures.MOST_FAILURES):
        assert (await office.refused("echo__say")).startswith("plugin_failed")
    assert await office.refused("echo__say") == (
        "plugin_off: Hubbub turned the plug-in echo off: It raised "
        "ZeroDivisionError: division by zero (echo.py, line 16). A tech-lead can turn it on again."
    )
    assert (await office.call("other__say"))["result"] == {"said": ""}
    [item] = (await office.call("list_attention"))["items"]
    assert item["title"] == (
        "Hubbub turned the plug-in echo off: “It raised ZeroDivisionError: division by zero "
        "(echo.py, line 16)”"
    )
    [echo, other] = (await office.call("list_plugins"))["plugins"]
    assert (echo["state"], other["state"]) == ("failing", "on")
    await office.enable("echo")
    assert (await office.refused("echo__say")).startswith("plugin_failed")


async def test_a_failure_counts_once_though_its_transaction_was_tried_again(
    store: Store, clock: Clock, installation_id: int
) -> None:
    office = PluginOffice(cast("Store", RepeatingStore(store)), clock, installation_id)
    await office.clear()
    await office.use(coded("1 / 0"))
    assert (await office.refused("echo__say")).startswith("plugin_failed")
    q = "SELECT failures FROM plugin_installations WHERE installation_id = :i"
    assert await office.rows(q) == [{"failures": 1}]
    await office.clear()


async def test_a_success_forgives_failures_before(office: PluginOffice) -> None:
    await office.use(coded("return 1 / len(text)"))
    for _ in range(2 * failures.MOST_FAILURES):
        assert (await office.refused("echo__say")).startswith("plugin_failed")
        await office.call("echo__say", text="x")


async def use_of(office: PluginOffice) -> PluginInstallationRow:
    here = (office.installation_id, "echo")
    found = await office.store.read(lambda tx: plugin_installations.get(tx, *here))
    assert found is not None
    return found


async def test_only_failures_of_the_version_that_is_installed_count(office: PluginOffice) -> None:
    """Beside this process an old one may run, which has the version before for some seconds."""
    old = (await office.install(coded("1 / 0")))["digest"]
    await office.enable("echo")
    seen = await use_of(office)
    failed = PluginResult(failure=Failure("trap", "It failed."), version=old)

    async def end(result: PluginResult) -> int:
        await office.store.write(lambda tx: failures.count(tx, seen, result))
        return (await use_of(office))["failures"]

    for n in range(1, failures.MOST_FAILURES):
        assert await end(failed) == n
    seen = await use_of(office)
    await office.install(coded("return 1 / len(text)", version="1.1.0"), update=True)
    # The new version begins without failures.
    assert [(await use_of(office))["failures"], await end(failed), await end(failed)] == [0, 0, 0]
    assert (await office.refused("echo__say")).startswith("plugin_failed")
    # Nor does a success of the old one forgive those of the new one.
    assert await end(PluginResult(version=old)) == 1
    # A process that does not run the plug-in knows nothing of it.
    assert await end(PluginResult(failure=Failure("refused", "Not here."))) == 1
    assert (await use_of(office))["state"] == "on"


async def test_a_process_that_does_not_run_a_plug_in_turns_it_off_nowhere(
    office: PluginOffice,
) -> None:
    """An older version of Hubbub, beside newer ones for which the plug-in was installed."""
    row = await office.install(package())
    await office.enable("echo")
    newer: Any = {**row, "manifest": row["manifest"] | {"hubbub": ">=99.0"}, "revision": 2**50}
    await office.store.write(lambda tx: plugins.put(tx, newer))
    for _ in range(failures.MOST_FAILURES + 1):
        assert "echo 1.0.0 works with Hubbub >=99.0; this is" in await office.refused("echo__say")
    assert ((await use_of(office))["state"], (await use_of(office))["failures"]) == ("on", 0)


async def test_a_new_version_that_needs_a_setting_says_which(office: PluginOffice) -> None:
    """In place of failing somewhere in its code, at each call."""
    await office.use(package())
    newer = "{channel: {description: The channel, required: true}}"
    await office.install(package(version="1.1.0", settings=newer), update=True)
    assert "echo 1.1.0 needs settings without a value: channel" in await office.refused("echo__say")
    await office.enable("echo", settings={"channel": "#a"})
    assert (await office.call("echo__say", text="a"))["result"] == {"said": "a"}


# --- Settings ------------------------------------------------------------------------------------

CHANNEL = {"channel": "#a"}
SETTINGS = (
    "{channel: {description: where, required: true}, key: {type: secret, description: key}, "
    "hours: {type: number, description: hours, default: 24}}"
)


async def test_settings_reach_the_plug_in_and_nobody_else(office: PluginOffice) -> None:
    await office.install(coded("return dict(hubbub.settings)", settings=SETTINGS))
    assert await office.refused("manage_plugin", plugin="echo", action="enable") == (
        "invalid_arguments: settings.channel is needed: where."
    )
    shown = await office.enable("echo", settings={"channel": "#a", "key": "s3cr3t"})
    assert "s3cr3t" not in str(shown)
    assert shown["set_here"] == ["channel", "key"]
    again = await office.enable("echo", settings={"hours": 12})
    assert again["set_here"] == ["channel", "hours", "key"]
    expected = {"channel": "#a", "key": "s3cr3t", "hours": 12}
    assert (await office.call("echo__say"))["result"] == expected
    [row] = await office.rows("SELECT sealed FROM plugin_installations WHERE installation_id = :i")
    assert b"s3cr3t" not in row["sealed"]


async def test_settings_that_cannot_be_decrypted_are_given_again(office: PluginOffice) -> None:
    await office.use(coded("return dict(hubbub.settings)", settings=SETTINGS), settings=CHANNEL)
    await office.run(
        "UPDATE plugin_installations SET sealed = :s WHERE installation_id = :i", s=b"broken"
    )
    text = "Its settings cannot be decrypted. Turn it on again with its settings."
    assert text in await office.refused("echo__say")
    assert "settings.channel is needed" in await office.refused(
        "manage_plugin", plugin="echo", action="enable"
    )
    await office.enable("echo", settings=CHANNEL)
    assert (await office.call("echo__say"))["result"] == {**CHANNEL, "hours": 24}


async def test_an_argument_that_an_action_would_ignore_is_refused(office: PluginOffice) -> None:
    await office.use(package())
    refused = await office.refused("manage_plugin", plugin="echo", action="disable", role="tester")
    assert refused == "invalid_arguments: `role` is not for disable: leave it out."


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"hours": "two"}, "settings.hours must be a number"),
        ({"hours": True}, "settings.hours must be a number"),
        (
            {"other": 1},
            "settings.other is no setting of echo; it has channel, key, hours, names",
        ),
        ({"key": 7}, "settings.key must be a text"),
        ({"names": "ann"}, 'settings.names must be a list of texts, for example ["a", "b"]'),
        ({"loud": "yes"}, "settings.loud must be true or false"),
    ],
)
async def test_wrong_settings_are_refused(
    office: PluginOffice, given: dict[str, object], why: str
) -> None:
    more = "names: {type: list, description: who}, loud: {type: boolean, description: loud}}"
    await office.install(coded("return 1", settings=f"{SETTINGS[:-1]}, {more}"))
    found = await office.refused(
        "manage_plugin", plugin="echo", action="enable", settings={"channel": "#a", **given}
    )
    assert why in found


# --- Who may use them ----------------------------------------------------------------------------


async def test_only_tech_leads_of_everything_turn_plug_ins_on(office: PluginOffice) -> None:
    await office.install(package())
    somebody = Actor(office.installation_id, "@ann", "tech-lead", frozenset({7}))
    with pytest.raises(Refused, match="administers or maintains every repository"):
        await office.dispatcher.call(
            somebody, "manage_plugin", {"plugin": "echo", "action": "enable"}
        )


async def test_a_plug_in_is_on_for_one_installation_alone(office: PluginOffice) -> None:
    await office.use(package())
    other = Actor(office.installation_id + 1, "operator", "tech-lead")
    with pytest.raises(Refused, match="not turned on for this installation"):
        await office.dispatcher.call(other, "echo__say", {})


async def test_a_plug_in_needs_others_to_be_on(office: PluginOffice) -> None:
    await office.install(package("base"))
    await office.install(package(needs='{base: ">=1.0"}'))
    assert "echo needs base. Turn that on first" in await office.refused(
        "manage_plugin", plugin="echo", action="enable"
    )
    await office.enable("base")
    await office.enable("echo")
    assert "echo needs base. Turn that off first" in await office.refused(
        "manage_plugin", plugin="base", action="disable"
    )


async def test_a_panel_is_shown_when_it_is_asked_for(office: PluginOffice) -> None:
    code = (
        b"import pluggy\nhook = pluggy.HookimplMarker('hubbub')\n"
        b"@hook\ndef panels():\n    return {'today': lambda hubbub: '# Today'}\n"
    )
    adds = "{panels: [{name: today, description: Today}]}"
    await office.use(package(files={"echo.py": code}, adds=adds, entry="echo"))
    found = await office.call("get_plugin", plugin="echo", panel="today")
    assert found["panel"] == "# Today"
    assert "has no panel 'x'. It has today" in await office.refused(
        "get_plugin", plugin="echo", panel="x"
    )
    assert (await office.refused("get_plugin", plugin="nope")).startswith("unknown_plugin")


async def test_a_strategy_is_a_prompt_beside_those_of_hubbub(office: PluginOffice) -> None:
    code = (
        b"import pluggy\nhook = pluggy.HookimplMarker('hubbub')\n"
        b"@hook\ndef strategies():\n"
        b"    return {'by_day': lambda hubbub, task: 'One a day: ' + task}\n"
    )
    adds = "{strategies: [{name: by_day, description: One sub-task for each day}]}"
    await office.use(package(files={"echo.py": code}, adds=adds, entry="echo"))
    agent = await office.agent("ada")
    [listed] = await plugin_prompts.visible_prompts(office.dispatcher, agent.actor)
    assert (listed.name, listed.title) == ("echo__by_day", "One sub-task for each day")
    found = await plugin_prompts.get_prompt(
        office.dispatcher, agent.actor, "echo__by_day", {"task": "acme/rocket#1"}
    )
    [message] = found.messages
    assert isinstance(message.content, TextContent)
    assert message.content.text.startswith("The plug-in echo wrote what follows. Nobody here")
    assert message.content.text.endswith("One a day: acme/rocket#1")
    observer = await office.agent("olaf", "observer")
    assert await plugin_prompts.visible_prompts(office.dispatcher, observer.actor) == []
    with pytest.raises(MCPError, match="There is no prompt 'echo__by_week'"):
        await plugin_prompts.get_prompt(office.dispatcher, agent.actor, "echo__by_week", {})


async def test_agents_find_operations_of_plug_ins_among_the_tools(office: PluginOffice) -> None:
    agent = await office.agent("ada")
    await office.install(package())
    assert (await agent.call("find_tools", query="again"))["tools"] == []
    await office.enable("echo")
    [found] = (await agent.call("find_tools", query="says again"))["tools"]
    assert (found["name"], found["about"]) == ("echo__say", "Says it again")
    assert found["takes"]["properties"].keys() == {"text", "key"}
    assert found["takes"]["properties"]["key"] == {"type": "string"}, "as short as in tools/list"
    refused = await agent.refusal("call_tool", tool="echo__says")
    assert refused.message.endswith(" Did you mean echo__say?")
    answer = await agent.call("call_tool", tool="echo__say", arguments={"text": "a"}, key="k")
    assert answer["result"] == {"said": "a"}
    observer = await office.agent("olaf", "observer")
    assert (await observer.call("find_tools", query="again"))["tools"] == []


async def test_a_manifest_that_is_not_accepted_any_more_stops_only_its_plug_in(
    office: PluginOffice,
) -> None:
    await office.use(package())
    row = await office.install(package("other"))
    await office.enable("other")
    old: Any = {**row, "manifest": row["manifest"] | {"colour": "red"}, "revision": 2**50}
    await office.store.write(lambda tx: plugins.put(tx, old))
    agent = await office.agent("ada")
    assert (await agent.call("echo__say", text="hello"))["result"] == {"said": "hello"}
    listed = {each["name"]: each for each in (await office.call("list_plugins"))["plugins"]}
    assert (listed["echo"]["state"], listed["other"]["state"]) == ("on", "stopped")
    why = listed["other"]["why"]
    assert why.startswith("This version of Hubbub does not accept the manifest of other 1.0.0: col")
    assert (await office.call("get_plugin", plugin="other"))["plugin"]["why"] == why
    assert (await office.refused("manage_plugin", plugin="other", action="enable")).startswith(
        "plugin_off"
    )
    use = await office.store.read(
        lambda tx: plugin_installations.get(tx, office.installation_id, "other")
    )
    assert use is not None
    # Another process may accept it: nothing is written, so that it goes on where it was on.
    assert (use["state"], use["why"]) == ("on", None)
    await office.install(package("other"), update=True)
    assert (await office.call("get_plugin", plugin="other"))["plugin"]["state"] == "on"
