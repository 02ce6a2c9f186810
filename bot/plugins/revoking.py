"""Whom the operator trusts, and what is revoked: it is stopped where it runs."""

from bot.plugins import signatures
from bot.plugins.signatures import Trust
from store.engine.transaction import Tx
from store.mounts import mounts
from store.plugins import plugin_installations, plugins
from store.tables.plugins import PluginRow


async def trust_of(tx: Tx) -> Trust:
    rows = await plugins.trust_rows(tx)
    publishers: dict[str, frozenset[str]] = {}
    for row in rows:
        if row["kind"] == "publisher":
            before = publishers.get(row["detail"], frozenset())
            publishers[row["detail"]] = before | {row["subject"]}
    revoked = {row["subject"]: row["detail"] for row in rows if row["kind"] == "revoked"}
    return Trust(publishers, signatures.revoked_by_subject(revoked))


async def stop_revoked(tx: Tx) -> list[str]:
    """Stop each plug-in that was revoked after it was installed. Return their names."""
    trust, stopped = await trust_of(tx), []
    for row in await plugins.all_of(tx):
        for subject in subjects(row):
            why = trust.revoked.get(subject or "")
            words = f"It is revoked: {why}"
            if why and await plugins.stop(tx, row["name"], row["digest"], words):
                await plugin_installations.turn_off_everywhere(tx, row["name"], words)
                await stop_server(tx, row)
                stopped.append(row["name"])
    return stopped


async def stop_server(tx: Tx, row: PluginRow) -> None:
    """Stop the server of a plug-in of the kind `mcp`, which agents could go on to call."""
    if row["manifest"].get("kind") != "mcp":
        return
    for i in await plugin_installations.where_used(tx, row["name"]):
        mount = await mounts.by_name(tx, i, row["name"])
        if mount is not None:
            await mounts.set_state(tx, i, mount["id"], "stopped", None)


async def resume_lifted(tx: Tx) -> None:
    """Have those run again that nothing revokes any more. People turn them on where they want."""
    trust = await trust_of(tx)
    for row in await plugins.all_of(tx):
        if row["state"] == "stopped" and not trust.revoked.keys() & set(subjects(row)):
            await plugins.resume(tx, row["name"], row["digest"])


def subjects(row: PluginRow) -> tuple[str | None, ...]:
    """By any of them it may be revoked."""
    version = signatures.subject_of(row["name"], row["version"])
    return row["digest"], row["signed_by"], version
