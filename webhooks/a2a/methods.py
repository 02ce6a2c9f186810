"""The methods of A2A that answer once. Each calls operations, and shows what they answer."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import astuple
from typing import Any, TypeAlias

from bot.identity import permissions
from bot.protocols.a2a import cards, errors, requests, sending, states, tasks
from bot.protocols.a2a.errors import RpcError
from bot.protocols.a2a.requests import Params
from bot.protocols.a2a.sending import Call, Sent
from bot.protocols.a2a.tasks import Values
from webhooks.a2a import lists
from webhooks.a2a.following import follow
from webhooks.a2a.session import Session

# How long SendMessage waits for the end of the task, unless it shall return immediately.
WAIT_S = 50.0
# Of a context, among which a repeated message is looked for.
NEWEST = 50
# The pages of `list_agents` that an extended card reads.
MOST_PAGES = 5


async def send(session: Session, params: requests.SendMessage) -> Values:
    """What the message made. A task is returned as it is when it ended, or the time did."""
    answer = await begin(session, params)
    settings = params.configuration or requests.Configuration()
    if "task" in answer:
        if not settings.return_immediately:
            await _wait(session, answer["task"]["id"])
        found = await session.task(answer["task"]["id"])
        return {"task": tasks.of_answer(found, settings.history_length)}
    return answer


async def begin(session: Session, params: requests.SendMessage) -> Values:
    """Do what the message asks for. Return a message, or a task as it is at this moment."""
    sent = sending.read(params)
    call = await _call_for(session, sent)
    arguments = {**call.arguments, **await _attachments(session, sent)}
    answer: Values = await session.call(call.operation, arguments, call.key)
    if call.operation == "create_task":
        context = sent.message.context_id
        if context is not None:
            # If the process ends before this, a repeat of the message does it.
            await session.add_to(context, call.key, answer["task"]["id"])
        return {"task": tasks.of_answer({**answer, "context": context})}
    about = call.arguments.get("task") or call.arguments.get("issue")
    if about is not None:
        return {"task": tasks.of_answer(await session.task(about))}
    return {"message": sending.confirmation(answer, sent.message.message_id)}


async def _attachments(session: Session, sent: Sent) -> Values:
    """Store the files of a message."""
    made = [await session.call(*astuple(each)) for each in sending.files_of(sent)]
    return {"attachments": [each["file"]["id"] for each in made]} if made else {}


async def _call_for(session: Session, sent: Sent) -> Call:
    message = sent.message
    if (ref := message.task_id) is not None:
        found = await session.task(ref)
        sending.check_context(sent, tasks.context_of(found))
        return sending.to_task(sent, found["task"], by_person=session.actor.is_person)
    if sent.is_in_thread:
        return sending.to_agents(sent, sent.recipient or await _other(session, sent))
    if message.context_id is not None:
        return await _in_context(session, sent, message.context_id)
    if sent.recipient is not None:
        return sending.to_agents(sent, sent.recipient)
    return sending.new_task(sent)


async def _in_context(session: Session, sent: Sent, context: str) -> Call:
    """For the newest task of the context, which may be named after its first task; or a new one."""
    made = await session.tasks_of(context, NEWEST)
    before = await session.known_task(made[0][0] if made else context)
    is_repeat = any(message == sent.key for _, message in made)
    if before and not is_repeat and not sending.has_ended(before["task"]):
        return sending.to_task(sent, before["task"], by_person=session.actor.is_person)
    if sent.recipient is not None:
        return sending.to_agents(sent, sent.recipient)
    return sending.new_task(sent, before["task"]["repository"] if before else None)


async def _other(session: Session, sent: Sent) -> str:
    """Who wrote the last message of the thread, or to whom the caller did."""
    where = {"thread_id": sent.message.context_id, "limit": 100}
    thread = (await session.call("get_messages", where))["messages"]
    me = session.actor.name
    others = [each["to"] if each["sender"] == me else each["sender"] for each in thread]
    if not others:
        raise errors.invalid("metadata.hubbub.to", "is missing: nobody else is in the thread")
    return str(others[-1])


async def _wait(session: Session, task_id: str) -> None:
    """Until the task ends or needs somebody, at most WAIT_S."""
    ends = states.TERMINAL | states.INTERRUPTED
    try:
        async with asyncio.timeout(WAIT_S), aclosing(follow(session, task_id, ends)) as updates:
            async for _ in updates:
                if session.is_gone:
                    return
    except TimeoutError:
        return


async def get(session: Session, params: requests.GetTask) -> Values:
    return tasks.of_answer(await session.task(params.id), params.history_length)


async def cancel(session: Session, params: requests.OneTask) -> Values:
    """By whoever may decide about tasks, or by who made a task that nobody has claimed."""
    task = (await session.task(params.id))["task"]
    if sending.has_ended(task):
        raise RpcError(
            errors.NOT_CANCELABLE,
            f"The task is {task['state']} already.",
            metadata={"taskId": task["id"]},
        )
    if permissions.may_call(session.actor, "change_task"):
        await session.call("change_task", {"task": task["id"], "state": "cancelled"})
    else:
        close = {"issue": task["id"], "state": "not_planned"}
        await session.call("github_update_issue", close)
    return tasks.of_answer(await session.task(params.id))


async def extended_card(session: Session, params: Params) -> Values:
    found: list[Values] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await session.call("list_agents", {"limit": 100, "cursor": cursor})
        found += page["agents"]
        if (cursor := page["next_cursor"]) is None:
            break
    return cards.with_agents(cards.public(session.base, params.tenant), found)


Method: TypeAlias = Callable[[Session, Any], Awaitable[Values]]
METHODS: dict[str, tuple[type[Params], Method]] = {
    "SendMessage": (requests.SendMessage, send),
    "GetTask": (requests.GetTask, get),
    "ListTasks": (requests.ListTasks, lists.show),
    "CancelTask": (requests.OneTask, cancel),
    "GetExtendedAgentCard": (Params, extended_card),
}
PUSH = frozenset(
    {
        "CreateTaskPushNotificationConfig",
        "GetTaskPushNotificationConfig",
        "ListTaskPushNotificationConfigs",
        "DeleteTaskPushNotificationConfig",
    }
)
