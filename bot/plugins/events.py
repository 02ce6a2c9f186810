"""Hands events to the plug-ins that handle them: at least once, in order, and bounded in time.

A background loop calls `step`. A plug-in has a place in the events of each installation that uses
it. What it does with an event may repeat after a failure: the event's `id` stays the same.
"""

import asyncio
from functools import partial
from typing import Any

import structlog

from bot.comments.card_plugins import LONGEST_LINE, MOST_LINES
from bot.kernel.plugin_calls import HookCall, PluginResult
from bot.plugins import failures
from bot.plugins.installed import Installed, actor_of
from bot.plugins.running import Plugins
from bot.tasks import publishing
from bot.times import SECOND, stamp
from store import events
from store.engine.transaction import Store, Tx
from store.events import LoggedEvent
from store.plugins import plugin_installations
from store.tables.plugins import PluginInstallationRow
from store.tasks import tasks

log = structlog.get_logger()
# Events of one look, and after how long it begins no further one. A slow plug-in has the others
# at its next turn.
MOST_EVENTS, LOOK_FOR_S = 20, 60
# For so long no other process works on them: much longer than one event takes beyond that.
TAKEN_S = 400
# When nothing was there, and after a failure.
LOOK_S, RETRY_S = 2, 30


async def due(store: Store, plugins: Plugins) -> list[PluginInstallationRow]:
    """Where a plug-in has events to look for."""
    handling = [
        each.name
        for each in await plugins.all_of()
        if each.row["state"] == "installed" and _handles_events(each)
    ]
    if not handling:
        return []

    async def look(tx: Tx) -> list[PluginInstallationRow]:
        return await plugin_installations.due(tx, await tx.now(), handling)

    return await store.read(look)


async def step(store: Store, plugins: Plugins) -> int:
    """Hand over all events that are due. Return how many were handled."""
    found = await due(store, plugins)
    return sum(await asyncio.gather(*(hand_over(store, plugins, each) for each in found)))


def _handles_events(installed: Installed) -> bool:
    adds = installed.manifest.adds
    return bool(adds.events or adds.handlers or adds.card_lines)


async def hand_over(store: Store, plugins: Plugins, use: PluginInstallationRow) -> int:
    """The next events of one installation to one plug-in. Return how many were handled."""
    taken = await store.write(partial(_take, use=use))
    if taken is None:
        return 0
    began, found = taken
    use["due_at"] = began + TAKEN_S * SECOND
    done = 0
    for event in found:
        now = await _as_of_now(store, plugins, use)
        if now is None or now[1]["due_at"] != use["due_at"]:
            return 0  # it was turned off, or it took so long that another process has it
        if not await _handle(store, plugins, *now, event):
            await _advance(store, use, event["seq"] - 1, RETRY_S)
            return 0
        use["seq"] = event["seq"]
        done += 1
        if await store.read(lambda tx: tx.now()) >= began + LOOK_FOR_S * SECOND:
            break
    has_more = done < len(found) or done == MOST_EVENTS
    await _advance(store, use, use["seq"], 0 if has_more else LOOK_S)
    return done


async def _take(tx: Tx, use: PluginInstallationRow) -> tuple[int, list[LoggedEvent]] | None:
    """Since when this process has it, and its next events. None: another process has it."""
    began = await tx.now()
    if not await plugin_installations.take(tx, use, began + TAKEN_S * SECOND):
        return None
    found = await events.since(tx, use["installation_id"], use["seq"], events.LAST, MOST_EVENTS)
    return began, found


async def drain(store: Store, plugins: Plugins, use: PluginInstallationRow) -> None:
    """Hand over until nothing is left."""
    while await hand_over(store, plugins, use) == MOST_EVENTS:
        now = await _as_of_now(store, plugins, use)
        if now is None:
            return
        _, use = now


async def _as_of_now(
    store: Store, plugins: Plugins, use: PluginInstallationRow
) -> tuple[Installed, PluginInstallationRow] | None:
    """The plug-in and how it is used now: people may change both between two events.

    None: it was turned off, so it gets no more events.
    """
    installed = await plugins.find(use["plugin"])
    here = (use["installation_id"], use["plugin"])
    found = await store.read(lambda tx: plugin_installations.get(tx, *here))
    if installed is None or found is None or found["state"] != "on":
        return None
    return installed, found


async def _advance(store: Store, use: PluginInstallationRow, seq: int, wait_s: int) -> None:
    async def work(tx: Tx) -> None:
        due_at = await tx.now() + wait_s * SECOND
        await plugin_installations.advance(tx, use, seq, due_at)

    await store.write(work)


async def _handle(
    store: Store,
    plugins: Plugins,
    installed: Installed,
    use: PluginInstallationRow,
    event: LoggedEvent,
) -> bool:
    """Whether the plug-in is done with the event."""
    adds, kind = installed.manifest.adds, event["kind"]
    if event["actor"] == actor_of(installed, use).name:
        return True  # what it caused itself
    if event["audience"] is None and adds.handles(kind):
        result = await plugins.call(
            installed.name, use, HookCall("event", arguments={"event": view(use, event)})
        )
        if not await _count(store, use, result):
            return False
    if adds.card_lines and kind.startswith("task."):
        return await _renew_lines(store, plugins, installed, use, event["subject"])
    return True


def view(use: PluginInstallationRow, event: LoggedEvent) -> dict[str, Any]:
    """An event as plug-ins get it."""
    return {
        "id": f"{use['installation_id']}:{event['seq']}",
        "at": stamp(event["at"]),
        "kind": event["kind"],
        "subject": event["subject"],
        "actor": event["actor"],
        "data": event["data"],
    }


async def _count(store: Store, use: PluginInstallationRow, result: PluginResult) -> bool:
    """Count how the call ended. Return whether it is done: a failure is tried again."""
    await store.write(lambda tx: failures.count(tx, use, result))
    failure = result.failure
    if failure is None:
        return True
    log.warning("plug-in failed", plugin=use["plugin"], kind=failure.kind, why=failure.text)
    use["failures"] += 1
    # It refused the event in its own words: the same happens the next time.
    return failure.kind == "error"


async def _renew_lines(
    store: Store,
    plugins: Plugins,
    installed: Installed,
    use: PluginInstallationRow,
    task_id: str,
) -> bool:
    """Ask for the lines of a task's card, and keep them."""
    i = use["installation_id"]
    task = await store.read(lambda tx: tasks.get(tx, i, task_id))
    if task is None:
        return True
    name = f"{task['full_name']}#{task['number']}" if task["number"] else task_id
    given = {"task": {"id": task_id, "task": name, "state": task["state"]}}
    result = await plugins.call(installed.name, use, HookCall("card_lines", arguments=given))
    if not await _count(store, use, result):
        return False
    lines = short_lines(result.value)

    async def keep(tx: Tx) -> None:
        before = await plugin_installations.lines_of(tx, i, task_id)
        if lines != before.get(installed.name, []):
            await plugin_installations.put_lines(tx, i, task_id, installed.name, lines)
            # The task as it is now.
            if (now := await tasks.get(tx, i, task_id)) is not None:
                await publishing.show_report(tx, now)

    await store.write(keep)
    return True


def short_lines(given: Any) -> list[str]:
    """A few short lines. The card cleans them when it is drawn."""
    found = given if isinstance(given, list) else []
    texts = [" ".join(each.split())[:LONGEST_LINE] for each in found if isinstance(each, str)]
    return [each for each in texts if each][:MOST_LINES]
