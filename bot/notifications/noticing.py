"""Compares what needs a person with the last look, and queues messages about what changed.

The look, what it found and the messages are one transaction, so nothing is told twice, and what
a process that dies has not stored another one finds again.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from bot.attention.items import Item, Open, open_kinds
from bot.notifications import entries
from bot.notifications.rules import Rules
from bot.times import SECOND
from store.engine import ids
from store.engine.transaction import Tx
from store.notifications import noticed, notifications, targets
from store.tables.notifications import NoticedItemRow, NotificationRow, NotificationTargetRow

LOOK_EVERY = 5 * SECOND
# Without an active target.
LOOK_SELDOM = 60 * SECOND
HIDDEN = ("repository_id", "is_private", "plain", "began")


async def look(tx: Tx, installation_id: int) -> int:
    """Look at an installation, if that is due. Return how many items began or ended."""
    now = await tx.now()
    known = await targets.all_of(tx, installation_id)
    active = [each for each in known if each["state"] == "active"]
    every = LOOK_EVERY if active else LOOK_SELDOM
    if not await noticed.begin_look(tx, installation_id, now + every) or not active:
        return 0
    found = await open_kinds(tx, installation_id)
    items = [item for each in found for item in each.items]
    before = await noticed.known_keys(tx, installation_id, [item.key for item in items])
    began = [item for item in items if item.key not in before]
    ended = _ended_among(await noticed.newest(tx, installation_id), found)
    await noticed.add(tx, [_row(installation_id, item) for item in began])
    await noticed.remove(tx, installation_id, [row["item_key"] for row in ended])
    for target in active:
        await _queue(tx, target, began, [_item(row) for row in ended])
    return len(began) + len(ended)


def _ended_among(stored: Iterable[NoticedItemRow], found: Sequence[Open]) -> list[NoticedItemRow]:
    """Those that are over. Of a long list the old ones may go on unseen."""
    seen = {item.key for each in found for item in each.items}
    cut = {each.kind: each.items[-1].began for each in found if each.total > len(each.items)}
    return [
        row
        for row in stored
        if row["item_key"] not in seen and row["began"] > cut.get(row["kind"], -1)
    ]


def _row(installation_id: int, item: Item) -> NoticedItemRow:
    return {
        "installation_id": installation_id,
        "item_key": item.key,
        "kind": item.kind,
        "repository_id": item.repository_id,
        "began": item.began,
        "item": item.model_dump() | {name: getattr(item, name) for name in HIDDEN},
    }


def _item(row: NoticedItemRow) -> Item:
    return Item.model_validate(row["item"])


async def _queue(
    tx: Tx, target: NotificationTargetRow, began: Sequence[Item], ended: Sequence[Item]
) -> None:
    """Add what the target is told of to its message that still waits, or to a new one."""
    rules = Rules.model_validate(target["rules"])
    new = [each for each in began if _concerns(target, rules, each)]
    over = [each for each in ended if _concerns(target, rules, each)]
    if not new and not over:
        return
    i, target_id = target["installation_id"], target["id"]
    waiting = {row["urgent"]: row for row in await notifications.lock_waiting(tx, i, target_id)}
    over = [each for each in over if not _withdraw(waiting.values(), each, rules)]
    for item, change in _changes(new, over if rules.resolved else ()):
        is_urgent = int(item.severity == "urgent" and change == "began")
        if is_urgent not in waiting:
            waiting[is_urgent] = await _add(tx, target, rules, is_urgent)
        _append(waiting[is_urgent], item, rules, change)
    for row in waiting.values():
        await notifications.put_entries(tx, row)


def _concerns(target: NotificationTargetRow, rules: Rules, item: Item) -> bool:
    return item.began >= target["since"] and rules.match(
        item.kind, item.severity, item.repository_id
    )


def _changes(
    new: Sequence[Item], over: Sequence[Item]
) -> list[tuple[Item, Literal["began", "ended"]]]:
    return [*((each, "began") for each in new), *((each, "ended") for each in over)]


def _withdraw(waiting: Iterable[NotificationRow], item: Item, rules: Rules) -> bool:
    """Take an item that is over out of what waits: nobody needs to read of it."""
    key = entries.entry_of(item, rules, "began").key
    for row in waiting:
        for each in row["entries"]:
            if each["key"] == key and each["change"] == "began":
                row["entries"].remove(each)
                return True
    return False


def _append(
    row: NotificationRow, item: Item, rules: Rules, change: Literal["began", "ended"]
) -> None:
    if len(row["entries"]) >= entries.MOST_KEPT:
        row["more"] += 1
        return
    row["entries"].append(entries.entry_of(item, rules, change).model_dump())


async def _add(
    tx: Tx, target: NotificationTargetRow, rules: Rules, is_urgent: int
) -> NotificationRow:
    now = await tx.now()
    row: NotificationRow = {
        "installation_id": target["installation_id"],
        "id": ids.new("n", now),
        "target_id": target["id"],
        "urgent": is_urgent,
        "state": "waiting",
        "entries": [],
        "more": 0,
        "not_before": rules.send_at(now, is_urgent=bool(is_urgent)),
        "attempts": 0,
        "created_at": now,
        "ended_at": None,
        "error": None,
    }
    await notifications.add(tx, row)
    return row
