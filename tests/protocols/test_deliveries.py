"""Tasks and messages go to agents with an endpoint: once acknowledged, else again, else back."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from bot.protocols.delivery import TAKEN_FOR, deliver_next
from bot.protocols.outcomes import WAITS_S
from bot.times import SECOND
from store.protocols import endpoint_deliveries, endpoints
from tests.attention.test_items import listed
from tests.support.agent_endpoints import (
    Acknowledging,
    courier,
    deliveries,
    lead,
    set_endpoint,
)
from tests.support.engines import ON_SQLITE
from tests.support.receivers import serving
from tests.support.story import Agent, Workspace


@pytest.fixture
async def receiver() -> AsyncIterator[Acknowledging]:
    async with serving(Acknowledging()) as opened:
        yield opened


async def reached(workspace: Workspace, receiver: Acknowledging) -> tuple[Agent, str]:
    """An agent with a callback, and the secret that signs it."""
    agent = await workspace.agent("worker")
    made = await set_endpoint(workspace, "worker", "callback", receiver.url)
    return agent, made["new_secret"]


async def test_a_task_is_delivered_signed_with_what_the_agent_needs(
    workspace: Workspace, receiver: Acknowledging
) -> None:
    _, secret = await reached(workspace, receiver)
    issue = await workspace.task("Mend it", "The valve leaks.")
    await lead(workspace).call("assign_task", task=workspace.name(issue), agent_id="worker")
    await courier(workspace).drain()
    ((headers, content),) = receiver.requests
    (body,) = receiver.bodies
    assert (body["type"], body["agent"]) == ("task.assigned", "worker")
    assert body["task"]["task"] == workspace.name(issue)
    assert body["task"]["state"] == "assigned"
    assert body["body"]["text"] == "The valve leaks."
    assert body["body"]["author"] == workspace.person.login
    key = base64.b64decode(secret.removeprefix("whsec_"))
    lowered = {name.lower(): value for name, value in headers.items()}
    signed = f"{lowered['webhook-id']}.{lowered['webhook-timestamp']}.".encode() + content
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert lowered["webhook-signature"] == f"v1,{expected}"
    assert lowered["webhook-id"] == body["id"]
    assert await deliveries(workspace) == [("task", "delivered", 0)]


@ON_SQLITE
async def test_the_files_of_a_task_and_of_a_message_come_with_addresses(
    workspace: Workspace, receiver: Acknowledging
) -> None:
    await reached(workspace, receiver)
    ada = await workspace.agent("ada")
    file = (await ada.call("attach_file", name="valve.txt", text="Red."))["file"]["id"]
    await ada.call("send_message", to="worker", body="This valve.", attachments=[file])
    where = workspace.repository.full_name
    made = await ada.call("create_task", repository=where, title="Mend it", attachments=[file])
    await workspace.settle()
    task = made["task"]["task"]
    await lead(workspace).call("assign_task", task=task, agent_id="worker")
    await courier(workspace).drain()
    message, assigned = receiver.bodies
    for found in (message["message"]["attachments"], assigned["attachments"]):
        (shown,) = found
        address = shown.pop("url")
        assert address.startswith("https://hubbub.example.com/files/")
        assert shown == {"id": file, "name": "valve.txt", "type": "text/plain", "size": 4}


async def test_a_message_is_delivered_and_read_once_it_is_acknowledged(
    workspace: Workspace, receiver: Acknowledging
) -> None:
    agent, _ = await reached(workspace, receiver)
    other = await workspace.agent("ada")
    sent = await other.call("send_message", to="worker", body="Which valve?")
    await courier(workspace).drain()
    (body,) = receiver.bodies
    assert body["message"]["body"] == "Which valve?"
    assert body["message"]["id"] == sent["message_id"]
    assert (await agent.call("get_messages"))["messages"] == []
    assert await deliveries(workspace) == [("message", "delivered", 0)]


async def test_without_acknowledgement_it_comes_again_and_then_the_task_is_ready(
    workspace: Workspace, receiver: Acknowledging
) -> None:
    await reached(workspace, receiver)
    issue = await workspace.task()
    await lead(workspace).call("assign_task", task=workspace.name(issue), agent_id="worker")
    receiver.acknowledges = False
    for wait_s in (*WAITS_S, 0):
        await courier(workspace).drain()
        workspace.clock.forward(wait_s + 1)
    assert len({body["id"] for body in receiver.bodies}) == 1
    assert len(receiver.bodies) == 6
    assert await deliveries(workspace) == [("task", "failed", 5)]
    seen = await lead(workspace).call("get_task", task=workspace.name(issue))
    assert seen["task"]["state"] == "pending"
    (agent,) = (await lead(workspace).call("list_agents"))["agents"]
    assert agent["unreachable"]
    (item,) = await listed(workspace, "agent_unreachable")
    assert item["title"].startswith('worker cannot be reached: it answered 200 without {"ack"')
    # The next one is tried all the same.
    receiver.acknowledges = True
    await lead(workspace).call("manage_agent_endpoint", agent_id="worker", action="test")
    await courier(workspace).drain()
    assert await listed(workspace, "agent_unreachable") == []


@ON_SQLITE
async def test_an_answer_that_was_recorded_acknowledges_nothing_else(
    workspace: Workspace, receiver: Acknowledging
) -> None:
    await reached(workspace, receiver)
    person = lead(workspace)
    await person.call("manage_agent_endpoint", agent_id="worker", action="test")
    await courier(workspace).drain()
    receiver.replayed = receiver.bodies[0]["id"]
    await person.call("manage_agent_endpoint", agent_id="worker", action="test")
    await courier(workspace).drain()
    assert await deliveries(workspace) == [("test", "delivered", 0), ("test", "waiting", 1)]


async def test_a_claim_acknowledges(workspace: Workspace, receiver: Acknowledging) -> None:
    agent, _ = await reached(workspace, receiver)
    issue = await workspace.task()
    receiver.acknowledges = False
    await lead(workspace).call("assign_task", task=workspace.name(issue), agent_id="worker")
    await courier(workspace).drain()
    await agent.call("claim_task", task=workspace.name(issue))
    workspace.clock.forward(60)
    await courier(workspace).drain()
    assert len(receiver.bodies) == 1
    assert await deliveries(workspace) == [("task", "delivered", 1)]


async def test_who_lost_the_task_is_told(workspace: Workspace, receiver: Acknowledging) -> None:
    await reached(workspace, receiver)
    await workspace.agent("ada")
    issue = await workspace.task()
    name, person = workspace.name(issue), lead(workspace)
    await person.call("assign_task", task=name, agent_id="worker")
    await person.call("assign_task", task=name)
    assert await deliveries(workspace) == [("task", "dropped", 0)]
    await person.call("assign_task", task=name, agent_id="worker")
    await courier(workspace).drain()
    await person.call("assign_task", task=name, agent_id="ada")
    await courier(workspace).drain()
    assert [body["type"] for body in receiver.bodies] == ["task.assigned", "task.cancelled"]


@pytest.mark.parametrize(
    ("status", "failures", "state", "wait_s"),
    [(503, 1, "waiting", 120), (410, 0, "failed", 0), (302, 0, "failed", 0)],
)
async def test_answers_decide_when_it_is_tried_again(
    workspace: Workspace,
    receiver: Acknowledging,
    status: int,
    failures: int,
    state: str,
    wait_s: int,
) -> None:
    await reached(workspace, receiver)
    receiver.status, receiver.headers = status, {"Retry-After": "120", "Location": "http://x/"}
    await lead(workspace).call("manage_agent_endpoint", agent_id="worker", action="test")
    await courier(workspace).drain()
    assert await deliveries(workspace) == [("test", state, failures)]
    row = (await lead(workspace).call("get_agent_endpoint", agent_id="worker"))["deliveries"][0]
    assert row["error"].startswith(f"it answered {status}")
    assert ("redirects are not followed" in row["error"]) == (status == 302)
    workspace.clock.forward(wait_s - 5)
    await courier(workspace).drain()
    assert len(receiver.requests) == 1


async def test_off_stops_deliveries_and_gives_waiting_tasks_back(
    workspace: Workspace, receiver: Acknowledging
) -> None:
    await reached(workspace, receiver)
    issue, person = await workspace.task(), lead(workspace)
    await person.call("assign_task", task=workspace.name(issue), agent_id="worker")
    await person.call("manage_agent_endpoint", agent_id="worker", action="off")
    await courier(workspace).drain()
    assert receiver.requests == []
    seen = await person.call("get_task", task=workspace.name(issue))
    assert seen["task"]["state"] == "pending"
    refused = await person.refusal("manage_agent_endpoint", agent_id="worker", action="test")
    assert "Turn it on first" in refused.message
    await person.call("manage_agent_endpoint", agent_id="worker", action="on")
    await person.call("manage_agent_endpoint", agent_id="worker", action="test")
    await courier(workspace).drain()
    assert [body["type"] for body in receiver.bodies] == ["test"]


class Died(BaseException):
    """The process ended."""


async def test_after_a_kill_another_process_goes_on(
    workspace: Workspace, receiver: Acknowledging
) -> None:
    agent, _ = await reached(workspace, receiver)
    other = await workspace.agent("ada")
    await other.call("send_message", to="worker", body="Which valve?")

    def die() -> None:
        raise Died

    dying = courier(workspace, after_send=die)
    i = workspace.installation.id
    with pytest.raises(Died):
        await deliver_next(dying.link, endpoints.Key(installation_id=i, agent_id="worker"))
    await courier(workspace).drain()
    assert len(receiver.requests) == 1
    workspace.clock.forward(TAKEN_FOR / SECOND + 1)
    await courier(workspace).drain()
    assert len({body["id"] for body in receiver.bodies}) == 1
    assert len(receiver.requests) == 2
    assert (await agent.call("get_messages"))["messages"] == []


async def test_what_is_paused_waits_and_who_left_gets_nothing(
    workspace: Workspace, receiver: Acknowledging
) -> None:
    await reached(workspace, receiver)
    other, person = await workspace.agent("ada"), lead(workspace)
    await other.call("send_message", to="worker", body="Which valve?")
    await person.call("manage_agent", agent_id="worker", action="pause")
    await courier(workspace).drain()
    assert receiver.requests == []
    await person.call("manage_agent", agent_id="worker", action="unregister")
    workspace.clock.forward(61)
    await courier(workspace).drain()
    assert receiver.requests == []
    assert await deliveries(workspace) == [("message", "dropped", 0)]
    q = "SELECT error FROM endpoint_deliveries WHERE installation_id = :i"
    (row,) = await workspace.rows(q)
    assert row["error"] == "the agent has left"


async def test_a_message_that_was_withdrawn_is_dropped(
    workspace: Workspace, receiver: Acknowledging
) -> None:
    await reached(workspace, receiver)
    other = await workspace.agent("ada")
    sent = await other.call("send_message", to="worker", body="Which valve?")
    await other.call("delete_message", message_id=sent["message_id"])
    await courier(workspace).drain()
    assert receiver.requests == []
    assert await deliveries(workspace) == [("message", "dropped", 0)]


async def test_a_look_takes_a_share_of_each_installation(workspace: Workspace) -> None:
    i = workspace.installation.id
    for n in range(5):
        await set_endpoint(workspace, f"a{n}", "callback", "https://agents.example.com/in")
        queued: dict[str, Any] = {"agent_ids": [f"a{n}"], "kind": "test", "subject": ""}
        await workspace.store.write(partial(endpoint_deliveries.queue, installation_id=i, **queued))
    found = await workspace.store.read(lambda tx: endpoints.due(tx, "callback", 100, 3))
    assert [key["agent_id"] for key in found if key["installation_id"] == i] == ["a0", "a1", "a2"]
