"""A2A 1.0 by the client of a2a-sdk, against Hubbub's server over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from a2a.compat.v0_3.types import AgentCard as OldCard
from a2a.types import (
    CancelTaskRequest,
    GetExtendedAgentCardRequest,
    GetTaskRequest,
    ListTasksRequest,
    Part,
    SubscribeToTaskRequest,
    TaskPushNotificationConfig,
    TaskState,
)
from a2a.utils.errors import (
    A2AError,
    InvalidParamsError,
    PushNotificationNotSupportedError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
)

from tests.support.a2a import closing, request, sdk_client, send
from tests.support.engines import ON_SQLITE
from tests.support.mcp_clients import connect
from tests.support.patience import SOON_S
from tests.support.server_in_process import Surface, serving
from tests.support.story import Workspace


@dataclass
class House:
    """A workspace, and Hubbub's server beside it on the same database."""

    workspace: Workspace
    surface: Surface

    @property
    def repository(self) -> str:
        return self.workspace.repository.full_name

    async def token(self, agent_id: str = "client", role: Any = "developer") -> str:
        await self.workspace.agent(agent_id, role)
        return await self.surface.token(agent_id, role)


@pytest.fixture
async def house(workspace: Workspace) -> AsyncIterator[House]:
    async with serving(workspace.store, workspace.installation.id) as surface:
        yield House(workspace, surface)
        surface.dispatcher.waiters.stop()  # as `hubbub serve` does, so that no stream goes on


async def test_a_message_makes_a_task_that_another_agent_completes(house: House) -> None:
    where = {"repository": house.repository, "title": "Mend the parser", "priority": "high"}
    async with sdk_client(house.surface.url, await house.token(), streaming=False) as client:
        task = await send(client, "It fails on tabs.", where)
        assert task.status.state == TaskState.TASK_STATE_SUBMITTED
        assert task.context_id == task.id
        await house.workspace.settle()
        worker = await house.workspace.agent("worker")
        claimed = await worker.call("claim_task", task=task.id)
        found = await client.get_task(GetTaskRequest(id=task.id))
        assert found.status.state == TaskState.TASK_STATE_WORKING
        assert [each.parts[0].text for each in found.history] == ["It fails on tabs."]
        await worker.call(
            "update_task_status",
            task=task.id,
            fence=claimed["task"]["fence"],
            status="completed",
            result="Tabs are read now.",
        )
        done = await client.get_task(GetTaskRequest(id=task.id, history_length=0))
    assert done.status.state == TaskState.TASK_STATE_COMPLETED
    assert not done.history
    assert [(a.name, a.parts[0].text) for a in done.artifacts] == [("result", "Tabs are read now.")]
    shown = dict(done.metadata["hubbub"])
    assert shown["task"] == f"{house.repository}#1"
    assert shown["title"] == "Mend the parser"
    assert shown["priority"] == "high"


@ON_SQLITE
async def test_a_message_that_is_sent_again_makes_one_task(house: House) -> None:
    where = {"repository": house.repository}
    async with sdk_client(house.surface.url, await house.token(), streaming=False) as client:
        first = await send(client, "Mend it", where, message_id="m-1")
        again = await send(client, "Mend it", where, message_id="m-1")
        assert again.id == first.id
        with pytest.raises(InvalidParamsError, match="another call"):
            await send(client, "Another text", where, message_id="m-1")
        listed = await client.list_tasks(ListTasksRequest())
    assert [each.id for each in listed.tasks] == [first.id]
    assert not listed.next_page_token


async def test_a_stream_shows_what_happens_until_the_task_ends(house: House) -> None:
    async with sdk_client(
        house.surface.url, await house.token(), path=f"/a2a/repositories/{house.repository}"
    ) as client:
        updates: list[Any] = []
        async with (
            asyncio.timeout(SOON_S),
            closing(client.send_message(request("Mend it"))) as stream,
        ):
            async for each in stream:
                updates.append(each)
                if each.HasField("task"):
                    await house.workspace.settle()
                    worker = await house.workspace.agent("worker")
                    held = (await worker.call("claim_task", task=each.task.id))["task"]
                    report = {"task": held["id"], "fence": held["fence"]}
                    await worker.call(
                        "update_task_status", **report, status="in_progress", progress=40
                    )
                    await worker.call(
                        "update_task_status", **report, status="completed", result="Mended."
                    )
    seen = [
        TaskState.Name(each.status_update.status.state).removeprefix("TASK_STATE_")
        if each.HasField("status_update")
        else each.WhichOneof("payload")
        for each in updates
    ]
    assert seen == ["task", "SUBMITTED", "WORKING", "WORKING", "artifact_update", "COMPLETED"]
    assert updates[-2].artifact_update.artifact.parts[0].text == "Mended."
    assert updates[3].status_update.status.message.parts[0].text == "40 % done"


@ON_SQLITE
@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_files_of_the_result_are_artifacts_with_an_address(
    house: House, version: str
) -> None:
    where = {"repository": house.repository}
    worker_token = await house.token("worker")
    async with sdk_client(house.surface.url, await house.token(), version=version) as client:
        updates: list[Any] = []
        async with (
            asyncio.timeout(SOON_S),
            closing(client.send_message(request("Mend it", where))) as stream,
        ):
            async for each in stream:
                updates.append(each)
                if each.HasField("task"):
                    await house.workspace.settle()
                    worker = await house.workspace.agent("worker")
                    held = (await worker.call("claim_task", task=each.task.id))["task"]
                    report = {"task": held["id"], "fence": held["fence"]}
                    given = {"name": "log.txt", "text": "Oiled."}
                    # By the server, whose keys open it again.
                    stored_file = await house.surface.call(worker_token, "attach_file", **given)
                    file = stored_file.data["file"]
                    more = {"progress": 50, "attachments": [file["id"]]}
                    await worker.call("update_task_status", **report, status="in_progress", **more)
                    await worker.call("update_task_status", **report, status="completed")
        done = await client.get_task(GetTaskRequest(id=held["id"]))
    (artifact,) = done.artifacts
    made = [each.artifact_update.artifact for each in updates if each.HasField("artifact_update")]
    ids = [each.artifact_id for each in made]
    assert ids == [artifact.artifact_id] == [f"file:{file['id']}"]
    (part,) = artifact.parts
    assert (part.filename, part.media_type) == ("log.txt", "text/plain")
    async with house.surface.client.get(part.url) as response:
        assert await response.read() == b"Oiled."


@ON_SQLITE
async def test_a_question_is_answered_by_a_message(house: House) -> None:
    issue = await house.workspace.task()
    worker = await house.workspace.agent("worker")
    held = (await worker.call("claim_task", task=house.workspace.name(issue)))["task"]
    report = {"task": held["id"], "fence": held["fence"], "status": "in_progress"}
    async with sdk_client(house.surface.url, await house.token()) as client:
        async with (
            asyncio.timeout(SOON_S),
            closing(client.subscribe(SubscribeToTaskRequest(id=held["id"]))) as stream,
        ):
            assert (await anext(stream)).task.status.state == TaskState.TASK_STATE_WORKING
            await worker.call("update_task_status", **report, question="Tabs or spaces?")
            asked = (await anext(stream)).status_update.status
            assert asked.state == TaskState.TASK_STATE_INPUT_REQUIRED
            assert asked.message.parts[0].text == "Tabs or spaces?"
        async with closing(client.send_message(request("Spaces", task_id=held["id"]))) as sent:
            assert (await anext(sent)).task.id == held["id"]
        letters = await worker.call("get_messages")
    assert [(each["sender"], each["body"], each["task"]) for each in letters["messages"]] == [
        ("client", "Spaces", house.workspace.name(issue))
    ]


@ON_SQLITE
async def test_a_message_to_an_agent_begins_a_thread(house: House) -> None:
    worker = await house.workspace.agent("worker")
    async with sdk_client(
        house.surface.url, await house.token(), path="/a2a/agents/worker", streaming=False
    ) as client:
        answer = await send(client, "Why is the build slow?")
        (got,) = (await worker.call("get_messages"))["messages"]
        assert (got["body"], got["thread_id"]) == ("Why is the build slow?", answer.context_id)
        await worker.call("send_message", to="client", body="The cache.", reply_to=got["id"])
        again = await send(client, "Thanks", context_id=answer.context_id)
    assert again.context_id == answer.context_id
    assert answer.parts[0].text.startswith("Sent to worker.")


@ON_SQLITE
async def test_bytes_in_a_message_to_an_agent_become_attachments(house: House) -> None:
    worker = await house.workspace.agent("worker")
    made = request("Look at this")
    made.message.parts.append(Part(raw=b"The pump is red.", filename="pump.txt"))
    async with sdk_client(
        house.surface.url, await house.token(), path="/a2a/agents/worker", streaming=False
    ) as client:
        for _ in range(2):
            assert [each async for each in client.send_message(made)]
    (got,) = (await worker.call("get_messages"))["messages"]
    (file,) = got["attachments"]
    assert (file["name"], file["size"]) == ("pump.txt", 16)


@ON_SQLITE
async def test_bytes_in_a_new_task_and_in_a_comment_are_files_of_the_task(house: House) -> None:
    made = request("Look at this", {"repository": house.repository})
    made.message.parts.insert(0, Part(raw=b"The pump is red.", filename="pump.txt"))
    token = await house.token()
    async with sdk_client(house.surface.url, token, streaming=False) as client:
        for _ in range(2):
            (answer,) = [each async for each in client.send_message(made)]
        await house.workspace.settle()
        more = request("And at this", task_id=answer.task.id)
        more.message.parts.append(Part(raw=b"It drips.", filename="drip.txt"))
        assert [each async for each in client.send_message(more)]
        await house.workspace.settle()
        large = request("Too large", {"repository": house.repository})
        large.message.parts.append(Part(raw=b"x" * (256 * 1024 + 1)))
        with pytest.raises(A2AError, match="262144"):
            await anext(client.send_message(large))
    found = await house.surface.call(token, "get_task", task=answer.task.id)
    assert found.data["task"]["title"] == "Look at this"
    assert [(e["name"], e["size"]) for e in found.data["attachments"]] == [
        ("pump.txt", 16),
        ("drip.txt", 9),
    ]
    assert found.data["issue"]["text"] == "pump.txt is attached.\n\nLook at this"
    assert [e["text"] for e in found.data["comments"]] == ["And at this\n\ndrip.txt is attached."]
    listed = await house.surface.call(token, "list_tasks", state="any")
    assert len(listed.data["tasks"]) == 1


async def test_tasks_are_listed_by_their_last_change_page_by_page(house: House) -> None:
    w = house.workspace
    names: dict[str, str] = {}
    async with sdk_client(house.surface.url, await house.token(), streaming=False) as client:
        for title in ("Keel", "Sail", "Ship", "Mast"):
            where = {"repository": house.repository}
            sent = await send(client, title, where, context_id="sea" if title != "Mast" else "")
            names[sent.id] = title
            await w.settle()
            if title in ("Keel", "Sail"):  # the next message begins another task
                await client.cancel_task(CancelTaskRequest(id=sent.id))
                await w.settle()
        worker = await w.agent("worker")

        async def pages(**asked: Any) -> list[list[str]]:
            found: list[list[str]] = []
            token = ""
            while not found or token:
                page = await client.list_tasks(
                    ListTasksRequest(page_size=2, page_token=token, **asked)
                )
                found.append([names[each.id] for each in page.tasks])
                token = page.next_page_token
            return found

        ship = next(task_id for task_id, title in names.items() if title == "Ship")
        w.clock.forward(2)
        await worker.call("claim_task", task=ship)
        assert await pages() == [["Ship", "Mast"], ["Sail", "Keel"]]
        assert await pages(context_id="sea") == [["Ship", "Sail"], ["Keel"]]
        shown = await client.list_tasks(ListTasksRequest())
        times = [each.status.timestamp.ToMicroseconds() for each in shown.tasks]
        assert times == sorted(times, reverse=True)
        after = shown.tasks[0].status.timestamp
        assert await pages(status_timestamp_after=after) == [["Ship"]]
        with pytest.raises(InvalidParamsError):
            await client.list_tasks(ListTasksRequest(page_token="bm8", context_id="sea"))


@ON_SQLITE
async def test_a_task_is_cancelled_once_and_takes_no_messages_then(house: House) -> None:
    token = await house.token("lead", "tech-lead")
    issue = await house.workspace.task()
    async with sdk_client(house.surface.url, token, streaming=False) as client:
        cancelled = await client.cancel_task(CancelTaskRequest(id=house.workspace.name(issue)))
        assert cancelled.status.state == TaskState.TASK_STATE_CANCELED
        with pytest.raises(TaskNotCancelableError):
            await client.cancel_task(CancelTaskRequest(id=cancelled.id))
        with pytest.raises(UnsupportedOperationError):
            await send(client, "Go on", task_id=cancelled.id)
    async with sdk_client(house.surface.url, token) as client:
        with pytest.raises(UnsupportedOperationError):
            await anext(client.subscribe(SubscribeToTaskRequest(id=cancelled.id)))


@ON_SQLITE
async def test_who_stored_filea_task_cancels_it_while_nobody_has_claimed_it(house: House) -> None:
    async with sdk_client(house.surface.url, await house.token(), streaming=False) as client:
        task = await send(client, "Mend it", {"repository": house.repository})
        await house.workspace.settle()
        await client.cancel_task(CancelTaskRequest(id=task.id))
        await house.workspace.settle()
        found = await client.get_task(GetTaskRequest(id=task.id))
    assert found.status.state == TaskState.TASK_STATE_CANCELED


@ON_SQLITE
async def test_the_extended_card_names_the_agents(house: House) -> None:
    await house.workspace.agent("worker", "developer", "python")
    async with sdk_client(house.surface.url, await house.token()) as client:
        card = await client.get_extended_agent_card(GetExtendedAgentCardRequest())
    skills = [each.id for each in card.skills]
    assert skills == ["task", "message", "capability:python", "agent:client", "agent:worker"]


@ON_SQLITE
async def test_a_blocking_message_waits_for_the_end_of_the_task(house: House) -> None:
    async with sdk_client(house.surface.url, await house.token(), streaming=False) as client:
        where = {"repository": house.repository}
        sending = asyncio.create_task(send(client, "Mend it", where, message_id="m", wait=True))
        tasks: list[Any] = []
        while not tasks:
            tasks = list((await client.list_tasks(ListTasksRequest())).tasks)
        await house.workspace.settle()
        worker = await house.workspace.agent("worker")
        held = (await worker.call("claim_task", task=tasks[0].id))["task"]
        report = {"task": held["id"], "fence": held["fence"], "status": "completed"}
        await worker.call("update_task_status", **report, result="Mended.")
        async with asyncio.timeout(SOON_S):
            done = await sending
    assert done.status.state == TaskState.TASK_STATE_COMPLETED
    assert done.artifacts[0].parts[0].text == "Mended."


@ON_SQLITE
async def test_push_notifications_and_tasks_of_others_are_refused(house: House) -> None:
    async with sdk_client(house.surface.url, await house.token(), streaming=False) as client:
        with pytest.raises(PushNotificationNotSupportedError):
            await client.create_task_push_notification_config(
                TaskPushNotificationConfig(task_id="t", url="http://10.0.0.1/")
            )
        for unknown in ("t_0123456789abcdefghij", "acme/other#1", "\u2028", "../../etc"):
            with pytest.raises(TaskNotFoundError):
                await client.get_task(GetTaskRequest(id=unknown))


async def test_a_context_of_the_client_keeps_its_tasks_together(house: House) -> None:
    other = await house.token("other")
    async with sdk_client(house.surface.url, await house.token(), streaming=False) as client:
        where = {"repository": house.repository}
        first = await send(client, "Repair it", where, context_id="chat-7", message_id="a")
        assert first.context_id == "chat-7"
        again = await send(client, "Repair it", where, context_id="chat-7", message_id="a")
        assert again.id == first.id
        await house.workspace.settle()
        open_still = await send(client, "And oil it", context_id="chat-7")
        assert open_still.id == first.id
        await client.cancel_task(CancelTaskRequest(id=first.id))
        await house.workspace.settle()
        second = await send(client, "Paint it", context_id="chat-7")
        assert (second.context_id, second.id != first.id) == ("chat-7", True)
        listed = (await client.list_tasks(ListTasksRequest(context_id="chat-7"))).tasks
        assert [each.id for each in listed] == [second.id, first.id]
        assert {each.context_id for each in listed} == {"chat-7"}
        with pytest.raises(InvalidParamsError):
            await send(client, "Paint it", task_id=second.id, context_id="chat-8")
    async with sdk_client(house.surface.url, other, streaming=False) as client:
        assert not (await client.list_tasks(ListTasksRequest(context_id="chat-7"))).tasks
        seen = await client.get_task(GetTaskRequest(id=second.id))
        assert seen.context_id == second.id


@ON_SQLITE
async def test_an_agent_by_mcp_does_the_task_of_a_client_by_a2a(house: House) -> None:
    path = f"/a2a/repositories/{house.repository}"
    await house.token("worker")
    async with (
        sdk_client(house.surface.url, await house.token(), path=path, streaming=False) as client,
        connect(house.surface, agent_id="worker") as mcp,
    ):
        task = await send(client, "Repair the parser\n\nIt fails on tabs.")
        await house.workspace.settle()
        claimed = (await mcp.call_tool("claim_task", {})).structured_content
        assert claimed is not None
        assert claimed["task"]["title"] == "Repair the parser"
        report = {"task": claimed["task"]["task"], "fence": claimed["fence"]}
        await mcp.call_tool(
            "update_task_status", {**report, "status": "completed", "result": "Tabs are read."}
        )
        done = await client.get_task(GetTaskRequest(id=task.id))
    assert done.artifacts[0].parts[0].text == "Tabs are read."


@ON_SQLITE
async def test_a_client_of_0_3_makes_and_follows_a_task(house: House) -> None:
    card = await house.surface.send("GET", "/.well-known/agent-card.json")
    OldCard.model_validate(card.data)
    where = {"repository": house.repository}
    async with sdk_client(house.surface.url, await house.token(), version="0.3") as client:
        async with (
            asyncio.timeout(SOON_S),
            closing(client.send_message(request("Repair it", where))) as stream,
        ):
            task = (await anext(stream)).task
            assert task.status.state == TaskState.TASK_STATE_SUBMITTED
            await house.workspace.settle()
            worker = await house.workspace.agent("worker")
            held = (await worker.call("claim_task", task=task.id))["task"]
            report = {"task": held["id"], "fence": held["fence"], "status": "completed"}
            await worker.call("update_task_status", **report, result="Repaired.")
            rest = [each async for each in stream]
        found = await client.get_task(GetTaskRequest(id=task.id))
        with pytest.raises(A2AError):
            await client.get_task(GetTaskRequest(id="t_0123456789abcdefghij"))
    assert rest[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED
    assert found.artifacts[0].parts[0].text == "Repaired."


@ON_SQLITE
async def test_nothing_of_another_installation_exists(house: House) -> None:
    issue = await house.workspace.task()
    ada = await house.workspace.agent("ada")
    await house.workspace.agent("worker")
    sent = await ada.call("send_message", to="worker", body="Hello")
    found = await ada.call("get_task", task=house.workspace.name(issue))
    ref = found["task"]["id"]
    stranger = replace(house.surface, installation_id=house.surface.installation_id + 1)
    token = await stranger.token("ada", "tech-lead")
    await stranger.call(token, "register_agent", agent_id="ada", name="Ada")
    async with sdk_client(house.surface.url, token, streaming=False) as client:
        for each in (ref, house.workspace.name(issue)):
            with pytest.raises(TaskNotFoundError):
                await client.get_task(GetTaskRequest(id=each))
            with pytest.raises(TaskNotFoundError):
                await client.cancel_task(CancelTaskRequest(id=each))
            with pytest.raises(TaskNotFoundError):
                await send(client, "Hello", task_id=each)
        for context in (ref, sent["thread_id"]):
            with pytest.raises(InvalidParamsError):
                await send(client, "Hello", {"to": "worker"}, context_id=context)
        with pytest.raises(InvalidParamsError):
            await send(client, "Hello", {"repository": house.repository})
        assert not (await client.list_tasks(ListTasksRequest())).tasks
        assert not (await client.list_tasks(ListTasksRequest(context_id=ref))).tasks
    async with sdk_client(house.surface.url, token) as client:
        with pytest.raises(TaskNotFoundError):
            await anext(client.subscribe(SubscribeToTaskRequest(id=ref)))
