"""Circles of agents that wait for each other: found when a wait begins, told to all of them."""

from collections.abc import Collection, Mapping, Sequence

from bot.identity.actors import BOT
from bot.kernel import event_recorder
from bot.kernel.notice_rules import Happening
from bot.tasks import lookup
from store.engine import ids
from store.engine.transaction import Tx
from store.messages import wait_circles
from store.messages.wait_circles import Wait
from store.tasks import tasks

# Agents that one search looks at, and that a text names.
MOST_SEARCHED = 500
MOST_NAMED = 8
# Circles of one installation that are looked at together.
BATCH = 50


async def check_agent(tx: Tx, installation_id: int, agent_id: str) -> None:
    """After the agent began to wait for others, or others for it."""
    if waits := await wait_circles.of_agents(tx, installation_id, [agent_id]):
        await check(tx, installation_id, waits)


async def check_issues(tx: Tx, installation_id: int, issue_ids: Collection[int]) -> None:
    """After these issues got blockers."""
    waits = await wait_circles.between_issues(tx, installation_id, issue_ids)
    if waits:
        await check(tx, installation_id, waits)


async def check(tx: Tx, installation_id: int, waits: Sequence[Wait]) -> None:
    """Report a circle through each of these waits, if there is one and none is reported."""
    await wait_circles.lock(tx, installation_id)
    for wait in waits:
        circle = await _circle_through(tx, installation_id, wait)
        if circle and wait not in await _known_waits(tx, installation_id):
            await _report(tx, installation_id, circle)


async def refresh(tx: Tx, installation_id: int) -> int:
    """Forget the circles that are broken. What is left of them may be in others."""
    await wait_circles.lock(tx, installation_id)
    broken = await wait_circles.ids_of_broken(tx, installation_id, BATCH)
    for circle_id in broken:
        rest = await wait_circles.drop(tx, installation_id, circle_id)
        await check(tx, installation_id, rest)
    return len(broken)


async def _circle_through(tx: Tx, installation_id: int, wait: Wait) -> list[Wait]:
    """The shortest circle that begins with the wait. Empty if there is none."""
    led_by: dict[str, Wait] = {wait.awaited: wait}
    ahead = [wait.awaited]
    while ahead and wait.waiter not in led_by and len(led_by) < MOST_SEARCHED:
        found = await wait_circles.of_agents(tx, installation_id, ahead)
        new = {each.awaited: each for each in reversed(found) if each.awaited not in led_by}
        led_by |= new
        ahead = sorted(new)
    if wait.waiter not in led_by:
        return []
    back = [led_by[wait.waiter]]
    while back[-1] != wait:
        back.append(led_by[back[-1].waiter])
    return back[::-1]


async def _known_waits(tx: Tx, installation_id: int) -> set[Wait]:
    rows = await wait_circles.living(tx, installation_id, MOST_SEARCHED)
    return {
        Wait(row["waiter"], row["awaited"], row["kind"], row["subject"], row["blocker"])
        for row in rows
    }


async def _report(tx: Tx, installation_id: int, circle: Sequence[Wait]) -> None:
    now = await tx.now()
    circle_id = ids.new("d", now)
    await wait_circles.add(tx, installation_id, circle_id, circle, now)
    named = {each for wait in circle for each in (wait.subject, wait.blocker) if each}
    rows = await tasks.several(tx, installation_id, named)
    names = {row["id"]: lookup.name(row) for row in rows}
    for before, wait in zip([circle[-1], *circle[:-1]], circle, strict=True):
        event = Happening(
            kind="agent.deadlocked",
            subject=wait.waiter,
            name=wait.waiter,
            actor=BOT,
            data={
                "circle": circle_id,
                "agents": [each.waiter for each in circle[:MOST_NAMED]],
                "why": explanation(circle, before, wait, names),
            },
        )
        await event_recorder.append(tx, installation_id, event, audience=wait.waiter)


def explanation(circle: Sequence[Wait], before: Wait, wait: Wait, names: Mapping[str, str]) -> str:
    """For the agent that `wait` is of. It names only this agent's own tasks and messages."""
    shown = [f"{each.waiter} waits for {each.awaited}" for each in circle[:MOST_NAMED]]
    more = f", and {len(circle) - MOST_NAMED} more" if len(circle) > MOST_NAMED else ""
    return (
        f"You wait in a circle, in which nobody can go on: {', '.join(shown)}{more}. "
        f"{_own_wait(wait, names)} {_wait_of_other(before, names)}"
    )


def _own_wait(wait: Wait, names: Mapping[str, str]) -> str:
    if wait.kind == "answer":
        return (
            f"You wait for the answer of {wait.awaited} to {wait.subject}: delete_message takes "
            "it back."
        )
    return (
        f"{names.get(wait.subject, wait.subject)} is blocked by a task of {wait.awaited}: "
        "release_task gives it back."
    )


def _wait_of_other(before: Wait, names: Mapping[str, str]) -> str:
    if before.kind == "answer":
        return (
            f"{before.waiter} waits for your answer to {before.subject}: send_message with "
            "`reply_to` gives it. One of these is enough."
        )
    name = names.get(before.blocker or "", before.blocker)
    return f"{before.waiter} waits for {name}, which you hold. One of these is enough."
