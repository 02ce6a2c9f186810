"""Handlers that are imported with the first request for them: many servers never get one."""

from typing import Any

from aiohttp import web

from bot.kernel import late_imports
from webhooks.middleware import Handler


async def by_name(place: str) -> Any:
    """What has this name below `webhooks`, such as page.front.sign_in."""
    module, _, name = place.rpartition(".")
    return getattr(await late_imports.load(f"webhooks.{module}"), name)


def late(place: str) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        handler: Handler = await by_name(place)
        return await handler(request)

    return handle
