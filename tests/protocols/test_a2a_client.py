"""Tasks and messages go to agents that speak A2A, and what they say comes back."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.protocols.a2a import legacy_agents, remote_tasks
from bot.protocols.a2a.remote import Problem, card_url, interface_of
from bot.protocols.delivery import TAKEN_FOR
from bot.times import SECOND
from tests.support.a2a_agent import Remote, RemoteAgent, open_agent, reach
from tests.support.a2a_sdk_agent import open_sdk_agent
from tests.support.agent_endpoints import courier, deliveries
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace


@pytest.fixture
async def remote(workspace: Workspace) -> AsyncIterator[Remote]:
    async with open_agent() as agent:
        yield await reach(workspace, agent)


async def test_a_task_is_claimed_sent_followed_and_completed(remote: Remote) -> None:
    issue = await remote.assign()
    await remote.drain()
    (message,) = remote.agent.sent
    text = message["parts"][0]["text"]
    assert text.startswith("# Repair it\n\nThe valve leaks.")
    assert f"https://github.com/{remote.workspace.repository.full_name}/issues/1" in text
    assert "taskId" not in message
    assert remote.agent.headers[0]["Authorization"] == "Bearer s3cret"
    assert remote.agent.headers[0]["A2A-Version"] == "1.0"
    held = await remote.task(issue)
    assert (held["holder"], held["state"]) == ("remote", "in_progress")
    remote.agent.set("WORKING", "Looking at the valve")
    await remote.drain(3)
    assert (await remote.task(issue))["note"] == "Looking at the valve"
    remote.agent.set("COMPLETED", "", {"text": "It is tight."}, {"data": {"leaks": 0}})
    await remote.drain(5)
    done = await remote.task(issue)
    assert done["state"] == "completed"
    assert done["result"] == 'It is tight.\n\n```json\n{\n  "leaks": 0\n}\n```'
    assert await deliveries(remote.workspace) == [("task", "delivered", 0)]
    assert remote.agent.methods == ["SendMessage", "GetTask", "GetTask"]


@ON_SQLITE
async def test_bytes_of_the_artifacts_are_files_of_the_task(remote: Remote) -> None:
    issue = await remote.assign()
    await remote.drain()
    kept = {"raw": "AAEC_w", "filename": "pump.bin", "mediaType": "application/octet-stream"}
    wrong, large = {"raw": "not base64!"}, {"raw": "A" * 400_000, "filename": "big.bin"}
    remote.agent.set("COMPLETED", "", {"text": "Tight."}, kept, wrong, large)
    await remote.drain(5)
    found = await remote.lead.call("get_task", task=remote.workspace.name(issue))
    assert [(each["name"], each["size"]) for each in found["attachments"]] == [("pump.bin", 4)]
    assert found["task"]["result"].splitlines()[::2] == [
        "Tight.",
        "(pump.bin: application/octet-stream of about 4 bytes)",
        "(file: file of about 8 bytes)",
        "(big.bin: file of about 300000 bytes)",
    ]


async def test_a_question_goes_to_people_and_the_answer_back(remote: Remote) -> None:
    issue = await remote.assign()
    await remote.drain()
    remote.agent.set("INPUT_REQUIRED", "Which valve?")
    await remote.drain(3)
    await remote.workspace.settle()
    asked = await remote.task(issue)
    assert asked["question"] == "Which valve?"
    remote.workspace.person.comment(issue, "The red one.")
    await remote.workspace.settle()
    await remote.drain(60)
    first, answer = remote.agent.sent
    assert answer["parts"][0]["text"] == "The red one."
    assert (answer["taskId"], answer["contextId"]) == ("remote-1", "of remote-1")
    assert answer["messageId"] == f"{first['messageId']}-1"
    remote.agent.set("COMPLETED")
    await remote.drain(60)
    assert (await remote.task(issue))["state"] == "completed"


# docker/docker-agent#1679, a2aproject/a2a-python#398, rossoctl/examples#139, xorbitsai/xagent#882
@ON_SQLITE
@pytest.mark.parametrize(
    "place",
    [
        "http://0.0.0.0:9999/rpc",
        "http://[::]:9999/rpc",
        "http://localhost:9999/rpc",
        "/rpc",
        "rpc",
        "http://{host}/rpc",
        "HTTP://{HOST}:80/rpc",
    ],
)
async def test_a_card_may_name_the_endpoint_as_the_agent_sees_itself(
    workspace: Workspace, place: str
) -> None:
    """Behind a proxy it knows neither its host nor its port, and often not https."""
    async with open_agent() as agent:
        host = agent.url.removeprefix("http://")
        name = host.partition(":")[0]
        url = place.replace("{host}", name).replace("{HOST}", name.upper())
        interface = {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
        agent.card = {"supportedInterfaces": [interface]}
        remote = await reach(workspace, agent)
        await remote.assign()
        await remote.drain()
        assert len(agent.sent) == 1, await remote.why()


@ON_SQLITE
@pytest.mark.parametrize("place", ["http://elsewhere.test/rpc", "http://169.254.169.254/rpc"])
async def test_a_card_that_names_another_host_is_refused(workspace: Workspace, place: str) -> None:
    async with open_agent() as agent:
        interface = {"url": place, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
        agent.card = {"supportedInterfaces": [interface]}
        remote = await reach(workspace, agent)
        await remote.assign()
        await remote.drain()
        assert agent.calls == []
        assert "on another server" in await remote.why()


# a2aproject/A2A moved the card; google/adk-python served it at its older place
@ON_SQLITE
async def test_a_card_at_its_older_address_is_found(workspace: Workspace) -> None:
    async with open_agent("/.well-known/agent.json") as agent:
        remote = await reach(workspace, agent)
        await remote.assign()
        await remote.drain()
        assert len(agent.sent) == 1, await remote.why()


@pytest.mark.parametrize(
    "card",
    [
        {
            "url": "https://a.test/grpc",
            "preferredTransport": "GRPC",
            "protocolVersion": "0.3.0",
            "additionalInterfaces": [
                {"transport": "GRPC", "url": "https://a.test/grpc"},
                {"transport": "JSONRPC", "url": "https://a.test/rpc"},
            ],
        },
        {"url": "https://a.test/rpc", "name": "Of 0.2, without a version"},
        {"url": "https://a.test/rpc", "protocolVersion": "0.3", "preferredTransport": None},
        {"url": "https://a.test/rpc", "protocolVersion": "0.2.6", "preferredTransport": "jsonrpc"},
        {"url": "https://a.test/rpc", "protocolVersion": 0.3},
    ],
)
def test_an_interface_of_an_older_card_is_found(card: dict[str, Any]) -> None:
    found = interface_of(card)
    assert (found.url, found.version) == ("https://a.test/rpc", "0.3")


@ON_SQLITE
async def test_the_lease_is_renewed_while_the_agent_works(remote: Remote) -> None:
    issue = await remote.assign()
    await remote.drain()
    first = (await remote.task(issue))["lease_expires_at"]
    await remote.drain(600)
    assert (await remote.task(issue))["lease_expires_at"] > first


# The fault of a send, how often the message arrives, and what then looks for it.
UNKNOWN = [("closed after", 1), ("500 after", 1), ("closed", 1), ("500", 1), ("garbage after", 1)]


@ON_SQLITE
@pytest.mark.parametrize(("fault", "arrivals"), UNKNOWN)
async def test_an_unknown_outcome_is_looked_up_before_it_is_sent_again(
    remote: Remote, fault: str, arrivals: int
) -> None:
    issue = await remote.assign()
    remote.agent.faults["SendMessage"] = [fault]
    await remote.drain()
    assert await deliveries(remote.workspace) == [("task", "waiting", 1)]
    await remote.drain(11)
    assert len(remote.agent.sent) == arrivals
    assert "ListTasks" in remote.agent.methods
    assert len(remote.agent.tasks) == 1
    remote.agent.set("COMPLETED", "Done.")
    await remote.drain(60)
    assert (await remote.task(issue))["result"] == "Done."


@ON_SQLITE
async def test_what_cannot_be_looked_up_is_not_sent_twice(remote: Remote) -> None:
    issue = await remote.assign()
    remote.agent.faults = {"SendMessage": ["closed after"], "ListTasks": ["no method"]}
    await remote.drain()
    await remote.drain(11)
    assert len(remote.agent.sent) == 1
    assert "cannot list its tasks" in await remote.why()
    assert (await remote.task(issue))["state"] == "pending"


@ON_SQLITE
async def test_a_process_that_dies_after_sending_sends_once(remote: Remote) -> None:
    await remote.assign()

    def die() -> None:
        if remote.agent.sent:
            raise RuntimeError("killed")

    await courier(remote.workspace, after_send=die).drain()
    assert len(remote.agent.sent) == 1
    await remote.drain(TAKEN_FOR / SECOND + 1)
    assert len(remote.agent.sent) == 1
    assert remote.agent.methods[1] == "ListTasks"


@ON_SQLITE
async def test_who_lost_the_task_is_told(remote: Remote) -> None:
    issue = await remote.assign()
    await remote.drain()
    name = remote.workspace.name(issue)
    await remote.lead.call("release_task", task=name)
    await remote.drain(1)
    assert remote.agent.methods[-1] == "CancelTask"
    assert remote.agent.tasks["remote-1"]["status"]["state"] == "TASK_STATE_CANCELED"


@ON_SQLITE
@pytest.mark.parametrize(
    ("state", "ours"),
    [("FAILED", "failed"), ("REJECTED", "pending"), ("CANCELED", "pending")],
)
async def test_an_end_without_a_result_is_reported(remote: Remote, state: str, ours: str) -> None:
    issue = await remote.assign()
    await remote.drain()
    remote.agent.set(state, "I have no wrench.")
    await remote.drain(3)
    task = await remote.task(issue)
    assert (task["state"], task["note"]) == (ours, "I have no wrench.")


@ON_SQLITE
async def test_a_direct_answer_is_the_result(remote: Remote) -> None:
    issue = await remote.assign()
    remote.agent.answer = "It was not leaking."
    await remote.drain()
    task = await remote.task(issue)
    assert (task["state"], task["result"]) == ("completed", "It was not leaking.")


# What is wrong, and what people read about it.
LIES: list[tuple[dict[str, Any], dict[str, list[str]], str]] = [
    ({"supportedInterfaces": []}, {}, "no interface of A2A 1.0 or 0.3"),
    ({"supportedInterfaces": 7}, {}, "no interface of A2A 1.0 or 0.3"),
    (
        {
            "supportedInterfaces": [
                {
                    "url": "https://169.254.169.254/rpc",
                    "protocolBinding": "JSONRPC",
                    "protocolVersion": "1.0",
                }
            ]
        },
        {},
        "on another server",
    ),
    ({"name": "x" * 300_000}, {}, "more than 262144 bytes"),
    ({}, {"SendMessage": ["redirect"]}, "redirects are not followed"),
    ({}, {"SendMessage": ["401"]}, "it answered 401"),
    ({}, {"SendMessage": ["no method"]}, "the error -32601"),
    ({}, {"SendMessage": ["huge"]}, "more than 1048576 bytes"),
    ({}, {"SendMessage": ["list"]}, "not an object"),
    ({}, {"SendMessage": ["empty"]}, "no result"),
    ({}, {"SendMessage": ['{"result": {"task": {"id": "t"}}}']}, "not a task"),
    ({}, {"SendMessage": ['{"result": {"soup": 1}}']}, "neither a task nor a message"),
    (
        {},
        {"SendMessage": ['{"result": {"task": {"id": "t", "status": {"state": "HAPPY"}}}}']},
        "a state that A2A does not have: 'HAPPY'",
    ),
]


@ON_SQLITE
async def test_lies_are_told_in_words_and_end_the_delivery_or_wait(remote: Remote) -> None:
    for card, faults, words in LIES:
        remote.agent.card, remote.agent.faults = card, faults
        issue = await remote.assign()
        await remote.drain()
        assert words in await remote.why(), words
        await remote.lead.call("change_task", task=remote.workspace.name(issue), state="cancelled")
        await remote.drain(3600)


@ON_SQLITE
async def test_an_agent_that_forgets_its_task_gives_it_back(remote: Remote) -> None:
    issue = await remote.assign()
    await remote.drain()
    remote.agent.tasks.clear()
    await remote.drain(3)
    assert (await remote.task(issue))["state"] == "pending"
    assert await remote.why() == "it no longer knows the task"


@ON_SQLITE
async def test_an_agent_without_an_end_loses_the_task(workspace: Workspace) -> None:
    async with open_agent() as agent:
        remote = await reach(workspace, agent, options={"most_hours": 1})
        issue = await remote.assign()
        await remote.drain()
        for _ in range(7):
            await remote.drain(600)
        assert (await remote.task(issue))["state"] == "pending"
        assert await remote.why() == "it had no result after 1 hours"
        assert agent.methods[-1] == "CancelTask"


@ON_SQLITE
async def test_a_message_is_answered_in_its_thread(remote: Remote) -> None:
    ada = await remote.workspace.agent("ada")
    remote.agent.answer = None
    file = (await ada.call("attach_file", name="valves.txt", text="Red, blue."))["file"]["id"]
    await ada.call("send_message", to="remote", body="Which valve?", attachments=[file])
    await remote.drain()
    _, sent = remote.agent.sent[0]["parts"]
    assert (sent["filename"], sent["mediaType"]) == ("valves.txt", "text/plain")
    assert sent["url"].startswith("https://hubbub.example.com/files/")
    remote.agent.set("INPUT_REQUIRED", "The red or the blue one?")
    await remote.drain(3)
    (reply,) = (await ada.call("get_messages"))["messages"]
    assert (reply["sender"], reply["body"]) == ("remote", "The red or the blue one?")
    await ada.call("send_message", to="remote", body="Red.", reply_to=reply["id"])
    await remote.drain(1)
    _, second = remote.agent.sent
    assert (second["taskId"], second["contextId"]) == ("remote-1", "of remote-1")
    assert second["parts"] == [{"text": "Red.", "mediaType": "text/markdown"}]
    remote.agent.set("COMPLETED", "", {"text": "Thanks."})
    await remote.drain(3)


@ON_SQLITE
async def test_a_message_about_a_task_goes_to_the_remote_task(remote: Remote) -> None:
    issue = await remote.assign()
    await remote.drain()
    ada = await remote.workspace.agent("ada")
    name = remote.workspace.name(issue)
    await ada.call("send_message", to="remote", task=name, body="Mind the cat.")
    await remote.drain(1)
    assert [each.get("taskId") for each in remote.agent.sent] == [None, "remote-1"]


@ON_SQLITE
async def test_a_trial_reads_the_card(remote: Remote) -> None:
    await remote.lead.call("manage_agent_endpoint", agent_id="remote", action="test")
    await remote.drain()
    assert await deliveries(remote.workspace) == [("test", "delivered", 0)]


@ON_SQLITE
@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_the_server_of_a2a_sdk_gets_a_task_asks_and_completes_it(
    workspace: Workspace, version: str
) -> None:
    async with open_sdk_agent(version) as url:
        remote = await reach(workspace, RemoteAgent(url))
        issue = await remote.assign()
        await remote.drain()
        await remote.drain(3)
        await workspace.settle()
        assert (await remote.task(issue))["question"] == "Which colour?"
        workspace.person.comment(issue, "Green")
        await workspace.settle()
        for _ in range(3):
            await remote.drain(60)
        done = await remote.task(issue)
    assert (done["state"], done["result"]) == ("completed", "Painted: Green")


def test_answers_of_0_3_are_read_as_those_of_1_0() -> None:
    parts = [
        {"kind": "text", "text": "Look"},
        {"kind": "file", "file": {"uri": "https://example.com/a.png", "name": "a.png"}},
        {"kind": "file", "file": {"bytes": "AAAA", "mimeType": "image/png"}},
    ]
    message = {"kind": "message", "role": "agent", "parts": parts}
    read = remote_tasks.read_answer(legacy_agents.answer_of("SendMessage", message))
    assert read == (
        "Look\n\na.png: https://example.com/a.png\n\n(file: image/png of about 3 bytes)"
    )
    task = {"id": "t", "status": {"state": "unknown"}}
    assert remote_tasks.read_task(legacy_agents.answer_of("GetTask", task)).step == "run"
    for wrong in (7, {}, {"id": "t", "status": {"state": 7}}, {"id": "t", "status": "working"}):
        with pytest.raises(Problem):
            remote_tasks.read_task(legacy_agents.answer_of("GetTask", wrong))


def test_the_address_of_a_card_may_have_a_query() -> None:
    named = "https://a.example.com/.well-known/agent-card.json?assistant_id=7"
    assert card_url(named) == named
    assert card_url("https://a.example.com/x/").endswith("/x/.well-known/agent-card.json")
