"""A new epoch: what must change in a database that is older than its agents.

A backup that was restored, and a replica that took over, may lack the last minutes. Agents that
lived through them hold fences, cursors and versions that the database does not know. None of these
may become valid again, or be given to somebody else. GitHub may have writes that the database
takes for queued. Each step can be repeated, so that a killed command starts again.
"""

import secrets
from collections import Counter
from collections.abc import Callable
from functools import partial

from bot.contexts.encryption import associated_data, seal, unseal
from bot.fetch import missed_deliveries
from bot.github.token_buckets import CONTENT
from bot.identity.actors import BOT
from bot.identity.keyring import Broken, Keys
from bot.mirror import reads
from bot.tasks import lifecycle
from bot.times import MINUTE
from store import events
from store.backup import epochs
from store.backup.epochs import LiveLease
from store.contexts import versions
from store.engine.transaction import Store, Tx
from store.outbox import budgets
from store.tasks import leases, tasks

# Added to the version of each context, together with a random number below it.
VERSION_GAP = 100
# GitHub's limit to requests that create content. So many may have been sent each minute.
CONTENT_A_MINUTE = 80
PERSON = "@"


async def begin_epoch(
    store: Store, keys: Keys, why: str, *, missing: int, wait: int, say: Callable[[str], None]
) -> Counter[str]:
    """Begin a new epoch in every installation. Return what was changed.

    `why`: one clause for the history. `missing`: the microseconds that the database may lack.
    `wait`: how long a request of a former server may still be under way.
    """
    done: Counter[str] = Counter()
    for number, i in enumerate(await store.read(epochs.installations), 1):
        await store.write(partial(_raise_numbers, installation_id=i))
        done["tasks"] += await _raise_fences(store, i)
        done["writes"] += await store.write(partial(_doubt_writes, installation_id=i, wait=wait))
        done["leases"] += await _end_leases(store, i, why)
        done["contexts"] += await _raise_versions(store, keys, i, why)
        await store.write(partial(_read_again, installation_id=i, missing=missing))
        if number % 100 == 0:
            say(f"{number} installations")
    await store.write(missed_deliveries.begin_again)
    return done


async def _raise_numbers(tx: Tx, installation_id: int) -> None:
    """Readers whose cursor is from before get `missed`, and read the state again."""
    head = await epochs.raise_head(tx, installation_id)
    await events.set_floor(tx, installation_id, head)


async def _raise_fences(store: Store, installation_id: int) -> int:
    await store.write(partial(epochs.raise_first_fence, installation_id=installation_id))
    after, raised, count = "", 1, 0
    while raised:
        after, raised = await store.write(
            partial(epochs.raise_fences, installation_id=installation_id, after=after)
        )
        count += raised
    return count


async def _doubt_writes(tx: Tx, installation_id: int, wait: int) -> int:
    return await epochs.doubt_writes(tx, installation_id, await tx.now() + wait)


async def _end_leases(store: Store, installation_id: int, why: str) -> int:
    """End the leases of agents. People keep their tasks: their comments are read again."""
    after, count = "", 0
    while found := await store.read(
        partial(epochs.live_leases, installation_id=installation_id, after=after)
    ):
        for each in found:
            count += await store.write(
                partial(_end_lease, installation_id=installation_id, lease=each, why=why)
            )
        after = found[-1]["task_id"]
    return count


async def _end_lease(tx: Tx, installation_id: int, lease: LiveLease, why: str) -> bool:
    """Whether it was ended."""
    here = (tx, installation_id, lease["task_id"])
    if lease["holder"].startswith(PERSON):
        await epochs.renew_fence(*here)
        return False
    await tasks.lock(*here)
    task = await tasks.get(*here)
    if task is not None and task["lease_id"] == lease["id"]:
        await lifecycle.release(tx, task, "revoked", why, BOT, keeps_review=True)
        return True
    return await leases.end(*here, lease["id"], "revoked", why, "pending")


async def _raise_versions(store: Store, keys: Keys, installation_id: int, why: str) -> int:
    """Give each context a new version with the same content, far above the last one."""
    after, count = "", 0
    while found := await store.read(
        partial(epochs.next_contexts, installation_id=installation_id, after=after)
    ):
        for each in found:
            work = partial(
                _raise_version, keys=keys, installation_id=installation_id, context_id=each, why=why
            )
            count += await store.write(work)
        after = found[-1]
    return count


async def _raise_version(
    tx: Tx, keys: Keys, installation_id: int, context_id: str, why: str
) -> bool:
    """Whether it was raised. A version that cannot be read stays the newest one."""
    here = (installation_id, context_id)
    old = await epochs.lock_version(tx, *here)
    row = await versions.get(tx, *here, old)
    if row is None:
        return False
    try:
        compressed, _ = unseal(keys, associated_data(*here, old), row)
    except Broken:
        return False
    new = old + VERSION_GAP + secrets.randbelow(VERSION_GAP)
    content = seal(keys, associated_data(*here, new), compressed)
    note = f"The same as version {old}: {why}"
    made = {"version": new, "author": BOT, "at": await tx.now(), "note": note}
    await versions.add(tx, {**row, **made, **content})  # type: ignore[typeddict-item]
    await epochs.set_version(tx, *here, new)
    return True


async def _read_again(tx: Tx, installation_id: int, missing: int) -> None:
    """Let permissions, boards and the list of repositories be read again."""
    await epochs.forget_permissions(tx, installation_id)
    await epochs.look_at_boards(tx, installation_id)
    if not installation_id:
        return
    await reads.queue(tx, installation_id, reads.ALL_REPOSITORIES)
    await reads.queue(tx, installation_id, reads.installation(installation_id))
    await _spend_content(tx, installation_id, missing)


async def _spend_content(tx: Tx, installation_id: int, missing: int) -> None:
    """Count as sent what may have been sent in the time that is missing."""
    now = await tx.now()
    full_at = (await budgets.allowances(tx, installation_id)).get(CONTENT.name, 0)
    spent = min(CONTENT.most, missing * CONTENT_A_MINUTE // MINUTE)
    empty = CONTENT.full_after(now, now, CONTENT.most)
    after = min(empty, CONTENT.full_after(full_at, now, spent))
    await budgets.put_allowances(tx, installation_id, {CONTENT.name: after})
