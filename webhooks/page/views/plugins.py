"""Plug-ins: those of this server, one of them, and those of the registries."""

from typing import Any

from webhooks.page.visit import Visit


async def plugins(visit: Visit) -> dict[str, Any]:
    words = visit.value("words")
    installed = (await visit.call("list_plugins")).plugins
    found = await visit.call("search_plugins", words=words)
    return {"installed": installed, "found": found, "words": words}


async def plugin(visit: Visit) -> dict[str, Any]:
    details = await visit.call("get_plugin", plugin=visit.part("plugin"))
    return {"title": details.plugin.name, "details": details, "shown": details.plugin}


async def registry_plugin(visit: Visit) -> dict[str, Any]:
    """The first registry that has it comes first."""
    found = await visit.call("search_plugins", plugin=visit.part("plugin"))
    return {"title": found.plugins[0].name, "entries": found.plugins}
