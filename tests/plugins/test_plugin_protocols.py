"""Agents that are reached by the protocol of a plug-in: acknowledged, or again, or given back."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
from bot.plugins import failures, installing
from bot.plugins.package import Package
from bot.plugins.running import Plugins
from bot.protocols.outcomes import WAITS_S
from store.plugins import plugins
from tests.support import bubblewrap
from tests.support.agent_endpoints import courier, deliveries, lead
from tests.support.plugin_packages import package
from tests.support.story import Agent, Workspace

# Each sends what it got to the agent `ada`, and does what `options.then` says.
TRUSTED = b"""\
import json

import pluggy

hook = pluggy.HookimplMarker("hubbub")


async def sms(hubbub, delivery):
    await hubbub.call("send_message", {"to": "ada", "body": json.dumps(delivery)})
    then = delivery["options"].get("then")
    if then == "raise":
        raise KeyError("no answer from " + delivery["address"] + " with " + delivery["secret"])
    if then == "reject":
        return {"rejected": "no such number as " + delivery["address"]}
    return {"retry_after": 40} if then == "wait" else {"ack": delivery["id"]}


@hook
def protocols():
    return {"sms": sms}
"""
SANDBOXED = b"""\
import json

from hubbub_plugin import protocol, run


@protocol
def sms(hubbub, delivery):
    hubbub.call("send_message", {"to": "ada", "body": json.dumps(delivery)})
    return {"ack": delivery["id"]}


run()
"""
ADDS = "{protocols: [{name: sms, description: By text message}]}"
MAY = "{role: tester, operations: [send_message]}"
PROTOCOL = "plugin/pager__sms"
NUMBER, SECRET = "+1 555 0100", "s3cr3t-of-the-number"


def pager(kind: str = "python") -> Package:
    name, code = ("echo", TRUSTED) if kind == "python" else ("main.py", SANDBOXED)
    path = "echo.py" if kind == "python" else name
    return package("pager", files={path: code}, kind=kind, entry=name, adds=ADDS, permissions=MAY)


@pytest.fixture
async def office(workspace: Workspace) -> AsyncIterator[Workspace]:
    """A workspace with plug-ins, and an agent that gets what the plug-ins got."""
    shared = workspace.dispatcher.shared
    outside = replace(shared.outside, plugins=Plugins(workspace.store, shared.keys))
    workspace.dispatcher = Dispatcher(workspace.store, replace(shared, outside=outside))
    yield workspace
    await workspace.store.write(lambda tx: plugins.remove(tx, "pager"))


async def use(office: Workspace, made: Package, **options: Any) -> Agent:
    """Turn the plug-in on, and reach the agent `worker` by it. Return the agent `ada`."""
    candidate = installing.of_package(made)
    await installing.install(office.store, candidate, "operator", unsigned=True, update=False)
    await lead(office).call("manage_plugin", plugin="pager", action="enable")
    ada = await office.agent("ada")
    await endpoint(office, url=NUMBER, secret=SECRET, options=options)
    return ada


async def endpoint(office: Workspace, action: str = "set", **given: Any) -> Any:
    given = {"protocol": PROTOCOL, **given} if action == "set" else given
    found = await lead(office).call(
        "manage_agent_endpoint", agent_id="worker", action=action, **given
    )
    return found["endpoint"]


async def received(ada: Agent) -> list[dict[str, Any]]:
    found = (await ada.call("get_messages"))["messages"]
    return [json.loads(each["body"]) for each in found if each["sender"] == "plugin/pager"]


@pytest.mark.parametrize("kind", ["python", "process"])
async def test_a_task_and_a_message_reach_the_agent_by_the_plug_in(
    office: Workspace, kind: str
) -> None:
    if kind == "process":
        bubblewrap.skip_without()
    ada = await use(office, pager(kind), language="en")
    issue = await office.task("Mend it", "The valve leaks.")
    await lead(office).call("assign_task", task=office.name(issue), agent_id="worker")
    sent = await ada.call("send_message", to="worker", body="Which valve?")
    await courier(office).drain()
    task, message = sorted(await received(ada), key=lambda each: each["type"], reverse=True)
    common = {"agent": "worker", "address": NUMBER, "secret": SECRET, "attempt": 1}
    common |= {"options": {"language": "en"}, "server": "https://hubbub.example.com"}
    assert {**task, **common} == task
    assert {**message, **common} == message
    assert (task["type"], task["task"]["task"]) == ("task.assigned", office.name(issue))
    assert task["body"]["text"] == "The valve leaks."
    assert (message["type"], message["message"]["id"]) == ("message.sent", sent["message_id"])
    assert sorted(await deliveries(office)) == [
        ("message", "delivered", 0),
        ("task", "delivered", 0),
    ]
    worker = Agent(office.dispatcher, replace(ada.actor, name="worker"))
    assert (await worker.call("get_messages"))["messages"] == []
    claimed = await worker.call("claim_task", task=office.name(issue))
    assert claimed["task"]["state"] == "in_progress"


async def test_what_is_not_acknowledged_comes_again_with_the_same_id(office: Workspace) -> None:
    ada = await use(office, pager(), then="wait")
    issue = await office.task()
    await lead(office).call("assign_task", task=office.name(issue), agent_id="worker")
    await courier(office).drain()
    await courier(office).drain()
    assert await deliveries(office) == [("task", "waiting", 1)]
    office.clock.forward(41)
    await endpoint(office, options={})
    await courier(office).drain()
    first, second = await received(ada)
    assert first["id"] == second["id"]
    assert sorted(each["attempt"] for each in (first, second)) == [1, 2]
    assert await deliveries(office) == [("task", "delivered", 0)]


async def test_what_the_plug_in_rejects_is_not_tried_again_and_its_words_keep_secrets(
    office: Workspace,
) -> None:
    await use(office, pager(), then="reject")
    issue = await office.task()
    await lead(office).call("assign_task", task=office.name(issue), agent_id="worker")
    await courier(office).drain()
    assert await deliveries(office) == [("task", "failed", 0)]
    shown = await lead(office).call("get_agent_endpoint", agent_id="worker")
    assert shown["deliveries"][0]["error"] == "no such number as …"
    seen = await lead(office).call("get_task", task=office.name(issue))
    assert seen["task"]["state"] == "pending"


async def test_a_plug_in_that_keeps_failing_is_turned_off_and_the_task_goes_back(
    office: Workspace,
) -> None:
    await use(office, pager(), then="raise")
    issue = await office.task()
    await lead(office).call("assign_task", task=office.name(issue), agent_id="worker")
    for wait_s in (*WAITS_S, 0):
        await courier(office).drain()
        office.clock.forward(wait_s + 1)
    assert await deliveries(office) == [("task", "failed", 5)]
    shown = await lead(office).call("get_agent_endpoint", agent_id="worker")
    assert shown["endpoint"]["why"] == "the plug-in pager is not turned on"
    (plugin,) = (await lead(office).call("list_plugins"))["plugins"]
    assert (plugin["state"], failures.MOST_FAILURES) == ("failing", 5)
    stored = await office.rows("SELECT note FROM tasks WHERE installation_id = :i")
    assert SECRET not in str(stored)
    seen = await lead(office).call("get_task", task=office.name(issue))
    assert seen["task"]["state"] == "pending"


async def test_an_endpoint_shows_its_protocol_and_not_its_secrets(office: Workspace) -> None:
    await use(office, pager(), language="en")
    shown = await endpoint(office, action="test")
    assert (shown["protocol"], shown["address"], shown["has_secret"]) == (PROTOCOL, "", True)
    assert shown["options"] == {"language": "en"}
    agents = (await lead(office).call("list_agents"))["agents"]
    assert {each["id"]: each["reached_by"] for each in agents} == {"ada": "mcp", "worker": "plugin"}
    # An address of another protocol does not get what belongs to this one.
    other = await endpoint(
        office, protocol="openai", url="https://a.example", options={"model": "m"}
    )
    assert other["has_secret"] is False


@pytest.mark.parametrize(
    ("protocol", "why"),
    [
        ("plugin/pager__fax", "invalid_arguments: The plug-in pager adds no protocol 'fax'."),
        ("plugin/other__sms", "unknown_plugin: The operator has installed no plug-in 'other'"),
        ("plugin/pager", "must be a2a, openai, callback or plugin/PLUGIN__PROTOCOL"),
    ],
)
async def test_only_protocols_of_plug_ins_that_are_on_are_accepted(
    office: Workspace, protocol: str, why: str
) -> None:
    await use(office, pager())
    with pytest.raises(Refused) as refused:
        await endpoint(office, protocol=protocol)
    assert why in f"{refused.value.code}: {refused.value.message}"
    await lead(office).call("manage_plugin", plugin="pager", action="disable")
    with pytest.raises(Refused, match="is not turned on"):
        await endpoint(office)
