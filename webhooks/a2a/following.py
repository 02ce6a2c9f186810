"""The updates of a task as they happen."""

from collections.abc import AsyncGenerator

from bot.events import event_log
from bot.kernel.event_stream import Page
from bot.operations.events import event_view
from bot.protocols.a2a import states, tasks, updates
from bot.protocols.a2a.tasks import Values
from webhooks.a2a.session import Session
from webhooks.app_keys import TOKENS

# Clients give up after as short a silence as five seconds.
PING_S = 4.0
PAGE = 100


async def follow(
    session: Session, task_id: str, ends: frozenset[str], history: int | None = 0
) -> AsyncGenerator[Values | None]:
    """The task, then its updates until it is in one of the states. None: nothing happened.

    Raise RpcError.
    """
    waiters, actor = session.dispatcher.waiters, session.actor
    topics = await session.dispatcher.store.read(
        lambda tx: event_log.find_topics(tx, actor, [f"task:{task_id}"])
    )
    async with waiters.follow(actor, topics) as follower:
        await follower.next_page(PAGE, 0)  # where the events begin, before the task is read
        answer = await session.task(task_id)
        task = tasks.of_answer(answer, history)
        yield {"task": task}
        if task["status"]["state"] in ends | states.TERMINAL:
            return
        known = list(tasks.artifacts_of(answer))
        context = tasks.context_of(answer)
        while not (waiters.stopping or session.request.app[TOKENS].has_ended(actor)):
            page = await follower.next_page(PAGE, PING_S)
            for each in await _updates(session, task_id, context, page, known):
                yield each
                if updates.ends(each, ends):
                    return
            if not page.events:
                yield None


async def _updates(
    session: Session, task_id: str, context: str, page: Page, known: list[Values]
) -> list[Values]:
    """The updates of a page of events. `known`: the artifacts that were sent, which it changes."""
    found: list[Values] = []
    makes = [each["kind"] in updates.MAKE_ARTIFACTS for each in page.events]
    made: list[Values] = []
    if page.missed or any(makes):
        answer = await session.task(task_id)
        now = tasks.artifacts_of(answer)
        made = updates.artifact_updates(task_id, context, known, now)
        known[:] = now
        if page.missed:
            status = tasks.status_of(answer["task"], context)
            found.append(updates.status_update(task_id, context, status))
    for event, makes_artifacts in zip(page.events, makes, strict=True):
        if makes_artifacts:  # the artifacts of a page come before what made the first of them
            found, made = found + made, []
        if update := updates.of_event(event_view(event), task_id, context):
            found.append(update)
    return found + made
