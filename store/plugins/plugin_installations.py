"""Which installation uses which plug-in, how its calls end, and its lines for cards."""

from collections.abc import Sequence
from typing import Any

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.plugins.plugins import MOST
from store.tables.agents import Role
from store.tables.plugins import PluginInstallationRow

COLUMNS = tuple(PluginInstallationRow.__annotations__)
KEY = ("installation_id", "plugin")
LINE_COLUMNS = ("installation_id", "task_id", "plugin", "texts", "updated_at")
LINE_KEY = LINE_COLUMNS[:3]
# Plug-ins with events, of all installations, in one look.
MOST_DUE = 50


async def all_of(tx: Tx, installation_id: int) -> list[PluginInstallationRow]:
    q = "SELECT * FROM plugin_installations WHERE installation_id = :i ORDER BY plugin LIMIT :n"
    return await tx.all(q, i=installation_id, n=MOST)


async def get(tx: Tx, installation_id: int, plugin: str) -> PluginInstallationRow | None:
    q = "SELECT * FROM plugin_installations WHERE installation_id = :i AND plugin = :p"
    return await tx.one(q, i=installation_id, p=plugin)


async def turn_on(
    tx: Tx, installation_id: int, plugin: str, role: Role, sealed: bytes, seq: int, by: str
) -> None:
    """Turn it on, or change how. It gets the events after `seq`."""
    now = await tx.now()
    await tx.run(
        sql.upsert(tx.dialect, "plugin_installations", COLUMNS, KEY),
        installation_id=installation_id,
        plugin=plugin,
        state="on",
        role=role,
        sealed=sealed,
        why=None,
        failures=0,
        seq=seq,
        due_at=now,
        changed_by=by[:120],
        changed_at=now,
    )


async def turn_off(tx: Tx, installation_id: int, plugin: str, by: str) -> bool:
    q = (
        "UPDATE plugin_installations SET state = 'off', why = NULL, changed_by = :by, "
        "changed_at = :now WHERE installation_id = :i AND plugin = :p AND state <> 'off'"
    )
    return bool(await tx.run(q, i=installation_id, p=plugin, by=by[:120], now=await tx.now()))


async def turn_off_everywhere(tx: Tx, plugin: str, why: str) -> None:
    """Turn it off where it is on, so that people there are notified."""
    q = (
        "UPDATE plugin_installations SET state = 'failing', why = :why, changed_at = :now "
        "WHERE plugin = :p AND state = 'on'"
    )
    await tx.run(q, p=plugin, why=why[:300], now=await tx.now())


async def where_used(tx: Tx, plugin: str) -> list[int]:
    """The installations that turned it on at some time."""
    q = "SELECT installation_id FROM plugin_installations WHERE plugin = :p"
    return [row["installation_id"] for row in await tx.all(q, p=plugin)]


async def forget_failures(tx: Tx, plugin: str) -> None:
    """Those of another version say nothing of the new one."""
    q = (
        "UPDATE plugin_installations SET failures = 0, why = NULL WHERE plugin = :p "
        "AND state = 'on' AND failures > 0"
    )
    await tx.run(q, p=plugin)


async def remove(tx: Tx, plugin: str) -> None:
    """Forget it in all installations."""
    for table in ("plugin_values", "plugin_card_lines", "plugin_forwards", "plugin_installations"):
        await tx.run(f"DELETE FROM {table} WHERE plugin = :p", p=plugin)


# --- How calls end -------------------------------------------------------------------------------


async def count_success(tx: Tx, installation_id: int, plugin: str) -> None:
    q = (
        "UPDATE plugin_installations SET failures = 0 WHERE installation_id = :i AND plugin = :p "
        "AND failures > 0"
    )
    await tx.run(q, i=installation_id, p=plugin)


async def count_failure(tx: Tx, installation_id: int, plugin: str, why: str, most: int) -> bool:
    """Count a call that failed. Return whether this one turned the plug-in off."""
    here = {"i": installation_id, "p": plugin, "why": why[:300]}
    await tx.run(
        "UPDATE plugin_installations SET failures = failures + 1, why = :why "
        "WHERE installation_id = :i AND plugin = :p AND state = 'on'",
        **here,
    )
    q = (
        "UPDATE plugin_installations SET state = 'failing', changed_at = :now "
        "WHERE installation_id = :i AND plugin = :p AND state = 'on' AND failures >= :most"
    )
    changed = {"i": installation_id, "p": plugin, "most": most, "now": await tx.now()}
    return bool(await tx.run(q, **changed))


async def note_failure(tx: Tx, installation_id: int, plugin: str, why: str) -> None:
    """Count a failure that does not turn it off."""
    q = (
        "UPDATE plugin_installations SET failures = failures + 1, why = :why "
        "WHERE installation_id = :i AND plugin = :p AND state = 'on' AND failures < 9999"
    )
    await tx.run(q, i=installation_id, p=plugin, why=why[:300])


# --- Events --------------------------------------------------------------------------------------


async def due(tx: Tx, now: int, plugins: Sequence[str]) -> list[PluginInstallationRow]:
    """Where one of these plug-ins has events to look for, the longest due first."""
    return await tx.all(
        "SELECT * FROM plugin_installations WHERE state = 'on' AND due_at <= :now "
        "AND plugin IN :plugins ORDER BY due_at LIMIT :n",
        now=now,
        plugins=tuple(plugins),
        n=MOST_DUE,
    )


async def take(tx: Tx, row: PluginInstallationRow, until: int) -> bool:
    """Take it for this process until a time. False if another one has it."""
    q = (
        "UPDATE plugin_installations SET due_at = :until WHERE installation_id = :i "
        "AND plugin = :p AND state = 'on' AND due_at = :seen"
    )
    here = {"i": row["installation_id"], "p": row["plugin"], "seen": row["due_at"]}
    return bool(await tx.run(q, **here, until=until))


async def advance(tx: Tx, row: PluginInstallationRow, seq: int, due_at: int) -> None:
    """It has handled the events up to `seq`, unless another process has taken it since."""
    q = (
        "UPDATE plugin_installations SET seq = :seq, due_at = :due WHERE installation_id = :i "
        "AND plugin = :p AND seq <= :seq AND due_at = :taken"
    )
    here = {"i": row["installation_id"], "p": row["plugin"], "taken": row["due_at"]}
    await tx.run(q, **here, seq=seq, due=due_at)


# --- Lines of cards ------------------------------------------------------------------------------


async def put_lines(
    tx: Tx, installation_id: int, task_id: str, plugin: str, lines: Sequence[str]
) -> None:
    await tx.run(
        sql.upsert(tx.dialect, "plugin_card_lines", LINE_COLUMNS, LINE_KEY),
        installation_id=installation_id,
        task_id=task_id,
        plugin=plugin,
        texts=json_text.text(list(lines)),
        updated_at=await tx.now(),
    )


async def lines_of(tx: Tx, installation_id: int, task_id: str) -> dict[str, list[str]]:
    """The lines for the card of a task, by plug-in; only of plug-ins that are on."""
    rows: list[Any] = await tx.all(
        "SELECT l.plugin, l.texts FROM plugin_card_lines l JOIN plugin_installations p "
        "ON p.installation_id = l.installation_id AND p.plugin = l.plugin "
        "WHERE l.installation_id = :i AND l.task_id = :t AND p.installation_id = :i "
        "AND p.state = 'on' ORDER BY l.plugin LIMIT :n",
        i=installation_id,
        t=task_id,
        n=MOST,
    )
    return {row["plugin"]: json_text.value(row["texts"]) for row in rows}
