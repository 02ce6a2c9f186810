"""Counts how calls end: a plug-in that keeps failing is turned off for the installation."""

from bot.kernel.plugin_calls import PluginResult
from store.engine.transaction import Tx
from store.plugins import plugin_installations, plugins
from store.tables.plugins import PluginInstallationRow

# Failures one after the other, after which a plug-in is turned off for the installation.
MOST_FAILURES = 5


async def count(tx: Tx, use: PluginInstallationRow, result: PluginResult) -> bool:
    """Count how a call ended. Return whether it turned the plug-in off.

    That a plug-in refuses a call in its own words is no failure of it. During an update, other
    processes may still call the version before, or not run the plug-in: that says nothing of the
    version that is installed now.
    """
    succeeded = result.failure is None or result.failure.kind == "error"
    if succeeded and not use["failures"]:
        return False
    if result.version is None or result.version != await plugins.digest_of(tx, use["plugin"]):
        return False
    here = (tx, use["installation_id"], use["plugin"])
    if result.failure is None or succeeded:
        await plugin_installations.count_success(*here)
        return False
    return await plugin_installations.count_failure(*here, result.failure.text, MOST_FAILURES)
