"""The protocols of plug-ins: calls of their functions, for agents that are reached by them."""

from collections.abc import Collection
from functools import partial
from typing import Any

from bot.kernel.plugin_calls import HookCall
from bot.plugins import failures
from bot.plugins.installed import Installed
from bot.plugins.manifest import SEPARATOR
from bot.plugins.running import Plugins
from bot.protocols.link import Reply
from store.engine.transaction import Store
from store.plugins import plugin_installations


class Deliveries:
    """A `bot.protocols.link.PluginProtocols`."""

    def __init__(self, store: Store, plugins: Plugins) -> None:
        self._store = store
        self._plugins = plugins

    async def deliver(self, installation_id: int, name: str, delivery: dict[str, Any]) -> Reply:
        plugin, _, protocol = name.partition(SEPARATOR)
        installed = await self._plugins.find(plugin)
        if installed is None or protocol not in protocols_of(installed):
            return Reply(failure=f"no plug-in of this server adds the protocol {name}")
        get = partial(
            plugin_installations.get, installation_id=installation_id, plugin=installed.name
        )
        use = await self._store.read(get)
        if use is None or use["state"] != "on":
            return Reply(failure=f"the plug-in {installed.name} is not turned on")
        call = HookCall("protocol", protocol, {"delivery": delivery})
        result = await self._plugins.call(installed.name, use, call)
        await self._store.write(partial(failures.count, use=use, result=result))
        if result.failure is not None:
            return Reply(failure=f"the plug-in {installed.name} failed: {result.failure.text}")
        return Reply(result.value)


def protocols_of(installed: Installed) -> Collection[str]:
    return [each.name for each in installed.manifest.adds.protocols]
