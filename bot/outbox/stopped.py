"""Stopped means stopped: what becomes of the writes of an agent that was paused, left or revoked.

A pause holds them back until it ends. Leaving, and the end of the last token, cancel them.
"""

from collections.abc import Collection
from typing import Any

from bot.identity.actors import PLUGIN
from bot.outbox import cancellation
from bot.outbox.cancellation import error_of
from bot.tasks import capped_work
from store import events
from store.agents import agents
from store.agents.agents import Standing
from store.engine.transaction import Tx
from store.outbox import write_cancellation, write_history
from store.outbox.write_history import Wanted
from store.plugins import plugin_installations, plugins
from store.tables.outbox import WriteRow


async def stop_error(tx: Tx, write: WriteRow) -> dict[str, Any] | None:
    """Why a write must not be sent any more because of its author, or None."""
    author, here = write["author"], (tx, write["installation_id"])
    if author.startswith(PLUGIN):
        return await _plugin_error(*here, author)
    found = await agents.standing(*here, author)
    if found is None:
        return None
    left = await events.newest(*here, author, "agent.left")
    # One that came back does not get back what it had queued before.
    if found["left_at"] is not None or (left is not None and left["at"] > write["queued_at"]):
        return error_of(f"{author} was unregistered before its turn came.")
    if _has_lost_tokens(found, write["queued_at"]):
        return error_of(REVOKED.format(author=author))
    return None


async def _plugin_error(tx: Tx, installation_id: int, author: str) -> dict[str, Any] | None:
    """Why nothing of a plug-in is sent: it was turned off, or revoked. Not that its calls fail."""
    name = author.removeprefix(PLUGIN)
    row = await plugins.get(tx, name)
    use = await plugin_installations.get(tx, installation_id, name)
    if row is None or row["state"] == "stopped" or use is None or use["state"] == "off":
        return error_of(TURNED_OFF.format(author=author))
    return None


def _has_lost_tokens(found: Standing, since: int) -> bool:
    """Whether the agent has no valid token, or had none at a moment since then."""
    revoked_at, live_since = found["revoked_at"], found["live_since"]
    if revoked_at is None:
        return False
    return live_since is None or live_since > revoked_at > since


TURNED_OFF = "{author} was turned off before its turn came."
REVOKED = "The token of {author} was revoked before its turn came."


async def pause_reason(tx: Tx, write: WriteRow) -> str | None:
    """Why a write waits, if somebody paused its author, or a cap on spend is reached."""
    if write["state"] != "queued":
        return None
    found = await agents.standing(tx, write["installation_id"], write["author"])
    if found is None:
        return None
    if found["paused_at"] is None:
        return await capped_work.stop_reason(
            tx,
            write["installation_id"],
            repository_id=write["repository_id"],
            agent=write["author"],
            task_id=write["task_id"],
        )
    return f"{found['paused_by']} paused {write['author']}. It goes out when the pause ends."


async def pause_reasons(tx: Tx, rows: Collection[WriteRow]) -> dict[str, str]:
    """The same for many writes of one installation, by their id."""
    known: dict[tuple[Any, ...], str | None] = {}
    found: dict[str, str] = {}
    for row in rows:
        held = (row["author"], row["repository_id"], row["task_id"])
        if row["state"] == "queued" and held not in known:
            known[held] = await pause_reason(tx, row)
        if row["state"] == "queued" and (why := known[held]) is not None:
            found[row["id"]] = why
    return found


async def hold_back(tx: Tx, installation_id: int, paused: Collection[str]) -> int:
    """Count the writes that a pause of these agents holds back.

    Those on tasks that others hold by now are cancelled, because the others do not wait for them.
    """
    succeeded = error_of("Its agent was paused, and another agent holds the task now.")
    await write_cancellation.cancel_succeeded(tx, installation_id, paused, succeeded)
    return len(
        await write_history.page(tx, installation_id, _queued_by(paused), None, MOST_COUNTED)
    )


async def stop_over_cap(tx: Tx, installation_id: int, agent: str) -> None:
    """Let nobody wait for what the agent, whose cap is reached, wrote under its last leases."""
    succeeded = error_of("Its agent reached a cap on spend, and another agent holds the task now.")
    await write_cancellation.cancel_succeeded(tx, installation_id, [agent], succeeded)


async def cancel_queued(
    tx: Tx, installation_id: int, gone: Collection[str], reason: str
) -> list[str]:
    """Cancel what these agents queued. Return the ids of the writes."""
    done: list[str] = []
    rows = await write_history.page(tx, installation_id, _queued_by(gone), None, MOST_COUNTED)
    for row in rows:
        done += await cancellation.cancel(tx, row, reason, author_knows=True)
    return done


def _queued_by(authors: Collection[str]) -> Wanted:
    return Wanted(states=("queued",), authors=authors)


# What is queued beyond these is cancelled when its turn comes.
MOST_COUNTED = 1000
