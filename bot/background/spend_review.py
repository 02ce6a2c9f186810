"""Ends what caps on spend hold, once the cap was raised, the day is over, or the task has ended."""

from functools import partial

from bot.kernel.operation import Shared
from bot.quotas.money import Caps
from bot.repository import repository_settings
from bot.tasks import capped_work, publishing, spend_caps
from bot.tasks.spend_caps import Cap
from bot.tasks.states import OPEN
from store.engine.transaction import Store, Tx
from store.tables.usage import OK, SpendHoldRow
from store.tasks import spend_holds, tasks
from store.tasks.spend_holds import HoldKey

BATCH = 200


async def step(store: Store, shared: Shared) -> int:
    """Look at every hold, and change those that are outdated. Return how many."""
    changed, after = 0, None
    while True:
        rows = await store.read(lambda tx, after=after: _page(tx, after))  # type: ignore[misc]
        for row in rows:
            caps = shared.caps_of(row["installation_id"])
            if await store.read(partial(_new_state, row=row, caps=caps)):
                await store.write(partial(_renew, row=row, caps=caps))
                changed += 1
        if len(rows) < BATCH:
            return changed
        after = spend_holds.key_of(rows[-1])


async def _page(tx: Tx, after: HoldKey | None) -> list[SpendHoldRow]:
    return await spend_holds.page(tx, spend_caps.today(await tx.now()), after, BATCH)


async def _new_state(tx: Tx, row: SpendHoldRow, caps: Caps) -> tuple[Cap | None, int] | None:
    """The cap and its level now, if they differ from the stored ones."""
    here, settings = row["installation_id"], None
    if row["repository_id"]:
        settings = await repository_settings.of(tx, here, row["repository_id"])
    cap, level = await capped_work.cap_now(tx, row, caps, settings) or (None, OK)
    if row["task_id"]:
        task = await tasks.get(tx, here, row["task_id"])
        level = level if task and task["state"] in OPEN else OK
    same = cap is not None and (level, cap.most) == (row["level"], row["cap"])
    return None if same else (cap, level)


async def _renew(tx: Tx, row: SpendHoldRow, caps: Caps) -> None:
    found = await _new_state(tx, row, caps)
    if found is None:
        return  # another process did it
    cap, level = found
    if cap is None or level == OK:
        await spend_holds.remove(tx, spend_holds.key_of(row))
    else:
        await capped_work.set_level(tx, cap, level, caps.currency)
    tx.rings.update(("outbox", f"installation {row['installation_id']}"))
    task = await tasks.get(tx, row["installation_id"], row["task_id"]) if row["task_id"] else None
    if task is not None and task["state"] in OPEN:
        await publishing.show(tx, task)
