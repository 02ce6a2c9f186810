"""Tool servers, how each is, and the tools and the log of one."""

from typing import Any

from bot.errors import Refused
from webhooks.page.visit import Visit


async def tool_servers(visit: Visit) -> dict[str, Any]:
    """`mounts` is None for those who do not lead every repository; `why_not` says so."""
    try:
        found = await visit.call("list_mounts")
    except Refused as exc:
        if exc.code != "forbidden":
            raise
        return {"mounts": None, "why_not": exc.message}
    return {"mounts": found.mounts, "why_not": ""}


async def tool_server(visit: Visit) -> dict[str, Any]:
    found = await visit.call("get_mount", mount=visit.part("mount"))
    state = visit.value("state")
    shown = [each for each in found.listed if state in ("", each.state)]
    return {
        "title": found.mount.name,
        "mount": found.mount,
        "details": found,
        "tools": shown,
        "state": state,
    }
